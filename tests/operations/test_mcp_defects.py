"""What other implementations get wrong about MCP servers, each through a whole run."""

import json
import sys
from pathlib import Path

import pytest
from hostile_house import House  # type: ignore[import-not-found]  # beside this file

from atomic_agents.operations import mcp
from atomic_agents.testing.workspaces import scripted_workspace

pytest.importorskip("mcp")
SHED = Path(__file__).parents[1] / "tools" / "mcp_shed.py"


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "shed.py").write_text(SHED.read_text())
    return House(tmp_path)


def stated(house: House, allowed: list[str] | None = None, **servers: dict[str, object]) -> None:
    """Write `mcp.md` as the operator does, and accept what can be accepted."""
    found: dict[str, object] = {"schema_version": 2, "servers": servers}
    house.put(
        "caldwell/mcp.md", f"---\n{json.dumps(found | ({'allowed_commands': allowed} if allowed else {}))}\n---\n"
    )
    workspace = scripted_workspace(house.store, [], root=house.root)
    mcp.check(workspace, "caldwell", accept=True)
    workspace.close()


def shed(**more: object) -> dict[str, object]:
    return {"command": sys.executable, "args": ["~/shed.py"], **more}


def answers(house: House) -> list[str]:
    return [each.text for each in house.model.requests[-1].messages if each.role == "tool"]


def test_a_variable_that_is_not_set_leaves_one_server_out_and_the_agent_runs(house: House) -> None:
    stated(house, shed=shed(), barn=shed(env={"TOKEN": "$NOBODY_SET_THIS"}))

    result = house.try_out([("shed__count", {}), ("barn__count", {})])

    assert (result.ending, "\n1\n" in answers(house)[0]) == ("ok", True)
    assert "there is no tool barn__count" in answers(house)[1]
    assert any("barn needs NOBODY_SET_THIS, which is not set" in warning for warning in result.warnings)


def test_a_server_is_given_a_secret_that_is_kept_in_a_file_and_nobody_reads_it(house: House) -> None:
    secret = "rain-on-the-roof-1234"
    keys = house.root / "keys.json"
    keys.write_text(json.dumps({"SHED_TOKEN": secret, "BARN_TOKEN": "nobody-names-this-1"}))
    keys.chmod(0o600)
    stated(house, shed=shed(env={"TOKEN": "$SHED_TOKEN"}))

    house.try_out([("shed__environment", {})])

    (heard,) = answers(house)
    assert ("[redacted]" in heard, secret in heard, "nobody-names" in heard) == (True, False, False)
    kept = [path for path in house.root.rglob("*") if path.is_file() and path != keys]
    assert [path for path in kept if secret.encode() in path.read_bytes()] == []


@pytest.mark.parametrize("argument", ["~/shed.py", "shed.py", "./shed.py"])
def test_a_script_is_found_from_the_home_folder_and_not_started_once_it_has_changed(
    house: House, tmp_path: Path, argument: str
) -> None:
    stated(house, shed=shed(args=[argument]))
    house.try_out([("shed__count", {})])
    before = answers(house)
    (tmp_path / "shed.py").write_text(f"open({str(tmp_path / 'pwned')!r}, 'w')\n")

    house.try_out([("shed__count", {})])

    assert "\n1\n" in before[0]
    assert "is not what was accepted" in answers(house)[0]
    assert not (tmp_path / "pwned").exists()


def test_a_server_is_not_given_what_is_in_the_environment(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a key for nobody else")
    stated(house, shed=shed(env={"TOKEN": "for the shed"}))

    house.try_out([("shed__environment", {})])

    assert "for the shed" in answers(house)[0]
    assert "a key for nobody else" not in answers(house)[0]


def test_a_command_that_only_has_the_name_of_an_allowed_one_is_not_started(house: House, tmp_path: Path) -> None:
    fake = tmp_path / "python3"
    fake.write_text(f"#!/bin/sh\ntouch '{tmp_path}/pwned'\n")
    fake.chmod(0o755)

    stated(house, ["python3"], shed=shed(command=str(fake)))
    result = house.try_out([("shed__count", {})])

    assert any(f"{fake} of shed is not among the allowed commands: python3" in each for each in result.warnings)
    assert not (tmp_path / "pwned").exists()


def test_a_server_that_dies_or_is_gone_stands_in_the_record(house: House, tmp_path: Path) -> None:
    stated(house, shed=shed())
    died = house.try_out([("shed__die", {}), ("shed__count", {})])
    lines = house.events(died, "called")
    (tmp_path / "shed.py").unlink()
    gone = house.try_out([("shed__count", {})])

    assert [line["failed"] for line in lines] == [True, False]
    assert "the roof is gone" in str(lines[0]["text"])
    assert (died.ending, gone.ending) == ("ok", "ok")
    assert any("shed" in warning for warning in gone.warnings)
    (log,) = house.root.glob("caldwell/log/*/2026-11-22.jsonl")
    calls = [call for line in log.read_text().splitlines() if line.startswith("{")
             for call in json.loads(line).get("tool_calls") or []]  # fmt: skip
    assert [(call["tool_name"], "error" in call) for call in calls] == [
        ("shed__die", True), ("shed__count", False), ("shed__count", True),
    ]  # fmt: skip


@pytest.mark.parametrize("arguments", [
    {"path": "{root}/policy.md"}, {"thing": "{root}/policy.md"}, {"path": "file://{root}/policy.md"},
    {"files": [{"path": "{root}/policy.md"}]}, {"destination": "{root}"}, {"path": "{root}/caldwell/out/../tools.md"},
    {"path": "{root}/caldwell/out/door/SOUL.md"}, {"path": "vault/policy.md"}, {"path": "~/vault/policy.md"},
    {"thing": "{link}/policy.md"}, {"path": "tools.md"}, {"path": "{root}/POLICY.md"},
])  # fmt: skip
def test_no_argument_of_a_servers_tool_names_what_the_agent_may_not_write(
    house: House, tmp_path: Path, arguments: dict[str, object]
) -> None:
    (tmp_path / "other name").symlink_to(house.root)
    taking = SHED.read_text().replace("thing: str, shelf: int", "what: dict").replace("{thing} on {shelf}", "{what}")
    (tmp_path / "shed.py").write_text(taking)
    stated(house, shed=shed())
    text = (
        json.dumps({"what": arguments}).replace("{root}", str(house.root)).replace("{link}", f"{tmp_path}/other name")
    )

    result = house.try_out([("shed__put", json.loads(text)), ("shed__put", {"what": {"path": "/somewhere/else"}})])

    first, second = house.events(result, "called")
    assert (first["failed"], first["decision"], second["failed"]) == (True, "deny", False)
    assert "is not to be written by shed__put" in str(first["text"])
