"""A vault full of what is its operator's, and a model that does what a test says to get at it."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from atomic_agents.core.change import ChangeSet, Put
from atomic_agents.core.document import parse
from atomic_agents.core.model import Answer, ToolCall, Usage
from atomic_agents.runtime.order import Order, Result
from atomic_agents.runtime.runner import MAX_ITERATIONS
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.scripted import ScriptedModel
from atomic_agents.testing.shell import tree
from atomic_agents.testing.workspaces import add_agent, run, scripted_workspace
from atomic_agents.vault import note
from atomic_agents.vault.call_limits import CallLimits

Called = tuple[str, dict[str, object]]

OWN = (
    "persona/IDENTITY.md", "persona/SOUL.md", "persona.link.md", "tools.md", "tools.override.md", "model.md",
    "judges.md", "mandates.md", "policy.md", "mcp.md", "mcp.pins.json", ".mcp.json", "roster.md", "serve.md", "goal.md",
    "AGENTS.md", "skills/x/SKILL.md", "tools/mail.py", "tools/mail.md", "evals/a.md", "schedules/now.md",
    "log/2026-11/2026-11-22.jsonl", "runs/2026-11/r.jsonl", "conversations/c.md", "memory/.versions/x/1.md",
    "vault/escalations/high_risk/proposal_1.md",
)  # fmt: skip
SHARED = (
    "policy.md", "mandates.md", "prices.toml", "AGENTS.md", "_migrations/v2_to_v3.py", "_runs/x.jsonl",
    "_schedules/a/m.json", "_waiting/proposal_1.json", "_serve/tokens.json", ".atomic/x", ".git/config",
    "skills/y/SKILL.md", "bob/tools.md", "bob/persona/SOUL.md", "bob/mcp.pins.json", "roles/r/tools.md",
    ".personas/p/SOUL.md", "bob/vault/escalations/high_risk/proposal_2.md",
)  # fmt: skip
VOUCHED = (
    "caldwell/memory/key.md", "caldwell/memory/old/key.md", "caldwell/memory/v1.md", "caldwell/wiki/key.md",
    "caldwell/memory.archived-20260101/key.md", "bob/memory/key.md", "memory/key.md",
)  # fmt: skip
BY_THE_PROGRAM = (
    "caldwell/memory/INDEX.md", "caldwell/memory/INDEX_user.md", "caldwell/wiki/INDEX.md", "bob/memory/INDEX.md",
    "caldwell/journal/2026-11/2026-11-21.md", "caldwell/journal/2026-11/2026-11-22.md",
)  # fmt: skip
WORD = "the operator's word"
VOUCHED_TEXT = f"""---
schema_version: 2
name: Key
description: where the key is
type: user
confidence: high
sources: [operator]
provenance: operator
---

The key is red. {WORD}
"""
NARROW = "schema_version: 2\nread_paths: [out/]\nwrite_paths: [memory/, out/]\n"
BROAD = "schema_version: 2\nread_paths: [out/]\nwrite_paths: ['<agents_root>/', ./, ../, /]\n"
_RECORD = {
    "caldwell/runs",
    "caldwell/log",
    "_runs",
    ".atomic",
    "_alerts",
    "_waiting",
    "caldwell/vault",
    "caldwell/journal",
}


def head(path: str) -> str:
    """What a skill has to begin with, so that nothing is left out and warned about."""
    return f"---\nname: {path.split('/')[-2]}\ndescription: {WORD}\n---\n" if path.endswith("SKILL.md") else ""


class House:
    """One vault; `tools` is the front matter of the agent's `tools.md`."""

    def __init__(self, folder: Path, tools: str = NARROW) -> None:
        self.root, self.outside = folder / "vault", folder / "outside"
        for path in (*(f"caldwell/{each}" for each in OWN), *SHARED):
            if not path.endswith(("caldwell/persona.link.md", "tools.override.md")):
                self._write(path, "" if path.endswith((".jsonl", ".json")) else f"{head(path)}# {WORD}\n")
        for path in ("mandates.md", "policy.md", "roster.md", "serve.md", "judges.md", "mcp.md"):
            for home in ("caldwell/", ""):
                self._write(f"{home}{path}", f"---\nschema_version: 2\n---\n{WORD}\n")
        for path in ("tools/mail.py", "tools/mail.md", "schedules/now.md", "vault/escalations/high_risk/proposal_1.md"):
            (self.root / "caldwell" / path).unlink()
        self.outside.mkdir()
        (self.outside / "diary.txt").write_text(f"{WORD}\n")
        self.store = FolderStore(self.root)
        add_agent(self.store, tools=f"---\n{tools}---\n")
        self.put("caldwell/out/plain.md", "plain\n")
        self.put("caldwell/memory/tea.md", "---\nname: Tea\ntype: user\n---\n\nGreen.\n")
        for path in VOUCHED:
            self.put(path, VOUCHED_TEXT)
        for path in BY_THE_PROGRAM:
            self.put(path, f"# {WORD}\n\n- [Key](key.md) — {WORD}\n")
        self._link()
        self.model = ScriptedModel([])

    def _write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def _link(self) -> None:
        out, agent = self.root / "caldwell/out", self.root / "caldwell"
        for name, target in {
            "door": agent / "persona", "up": self.root, "away": self.outside, "etc": Path("/etc"),
            "alias.md": agent / "tools.md", "diary.txt": self.outside / "diary.txt",
            "gone.md": self.outside / "new.txt", "twice": agent / "out/door", "round": agent / "out",
            "notes": agent / "memory", "key.md": agent / "memory/key.md", "pages": agent / "wiki",
        }.items():  # fmt: skip
            (out / name).symlink_to(target)
        os.link(agent / "model.md", out / "hard.md")

    def put(self, path: str, text: str) -> None:
        self.store.apply(ChangeSet(f"put {path}", (Put(path, text.encode()),)))

    def kept(self) -> dict[str, tuple[str, int]]:
        """Everything that is not the agent's to write: hash and mode by path."""
        found = tree(self.root, without=_RECORD)
        own = [path for path in found if path.startswith(("caldwell/out/", "caldwell/memory/")) and "/." not in path]
        return {path: found[path] for path in found.keys() - set(own)} | {
            f"outside/{path}": each for path, each in tree(self.outside).items()
        }

    def vouched(self) -> dict[str, bytes]:
        """Every note and page that the operator vouches for, as any reader would read it."""
        found = {}
        for path in self.store.paths():
            if "/memory" in f"/{path}" or "/wiki/" in path:
                blob = self.store.read(path)
                document = parse(path, blob.data if blob else b"")
                if "/.versions/" not in path and note.read(document, path).provenance == "operator":
                    found[path] = blob.data if blob else b""
        return found

    def try_out(self, calls: Sequence[Called]) -> Result:
        """A run whose model makes these calls, in answers of as many as one may make."""
        each = [ToolCall(f"c{at}", name, json.dumps(arguments)) for at, (name, arguments) in enumerate(calls)]
        size = max(CallLimits().answer, -(-len(each) // (MAX_ITERATIONS - 1)))
        parts = [tuple(each[at : at + size]) for at in range(0, len(each), size)]
        return self.run([*(Answer("", part, Usage(1, 1), "tool_calls") for part in parts), "done"])

    def run(self, script: Sequence[Answer | str], work_item: str = "go", trigger: str = "manual") -> Result:
        self.model = ScriptedModel(script)
        workspace = scripted_workspace(self.store, self.model, root=self.root)
        result = run(workspace, work_item, order=Order(work_item, trigger))
        workspace.close()
        return result

    def events(self, result: Result, event: str) -> list[dict[str, object]]:
        """The lines of a run's transcript of one kind."""
        lines = (json.loads(line) for line in (self.root / result.transcript).read_text().splitlines())
        return [line for line in lines if line["event"] == event]

    def went_through(self, result: Result, calls: Sequence[Called]) -> list[Called]:
        """The calls that were not refused; each has exactly one line in the transcript."""
        lines = self.events(result, "called")
        assert [line["tool_use_id"] for line in lines] == [f"c{at}" for at in range(len(calls))]
        return [call for call, line in zip(calls, lines, strict=True) if not line["failed"]]

    def heard(self) -> str:
        """All that the model was ever told."""
        return "\n".join([*self.model.requests[-1].system, *(each.text for each in self.model.requests[-1].messages)])
