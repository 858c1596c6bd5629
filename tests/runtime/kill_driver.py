"""Kill a run at every call that changes the disk; print as JSON what the next start of a process finds each time.

Run as a script: `kill_driver.py FOLDER`. Each attempt is a process of its own, and so is each look afterwards.
"""

import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from atomic_agents.core.change import ChangeSet, Put
from atomic_agents.core.model import Answer, Request, ToolCall, Usage
from atomic_agents.operations import evidence
from atomic_agents.runtime import replay
from atomic_agents.runtime.conversation import Talk
from atomic_agents.runtime.runner import Order
from atomic_agents.stores import disk
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.scripted import ScriptedModel
from atomic_agents.testing.workspaces import add_agent, run, scripted_workspace

STEPS = (
    "write_new",
    "append_bytes",
    "rename",
    "unlink",
    "make_folder",
    "remove_folder",
    "sync_folder",
    "sync_everything",
)
NOTE = {"type": "user", "description": "d", "confidence": "high", "sources": ["operator"]}
FENCED = json.dumps({**NOTE, "name": "Fenced", "body": "one\u2028two"})
CALLED = json.dumps({**NOTE, "name": "Called", "body": "three"})
USED = Usage(1000, 1000)
ANSWERS = (
    Answer(
        f"First.\n```atomic_capture\n{FENCED}\n```", (ToolCall("c1", "recall", '{"query": "x"}'),), USED, "tool_calls"
    ),
    Answer("", (ToolCall("c2", "remember", CALLED),), USED, "tool_calls"),
    Answer("Done.", (), USED),
)


def plant(root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    store = FolderStore(root)
    add_agent(store)
    prices = b'["scripted:model"]\ninput = 1.0\noutput = 1.0\n'
    index = b"# Mine\n\n## User Profile\n\n- [Old](user_old.md) \xe2\x80\x94 old\n"
    store.apply(ChangeSet("plant", (Put("prices.toml", prices), Put("caldwell/memory/INDEX.md", index))))


def run_until_killed(root: Path, answered: Path, step: int) -> None:
    calls = count(1)

    def dying(original: Callable[..., object], *arguments: object, **named: object) -> object:
        if next(calls) == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **named)

    def answer(request: Request) -> Answer:
        number = sum(message.role == "assistant" for message in request.messages)
        with answered.open("a") as file:
            file.write("x")
        return ANSWERS[number]

    workspace = scripted_workspace(FolderStore(root), ScriptedModel(answer, local=False), root=root)
    for name in STEPS:
        setattr(disk, name, partial(dying, getattr(disk, name)))
    order = Order("do it", key=replay.key("k", work_item="do it"))
    result = run(workspace, "do it", order=order, talk=Talk("kitchen"))
    assert result.ending == "ok", result


def look(root: Path) -> dict[str, Any]:
    workspace = scripted_workspace(FolderStore(root), [], root=root)
    begun = any((root / "_runs").glob("*")) if (root / "_runs").is_dir() else False
    closed = workspace.close_crashed_runs()
    again = workspace.close_crashed_runs()
    files = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    ours = [path for path in files if path.startswith(".atomic/") and "/index.sqlite" not in path]
    log = "".join(path.read_text() for path in root.glob("caldwell/log/*/*.jsonl"))
    transcripts = [path.read_text() for path in root.glob("caldwell/runs/*/*.jsonl")]
    return {
        "begun": begun,
        "closed": len(closed),
        "again": len(again),
        "log": [json.loads(line) for line in log.splitlines()],
        "events": [[json.loads(line)["event"] for line in text.split("\n") if line] for text in transcripts],
        "verdicts": [checked.verdict.state for checked in evidence.verify(workspace)],
        "kept": [json.loads(path.read_text())["text"] for path in root.glob("caldwell/runs/keys/*.json")],
        "journal": sum(path.read_text().count("<!-- run-") for path in root.glob("caldwell/journal/*/*.md")),
        "turns": sum(path.read_text().count(" — answered\n") for path in root.glob("caldwell/conversations/*.md")),
        "index": (root / "caldwell/memory/INDEX.md").read_text(),
        "files": [path for path in files if not path.startswith(".atomic/")],
        "ours": [path for path in ours if "/locks/" not in path],
    }


def in_a_process(work: Callable[[], object]) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except Exception:  # noqa: BLE001 - a child must never go on as its parent
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(folder: Path) -> None:
    root, answered, seen = folder / "vault", folder / "answered", folder / "seen.json"
    found: list[dict[str, Any]] = []
    for step in count(1):
        plant(root)
        answered.write_text("")
        code = in_a_process(partial(run_until_killed, root, answered, step))
        assert in_a_process(lambda: seen.write_text(json.dumps(look(root)))) == 0
        found.append({"step": step, "code": code, "answers": len(answered.read_text()), **json.loads(seen.read_text())})
        if code != -signal.SIGKILL:
            break
    print(json.dumps(found))  # noqa: T201 - it is the result


if __name__ == "__main__":
    main(Path(sys.argv[1]))
