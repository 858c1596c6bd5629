import json
from pathlib import Path

import pytest

from atomic_agents.core.document import parse
from atomic_agents.core.errors import UsageError
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.vault import mcp_servers, settings
from atomic_agents.vault.mcp_servers import Accepted

V1 = Path(__file__).parents[1] / "vaults/v1/orchard/mcp.md"


def unset(_name: str) -> str | None:
    return None


def stated(text: str) -> settings.Settings:
    return settings.read("mcp.md", parse("a/mcp.md", f"---\nschema_version: 2\n{text}---\n".encode()))


def test_the_published_form_is_read() -> None:
    found = mcp_servers.servers(settings.read("mcp.md", parse("a/mcp.md", V1.read_bytes())))

    assert [(each.name, each.command, each.args) for each in found] == [
        ("weather", "uvx", ("frost-server", "--station", "orchard-gate")),
        ("almanac", "python3", ("-m", "almanac_server")),
    ]
    assert (found[0].variables, found[1].variables) == (("FROST_TOKEN",), ("ALMANAC_PLACE",))


def test_one_broken_server_leaves_the_others_alone() -> None:
    text = "servers:\n  one:\n    command: python\n    env: {KEY: $NOT_SET}\n  two:\n    url: https://x.example/mcp\n"

    found = mcp_servers.problems(stated(text), unset)

    assert {name: (each.line, each.message) for name, each in found.items()} == {
        "one": (4, "one needs NOT_SET, which is not set")
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("servers: {s: {description: d}}\n", "neither a command nor a url"),
        ("servers: {s: {command: python, url: 'http://x/'}}\n", "both a command and a url"),
        ("servers: {s: {url: 'ftp://x/'}}\n", "is not http or https"),
        ("servers: {s__t: {command: python}}\n", "cannot be the name of a server"),
        ("servers: {s: {command: bash}}\n", "is not among the allowed commands"),
        ("allowed_commands: [node]\nservers: {s: {command: python}}\n", "is not among the allowed commands: node"),
        ("allowed_commands: []\nservers: {s: {command: python}}\n", "is not among the allowed commands: none"),
        ("allowed_commands: [python]\nservers: {s: {command: /evil/python}}\n", "is not among the allowed commands"),
    ],
)
def test_what_keeps_a_server_from_being_used_is_said(text: str, said: str) -> None:
    (found,) = mcp_servers.problems(stated(text), unset).values()

    assert said in found.message


def test_variables_are_filled_in_and_nothing_else_is() -> None:
    assert mcp_servers.filled("Bearer $A-${B}c $5 $$", {"A": "1", "B": "2"}.get) == "Bearer 1-2c $5 $$"


def test_what_was_accepted_is_read_as_it_was_written() -> None:
    pins = {"s": Accepted("python\nx", {"t": {"description": "d", "schema": {}, "class": "read_only"}})}

    assert mcp_servers.accepted(MemoryStore({"a/mcp.pins.json": mcp_servers.render(pins)}), "a") == pins


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"servers": []}', b'{"servers": {"s": 1}}', b"\xff"])
def test_what_cannot_be_understood_accepts_nothing(data: bytes) -> None:
    assert mcp_servers.accepted(MemoryStore({"a/mcp.pins.json": data}), "a") == {}


def test_the_file_of_other_programs_is_taken_over() -> None:
    files = {"command": "npx", "args": ["-y", "a, b"], "env": {"K": "${K}"}, "cwd": "/"}
    web = {"type": "http", "url": "https://x.example/mcp", "headers": {"Authorization": "Bearer $T"}}

    found = mcp_servers.imported(json.dumps({"mcpServers": {"files": files, "web": web}}), ".mcp.json")

    assert found == {
        "files": {"command": "npx", "args": ["-y", "a, b"], "env": {"K": "${K}"}},
        "web": {"url": "https://x.example/mcp", "headers": {"Authorization": "Bearer $T"}},
    }


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", '{"mcpServers": {"s": {"type": "sse", "url": "x"}}}', '{"mcpServers": {"s": 1}}'],
)  # fmt: skip
def test_what_is_no_such_file_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        mcp_servers.imported(text, ".mcp.json")
