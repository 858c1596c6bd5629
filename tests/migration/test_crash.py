import os
import random
import signal
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
NEXT = (["doctor", "--no-mcp"], ["list"], ["info", "scout"], ["migrate", "--status"], ["memory", "list", "scout"])


def vault(root: Path, notes: int) -> None:
    (root / "scout/persona").mkdir(parents=True)
    (root / "scout/memory").mkdir()
    (root / "scout/persona/IDENTITY.md").write_text("# Scout\n")
    (root / "scout/model.md").write_text("## Default model\nembedded:quote\n")
    for number in range(notes):
        (root / f"scout/memory/user_{number:05}.md").write_text(NOTE.format(number))


def stopped(shell: Shell, command: list[str], moment: float, how: signal.Signals) -> None:
    process = shell.start(*command)
    if how is signal.SIGINT:  # before it holds its lock, it is Python's start that would be interrupted
        while process.poll() is None and not any((shell.root / ".atomic/locks").glob("*.owner")):
            time.sleep(0.002)
        moment *= 0.5
    until = time.monotonic() + moment
    while time.monotonic() < until and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(how)
    _, err = process.communicate()
    assert "Traceback" not in err, err


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no such signal")
@pytest.mark.parametrize(
    ("how", "times", "notes"),
    [
        ("SIGKILL", 10, 300),
        ("SIGINT", 5, 300),
        pytest.param("SIGKILL", 200, 5000, marks=pytest.mark.soak, id="soak"),
    ],
)
def test_stopped_at_any_moment_the_vault_is_all_old_or_all_new(how: str, times: int, notes: int, shell: Shell) -> None:
    """One vault is migrated and put back over and over; each time it is stopped at a moment of its own."""
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
        at_v2 = tree(shell.root, without=PRIVATE) == states["new"]
        command = ["migrate", "--rollback", name] if at_v2 else ["migrate", "--to", "v2"]
        stopped(shell, command, chance.uniform(0.3, 1) * took, signal.Signals[how])
        after = shell(*chance.choice(NEXT), timeout=600)
        now = tree(shell.root, without=PRIVATE)
        found = [state for state, files in states.items() if files == now]
        assert found, f"stop {number}: neither old nor new after {after}"
        seen += found
        for snapshot in sorted((shell.root / "_migrations/snapshots").iterdir())[5:]:
            if snapshot.name != name:
                snapshot.unlink()

    assert len(seen) == times
    assert shell("doctor", timeout=600).code == (1 if seen[-1] == "old" else 0)
    assert [path for path in tree(shell.root) if path.endswith(".tmp")] == []
