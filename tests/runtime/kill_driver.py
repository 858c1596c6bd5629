"""Kill a run at calls that change the disk, look at what the next start of a process finds, and have it finished.

Run as a script: `kill_driver.py FOLDER MOST`, MOST being how many moments there are at most, or 0 for every one. Each
run, each look and each resuming is a process of its own. Prints a list of attempts as JSON: at which call the run was
killed, at which call the run that went on with it was killed (0 where it was not), and what each look found, with how
often the model had been asked until then.
"""

import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from atomic_agents.core.change import ChangeSet, Put
from atomic_agents.core.model import Answer, Request, ToolCall, Usage
from atomic_agents.operations import evidence, finishing
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime import replay
from atomic_agents.runtime.conversation import Talk
from atomic_agents.runtime.order import Order, Result
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
RECALL = '{"query": "x"}'
ANSWERS = (
    Answer(f"First.\n```atomic_capture\n{FENCED}\n```", (ToolCall("c1", "recall", RECALL),), USED, "tool_calls"),
    Answer("", (ToolCall("c2", "remember", CALLED), ToolCall("c3", "recall", RECALL)), USED, "tool_calls"),
    Answer("Then.", (ToolCall("c4", "read_note", '{"file": "nowhere.md"}'),), USED, "tool_calls"),
    Answer("", (ToolCall("c5", "recall", RECALL), ToolCall("c6", "recall", RECALL)), USED, "tool_calls"),
    Answer("Done.", (), USED),
)
NEVER = 0
KILLED = -signal.SIGKILL


def plant(root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    store = FolderStore(root)
    add_agent(store)
    prices = b'["scripted:model"]\ninput = 1.0\noutput = 1.0\n'
    index = b"# Mine\n\n## User Profile\n\n- [Old](user_old.md) \xe2\x80\x94 old\n"
    store.apply(ChangeSet("plant", (Put("prices.toml", prices), Put("caldwell/memory/INDEX.md", index))))


def begin(workspace: Workspace) -> Result:
    order = Order("do it", key=replay.key("k", work_item="do it"))
    return run(workspace, "do it", order=order, talk=Talk("kitchen"))


def resume(workspace: Workspace) -> Result:
    return finishing.resume(workspace, "last", finishing.Wish(), on_text=lambda _: None, on_notice=lambda _: None)


def until_killed(work: Callable[[Workspace], Result], root: Path, asked: Path, calls_made: Path, step: int) -> None:
    """Do `work`, dying at the disk call numbered `step`; how many calls there were is written down where it lives."""
    calls = count(1)
    last = 0

    def dying(original: Callable[..., object], *arguments: object, **named: object) -> object:
        nonlocal last
        last = next(calls)
        if last == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **named)

    def answer(request: Request) -> Answer:
        with asked.open("a") as file:
            file.write("x")
        return ANSWERS[sum(message.role == "assistant" for message in request.messages)]

    workspace = scripted_workspace(FolderStore(root), ScriptedModel(answer, local=False), root=root)
    for name in STEPS:
        setattr(disk, name, partial(dying, getattr(disk, name)))
    result = work(workspace)
    assert result.ending == "ok", result
    calls_made.write_text(str(last))


def look(root: Path) -> dict[str, Any]:
    workspace = scripted_workspace(FolderStore(root), [], root=root)
    begun = any((root / "_runs").glob("*")) if (root / "_runs").is_dir() else False
    closed = workspace.close_crashed_runs()
    again = workspace.close_crashed_runs()
    files = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    ours = [path for path in files if path.startswith(".atomic/") and "/index.sqlite" not in path]
    log = "".join(path.read_text() for path in root.glob("caldwell/log/*/*.jsonl"))
    lines = [json.loads(line) for line in log.splitlines()]
    transcripts = [(root / f"caldwell/runs/2026-11/{line['run_id']}.jsonl").read_text() for line in lines]
    keys = [json.loads(path.read_text()) for path in root.glob("caldwell/runs/keys/*.json")]
    return {
        "begun": begun,
        "closed": len(closed),
        "again": len(again),
        "log": lines,
        "events": [[json.loads(line)["event"] for line in text.split("\n") if line] for text in transcripts],
        "verdicts": [checked.verdict.state for checked in evidence.verify(workspace)],
        "kept": [key["text"] for key in keys if "text" in key],
        "cut_off": [key["cut_off"] for key in keys if "cut_off" in key],
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


class Attempt:
    """A vault in which a run is killed, looked at, gone on with, perhaps killed again, and finished."""

    def __init__(self, folder: Path) -> None:
        self.root, self.asked, self.seen = folder / "vault", folder / "asked", folder / "seen.json"
        self.calls = folder / "calls"
        self.looks: list[dict[str, Any]] = []
        plant(self.root)
        self.asked.write_text("")

    def make(self, step: int, again: int = NEVER) -> dict[str, Any]:
        codes = [self._do(begin, step)]
        if self._is_cut_off() and again:
            codes.append(self._do(resume, again))
        if self._is_cut_off():
            codes.append(self._do(resume, NEVER))
        return {"step": step, "again": again, "codes": codes, "looks": self.looks}

    def _do(self, work: Callable[[Workspace], Result], step: int) -> int:
        code = in_a_process(partial(until_killed, work, self.root, self.asked, self.calls, step))
        assert code in (0, KILLED), code
        assert in_a_process(lambda: self.seen.write_text(json.dumps(look(self.root)))) == 0
        self.looks.append({"asked": len(self.asked.read_text()), **json.loads(self.seen.read_text())})
        return code

    def _is_cut_off(self) -> bool:
        lines = self.looks[-1]["log"]
        return bool(lines) and lines[-1]["ending"] == "crashed"


def moments(last: int, most: int) -> Iterable[int]:
    """Calls to die at, spread over all of them, the first and the last included; `most` 0 is every one."""
    return range(1, last + 1) if not most else sorted({1 + at * (last - 1) // (most - 1) for at in range(most)})


def main(folder: Path, most: int) -> None:
    found = [Attempt(folder).make(NEVER)]
    last = int((folder / "calls").read_text())
    found += [Attempt(folder).make(step) for step in moments(last, most)]
    # Where two answers are recorded the run that goes on is killed too, at each of its own calls.
    half = next(each["step"] for each in found if each["looks"][0]["events"][-1:] and _answers(each) == 2)
    Attempt(folder).make(half)
    last = int((folder / "calls").read_text())
    found += [Attempt(folder).make(half, again) for again in moments(last, most)]
    print(json.dumps(found))  # noqa: T201 - it is the result


def _answers(attempt: dict[str, Any]) -> int:
    answers: int = attempt["looks"][0]["events"][0].count("answered")
    return answers


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
