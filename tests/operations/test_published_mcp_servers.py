"""MCP servers that others have published, each through a whole run; those that are not installed are skipped."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile_house import House  # type: ignore[import-not-found]  # beside this file

from atomic_agents.operations import mcp
from atomic_agents.testing.workspaces import scripted_workspace

pytest.importorskip("mcp")


def program(name: str) -> str:
    found = shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


def asked(house: House, server: dict[str, object], *calls: tuple[str, dict[str, object]]) -> list[str]:
    """What a server answers to calls that are made in one run, once the operator has accepted it."""
    stated: dict[str, object] = {"schema_version": 2, "servers": {"it": server}}
    if "command" in server:
        stated["allowed_commands"] = [server["command"]]
    house.put("caldwell/mcp.md", f"---\n{json.dumps(stated)}\n---\n")
    workspace = scripted_workspace(house.store, [], root=house.root)
    mcp.check(workspace, "caldwell", accept=True)
    workspace.close()
    result = house.try_out([(f"it__{name}", arguments) for name, arguments in calls])
    assert (result.ending, result.warnings) == ("ok", ())
    return [each.text for each in house.model.requests[-1].messages if each.role == "tool"]


def test_a_file_server_reads_below_its_folder_and_nowhere_else(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "tide.txt").write_text("high at six")
    server: dict[str, object] = {"command": program("mcp-server-filesystem"), "args": [str(folder)]}

    inside, outside = asked(
        House(tmp_path / "v"), server, ("read_text_file", {"path": str(folder / "tide.txt")}),
        ("read_text_file", {"path": str(tmp_path / "v" / "caldwell" / "model.md")}),
    )  # fmt: skip

    assert "high at six" in inside
    assert "denied" in outside.lower()


def test_a_server_with_a_state_keeps_it_for_the_run(tmp_path: Path) -> None:
    server: dict[str, object] = {
        "command": program("mcp-server-memory"), "env": {"MEMORY_FILE_PATH": str(tmp_path / "graph.jsonl")}
    }  # fmt: skip
    petrel = {"name": "Petrel", "entityType": "boat", "observations": ["blue"]}

    made, found = asked(
        House(tmp_path / "v"), server, ("create_entities", {"entities": [petrel]}), ("search_nodes", {"query": "blue"})
    )

    assert "Petrel" in made
    assert "Petrel" in found


@pytest.fixture
def everything(tmp_path: Path) -> Iterator[str]:
    command = [program("mcp-server-everything"), "streamableHttp"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        command, env={**os.environ, "PORT": str(port), "HOME": str(tmp_path)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        process.wait(20)


def test_a_server_over_http_is_asked(tmp_path: Path, everything: str) -> None:
    (answer,) = asked(House(tmp_path / "v"), {"url": everything}, ("echo", {"message": "ahoy"}))

    assert "ahoy" in answer
