"""Servers that list what is no tool, print what is no message, or change their mind."""

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from atomic_agents.tools import mcp_tools
from atomic_agents.tools.mcp_client import Sessions
from atomic_agents.tools.mcp_noise import MOST_CHARACTERS, Noise
from atomic_agents.vault.mcp_servers import Server

pytest.importorskip("mcp")
CROOKED = str(Path(__file__).with_name("mcp_crooked.py"))
GOOD = {"name": "good", "description": "Good.", "inputSchema": {"type": "object"}}
LAST = {**GOOD, "name": "last"}


def server(**says: object) -> Server:
    env = {"SAYS": json.dumps(says)}
    return Server("crooked", "a/mcp.md", 3, sys.executable, (CROOKED,), env, "", {}, 20, "", None)


@pytest.fixture
def heard() -> dict[str, Noise]:
    return {}


@pytest.fixture
def sessions(heard: dict[str, Noise]) -> Iterator[Sessions]:
    opened = Sessions(lambda _name: None, 20, heard.__setitem__)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "schema",
    [{"type": "object", "properties": []}, {"type": "object", "properties": {"n": 5}}, None, "x", [],
     {"type": "object", "required": 3}, {"type": "array"}, {"type": "object", "properties": {"n": {"type": "int"}}}],
)  # fmt: skip
def test_one_tool_whose_schema_is_none_does_not_hide_the_others(sessions: Sessions, schema: object) -> None:
    listed = sessions.definitions(server(tools=[GOOD, {"name": "bad", "inputSchema": schema}, LAST]))

    pins = {each.name: mcp_tools.pinned(each) for each in listed}
    assert [each.name for each in listed] == ["good", "bad", "last"]
    assert pins["bad"]["schema"] == schema
    assert list(mcp_tools.unusable(pins)) == ["bad"]


def test_a_schema_that_leaves_its_type_out_is_used(sessions: Sessions) -> None:
    (listed,) = sessions.definitions(server(tools=[{"name": "get", "inputSchema": {"properties": {"n": {}}}}]))

    assert listed.schema == {"properties": {"n": {}}}
    assert mcp_tools.unusable({"get": mcp_tools.pinned(listed)}) == {}


@pytest.mark.parametrize("tool", [{"name": "bad"}, {"name": 5, "inputSchema": {"type": "object"}}, "bad", None])
def test_what_is_no_tool_at_all_does_not_hide_the_others(sessions: Sessions, tool: object) -> None:
    listed = sessions.definitions(server(tools=[tool, GOOD]))

    assert len(mcp_tools.unusable({each.name: mcp_tools.pinned(each) for each in listed})) == 1
    assert sessions.call(server(tools=[tool, GOOD]), "good", {}) == "called good"


@pytest.mark.parametrize(
    ("prints", "kept"),
    [
        ("DEBUG: got a line\n", "DEBUG: got a line"), ("\n", ""), ('{"level": "info"}\n', '{"level": "info"}'),
        ("42\n", "42"), ("STDIO server\nready\n", "ready"), ("caf\udce9\n", "caf\ufffd"),
        ("\x1b[31mred\x1b[0m\n", "\x1b[31mred"),
        ('{"jsonrpc": "2.0"}\n', '"jsonrpc"'), ("[1, 2]\n", "[1, 2]"),
    ],
)  # fmt: skip
def test_what_is_printed_between_messages_is_kept_and_no_traceback_is_logged(
    sessions: Sessions, heard: dict[str, Noise], prints: str, kept: str, capfd: pytest.CaptureFixture[str]
) -> None:
    noisy = server(prints=prints)

    said = sessions.call(noisy, "get", {})
    sessions.close()

    assert said == "called get"
    assert kept in heard["crooked"].text
    assert "Traceback" not in heard["crooked"].text
    assert capfd.readouterr() == ("", "")
    told = heard["crooked"].words("crooked", ".atomic/mcp/a/crooked.log")
    assert told.startswith("crooked printed ")
    assert told.endswith("not MCP messages: .atomic/mcp/a/crooked.log")
    assert "\n" not in told
    assert heard["crooked"].words("crooked", "").isprintable()


def test_a_server_that_prints_nothing_else_is_not_told_of(sessions: Sessions, heard: dict[str, Noise]) -> None:
    sessions.call(server(), "get", {})
    sessions.close()

    assert heard == {}


def test_what_is_kept_of_a_flood_is_bounded() -> None:
    noise = Noise()
    for _ in range(100):
        noise.take("x" * 10_000, stray=True)

    assert len(noise.text) < MOST_CHARACTERS + 10_000
    assert noise.text.endswith("more lines are left out)\n")
    assert "printed 100 lines" in noise.words("a", "log")


def test_what_others_log_with_the_same_library_is_logged_as_before(
    sessions: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    sessions.call(server(), "get", {})

    logging.getLogger("mcp.client.stdio").warning("of somebody else")

    assert "of somebody else" in caplog.text
