"""A vault with an agent that can send letters, each of which leaves a line in a file."""

import json
from pathlib import Path
from typing import Any

from atomic_agents.core.change import ChangeSet, Put
from atomic_agents.core.document import render
from atomic_agents.core.model import Answer, ToolCall, Usage
from atomic_agents.guard.approvals import Decision
from atomic_agents.operations import approvals
from atomic_agents.operations.approvals import Item
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime.order import Order, Result
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.scripted import Script, ScriptedModel
from atomic_agents.testing.workspaces import NOON, add_agent, run, scripted_workspace

_LETTER = """---
name: send_letter
description: Send a letter.
classification: {kind}
write_paths: [{out}]
input_schema:
  type: object
  properties: {{to: {{type: string}}, text: {{type: string}}, usd: {{}}}}
  required: [to]
---
"""
_CODE = """import os
def handler(input):
    with open(os.path.join({out!r}, "sent.txt"), "a", encoding="utf-8") as file:
        file.write(input["to"] + "\\n")
    return "sent to " + input["to"]
"""
ADA = "ada@example.org"


def letter(to: str = ADA, number: int = 1, **more: object) -> ToolCall:
    return ToolCall(f"call-{number}", "send_letter", json.dumps({"to": to, **more}))


def calling(*calls: ToolCall, text: str = "I write to her.") -> Answer:
    return Answer(text, calls, Usage(100, 20), "tool_calls")


class House:
    """One vault; `run` asks a model that says what `script` does."""

    def __init__(self, folder: Path, kind: str = "external_side_effect", **files: str) -> None:
        self.root, self.out = folder / "vault", folder / "out"
        self.out.mkdir(exist_ok=True)
        self.store = FolderStore(self.root)
        self.model = ScriptedModel([])
        self.now = NOON
        if not (self.root / "caldwell").exists():
            add_agent(self.store, **files)
            self.put("caldwell/tools/send_letter.md", _LETTER.format(kind=kind, out=self.out))
            self.put("caldwell/tools/send_letter.py", _CODE.format(out=str(self.out)))

    def put(self, path: str, text: str) -> None:
        self.store.apply(ChangeSet(f"put {path}", (Put(path, text.encode()),)))

    def text(self, path: str) -> str:
        return (self.root / path).read_text()

    def settings(self, file: str, **values: Any) -> None:
        self.put(file, render({"schema_version": 2, **values}, "").decode())

    def workspace(self, script: Script) -> Workspace:
        self.model = ScriptedModel(script)
        return scripted_workspace(self.store, self.model, root=self.root, clock=lambda: self.now)

    def run(self, script: Script, **order: Any) -> Result:
        workspace = self.workspace(script)
        result = run(workspace, "write to Ada", order=Order("write to Ada", **order))
        workspace.close()
        return result

    def inbox(self) -> list[Item]:
        return approvals.inbox(scripted_workspace(self.store, [], root=self.root, clock=lambda: self.now))

    def answer(self, decision: Decision, script: Script = ("done",), **more: Any) -> Result:
        workspace = self.workspace(script)
        item = approvals.find(workspace, "")
        self.store.apply(approvals.answer(workspace, item, decision, by="nell", **more))
        return approvals.go_on(workspace, item, on_text=lambda _: None, on_notice=lambda _: None)

    def edit(self, before: str, after: str) -> None:
        """Edit the one request that waits, as its operator does."""
        path = self.root / self.inbox()[0].path
        path.write_text(path.read_text().replace(before, after))

    def meet(self, script: Script = ("done",)) -> list[Result]:
        return approvals.meet_answers(self.workspace(script), lambda _: None)

    @property
    def sent(self) -> list[str]:
        path = self.out / "sent.txt"
        return path.read_text().split() if path.exists() else []

    @property
    def told(self) -> str:
        """What the model heard last."""
        return self.model.requests[-1].messages[-1].text
