"""Kill a dream, its application and its way back at every call that changes the disk; print as JSON what is found then.

Run as a module from the repository's root: `python -m tests.runtime.dream_kill_driver FOLDER`.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from tests.runtime.kill_driver import STEPS, in_a_process

from atomic_agents.core.change import ChangeSet, Put
from atomic_agents.core.model import Answer, Request, Usage
from atomic_agents.operations import dreaming, dreams
from atomic_agents.operations.workspace import Workspace
from atomic_agents.stores import disk
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.scripted import ScriptedModel
from atomic_agents.testing.workspaces import add_agent, scripted_workspace

DECISIONS = [
    {"kind": "merge", "files": ["user_tea.md", "user_scones.md"], "into": "user_tea.md", "name": "Tea",
     "description": "tea and scones", "body": "Tea at 4, with scones for £3.", "reason": "one tea"},
    {"kind": "stale", "file": "user_plan.md", "reason": "it was for March"},
]  # fmt: skip
USED = Usage(1000, 1000)
ENTRIES = "- [Tea](user_tea.md) — mine\n- [Scones](user_scones.md) — h\n- [Plan](user_plan.md) — h\n"
INDEX = f"# Mine\n\n## User Profile\n\n{ENTRIES}"


def note(name: str, body: str) -> Put:
    head = (
        f"schema_version: 2\nname: {name}\ndescription: h\ntype: user\ncaptured: '2026-03-01'\nlast_seen: '2026-03-01'"
    )
    text = f"---\n{head}\nsources:\n- operator\nconfidence: high\nprovenance: operator\n---\n\n{body}\n"
    return Put(f"caldwell/memory/user_{name.lower()}.md", text.encode())


def plant(root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    store = FolderStore(root)
    add_agent(store)
    prices = b'["scripted:model"]\ninput = 1.0\noutput = 1.0\n'
    notes = (note("Tea", "Tea at 4."), note("Scones", "With tea, £3."), note("Plan", "March."))
    puts = (Put("prices.toml", prices), Put("caldwell/memory/INDEX.md", INDEX.encode()))
    store.apply(ChangeSet("plant", (*notes, *puts)))


def workspace(root: Path, answered: Path) -> Workspace:
    def answer(request: Request) -> Answer:
        with answered.open("a") as file:
            file.write("x")
        wrong = len(request.messages) == 1
        return Answer("no JSON" if wrong else json.dumps({"decisions": DECISIONS}), (), USED)

    return scripted_workspace(FolderStore(root), ScriptedModel(answer, local=False), root=root)


def have(opened: Workspace) -> None:
    found = dreaming.have(
        opened, "caldwell", dreaming.Wish(), model_id=None, on_notice=lambda _: None, progress=lambda *_: None
    )
    assert found.failure is None, found


def apply(opened: Workspace) -> None:
    done = dreams.apply(opened, dreams.find(opened, "caldwell", None), dry_run=False)
    assert len(done.hunks) == 2, done


def revert(opened: Workspace) -> None:
    dreams.revert(opened, dreams.find(opened, "caldwell", None), dry_run=False)


def accept(opened: Workspace) -> None:
    dreams.review(opened, dreams.find(opened, "caldwell", None), {1: True, 2: True})


PHASES: dict[str, tuple[tuple[Callable[[Workspace], None], ...], Callable[[Workspace], None]]] = {
    "have": ((), have),
    "apply": ((have, accept), apply),
    "revert": ((have, accept, apply), revert),
}


def until_killed(root: Path, answered: Path, step: int, act: Callable[[Workspace], None]) -> None:
    calls = count(1)

    def dying(original: Callable[..., object], *arguments: object, **named: object) -> object:
        if next(calls) == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **named)

    opened = workspace(root, answered)
    for name in STEPS:
        setattr(disk, name, partial(dying, getattr(disk, name)))
    act(opened)


def look(root: Path, answered: Path) -> dict[str, Any]:
    opened = workspace(root, answered)
    closed = opened.close_crashed_runs()
    found, problems = dreams.dreams(opened, "caldwell")
    memory = root / "caldwell" / "memory"
    log = "".join(path.read_text() for path in root.glob("caldwell/log/*/*.jsonl"))
    return {
        "closed": len(closed),
        "again": len(opened.close_crashed_runs()),
        "log": [json.loads(line) for line in log.splitlines()],
        "transcripts": len(list(root.glob("caldwell/runs/*/*.jsonl"))),
        "dreams": [[hunk.state for hunk in one.hunks] for one in found],
        "statuses": [one.status for one in found],
        "problems": len(problems),
        "notes": {path.name: path.read_text() for path in sorted(memory.glob("*.md"))},
        "kept": len(list(memory.glob(".versions/user_*/*.md"))),
        "open": len(list((root / "_runs").glob("*"))) if (root / "_runs").is_dir() else 0,
    }


def main(folder: Path) -> None:
    root, planted, answered, seen = (folder / name for name in ("vault", "planted", "answered", "seen.json"))
    found: list[dict[str, Any]] = []
    for phase, (before, act) in PHASES.items():
        plant(root)
        answered.write_text("")
        for prepare in before:
            prepare(workspace(root, answered))
        shutil.rmtree(planted, ignore_errors=True)
        shutil.copytree(root, planted)
        for step in count(1):
            shutil.rmtree(root)
            shutil.copytree(planted, root)
            answered.write_text("")
            code = in_a_process(partial(until_killed, root, answered, step, act))
            assert in_a_process(lambda: seen.write_text(json.dumps(look(root, answered)))) == 0
            facts = {"phase": phase, "step": step, "code": code, "answers": len(answered.read_text())}
            found.append({**facts, **json.loads(seen.read_text())})
            if code != -signal.SIGKILL:
                break
    print(json.dumps(found))  # noqa: T201 - it is the result


if __name__ == "__main__":
    main(Path(sys.argv[1]))
