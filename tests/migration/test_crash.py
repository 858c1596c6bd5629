import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

from atomic_agents.testing.shell import Shell, tree

PRIVATE = (".atomic", "_migrations")
NOTE = """---
# kept by hand {0}
schema_version: 1
name: note {0}
description: hook of note {0}
type: user
confidence: high
sources: [s]
---

Body of note {0}.
"""
NEXT = (
    ["doctor", "--no-mcp"],
    ["list"],
    ["info", "scout"],
    ["migrate", "--status"],
    ["upgrade", "--plan"],
    ["memory", "list", "scout"],
    ["run", "scout", "--work-item", "what is kept?", "--model", "embedded:quote"],
)
NOT_COMPARED = (*PRIVATE, "_runs", "scout/runs", "scout/log", "scout/journal")


def vault(root: Path, notes: int) -> None:
    (root / "scout/persona").mkdir(parents=True)
    (root / "scout/memory").mkdir()
    (root / "scout/persona/IDENTITY.md").write_text("# Scout\n")
    (root / "scout/model.md").write_text("## Default model\nembedded:quote\n")
    for number in range(notes):
        (root / f"scout/memory/user_{number:05}.md").write_text(NOTE.format(number))


def stopped(shell: Shell, command: list[str], moment: float, how: signal.Signals, *, midway: bool) -> None:
    """Stop a command after so many seconds of its own; `midway` they count from where documents are to change."""
    process = shell.start(*command)
    wanted = ".atomic/batch/*/images" if midway else ".atomic/locks/*.owner"
    if midway or how is signal.SIGINT:  # before it holds its lock, it is Python's start that would be interrupted
        while process.poll() is None and not any(shell.root.glob(wanted)):
            time.sleep(0.001)
        moment *= 0.3 if midway else 0.5
    until = time.monotonic() + moment
    while time.monotonic() < until and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(how)
    _, err = process.communicate()
    assert "Traceback" not in err, err


def said(root: Path) -> str:
    """What history, with the report and the way back that it names, says that the vault is."""
    last = json.loads((root / "_migrations/history.jsonl").read_text().splitlines()[-1])
    at_v2 = last["outcome"] == "migrated"
    assert (root / "_migrations/snapshots" / last["snapshot" if at_v2 else "safety"]).exists()
    assert not at_v2 or (root / f"_migrations/reports/{last['snapshot'][:17]}.md").exists()
    return "new" if at_v2 else "old"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no such signal")
@pytest.mark.parametrize(
    ("how", "forward", "times", "notes"),
    [
        ("SIGKILL", "migrate --to v2", 4, 300),
        ("SIGKILL", "upgrade --yes", 4, 300),
        ("SIGINT", "migrate --to v2", 4, 300),
        pytest.param("SIGKILL", "upgrade --yes", 4, 5000, marks=pytest.mark.soak),
        pytest.param("SIGKILL", "migrate --to v2", 200, 5000, marks=pytest.mark.soak, id="soak"),
        pytest.param("SIGKILL", "upgrade --yes", 100, 5000, marks=pytest.mark.soak, id="soak-upgrade"),
    ],
)
def test_stopped_at_any_moment_the_vault_is_all_old_or_all_new(
    how: str, forward: str, times: int, notes: int, shell: Shell
) -> None:
    """One vault is brought forward and put back over and over; each time it is stopped at a moment of its own."""
    vault(shell.root, notes)
    states = {"old": tree(shell.root)}
    begun = time.monotonic()
    name = str(shell("migrate", "--to", "v2", "--json", timeout=600).value["snapshot"])
    took = time.monotonic() - begun
    states["new"] = tree(shell.root, without=PRIVATE)
    shell("migrate", "--rollback", name, timeout=600)
    chance = random.Random(int(os.environ.get("SEED", "7")))  # noqa: S311 - no secret
    seen = []

    for number in range(times):
        at_v2 = tree(shell.root, without=NOT_COMPARED) == states["new"]
        command = ["migrate", "--rollback", name] if at_v2 else forward.split()
        midway = number % 2 == 1
        moment = chance.uniform(0 if midway else 0.3, 1) * took
        stopped(shell, command, moment, signal.Signals[how], midway=midway)
        after = shell(*chance.choice(NEXT), timeout=600)
        now = tree(shell.root, without=NOT_COMPARED)
        found = [state for state, files in states.items() if files == now]
        assert found, f"stop {number}: neither old nor new after {after}"
        assert (after.code, said(shell.root)) in [(0, found[0]), (1, found[0])], f"stop {number}: {found}, {after}"
        seen += found
        for snapshot in sorted((shell.root / "_migrations/snapshots").iterdir())[:-40]:
            if snapshot.name != name:
                snapshot.unlink()

    assert len(seen) == times
    sys.stdout.write(f"{how} {forward}, {notes} notes: {seen.count('old')} old, {seen.count('new')} new\n")
    assert shell("doctor", timeout=600).code == (1 if seen[-1] == "old" else 0)
    assert [path for path in tree(shell.root) if path.endswith(".tmp")] == []
