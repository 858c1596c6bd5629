"""Migrate, or roll back, a vault of 300 documents and die, or fail, at a step of it; print as JSON what is found then.

Run as a script: `fault_driver.py FOLDER migrate|rollback KIND EVERY`. KIND is the moment of a kill (before, middle,
after) or of a failure (once, always); every EVERYth step is taken, and the first and last twelve.
"""

import json
import shutil
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "stores"))

import crash_driver  # type: ignore[import-not-found]

from atomic_agents import config
from atomic_agents.bootstrap import open_workspace
from atomic_agents.core.errors import AtomicAgentsError
from atomic_agents.migration import history, snapshot
from atomic_agents.operations import upkeep
from atomic_agents.operations.workspace import Workspace
from atomic_agents.stores.files import FolderStore

EDGE = 12
NOTE = """---
# kept by hand
schema_version: 1
name: note {0}
description: d
type: user
confidence: high
sources: [s]
---

{1}
"""

Tree = dict[str, tuple[str, int]]


def plant(root: Path) -> None:
    """Two agents with notes, some of which grow beyond their block, pages, settings and a policy."""
    for agent in ("scout", "muse"):
        for folder in ("persona", "memory", "wiki"):
            (root / agent / folder).mkdir(parents=True)
        (root / agent / "persona/IDENTITY.md").write_text("# Me\n")
        (root / agent / "model.md").write_text("## Default model\nembedded:quote\n")
        (root / agent / "tools.md").write_text("## Write paths\n- memory/\n")
        for number in range(144):
            body = "x" * (4096 - len(NOTE.format(number, "")) - 4) if number % 24 == 0 else "short"
            (root / agent / f"memory/user_{number:03}.md").write_text(NOTE.format(number, body))
        (root / agent / "wiki/page.md").write_text(NOTE.format("page", "said").replace("type: user", "type: wiki_page"))
    (root / "scout/memory/user_000.md").chmod(0o600)


def documents(root: Path) -> Tree:
    """Every file but the program's own, with its bytes and mode."""
    found = crash_driver.state(root)
    return {path: kept for path, kept in found.items() if not path.startswith("_migrations")}


class Trial:
    """One kind of fault, at many steps."""

    def __init__(self, folder: Path, verb: str) -> None:
        self.folder = folder
        self.verb = verb
        self.root = folder / "vault"
        self.base = folder / "base"
        plant(self.base)
        states = {"old": documents(self.base)}
        if verb == "rollback":
            self.act(self.base, "migrate")
            states = {"old": documents(self.base)}
        shutil.copytree(self.base, self.root)
        self.act(self.root, verb)
        states["new"] = documents(self.root)
        self.states = states
        self.wrong: list[str] = []
        self.found = {"old": 0, "new": 0}

    def open(self, root: Path) -> Workspace:
        return open_workspace(config.load(str(root), {"HOME": str(self.folder)}))

    def act(self, root: Path, verb: str, prepare: Callable[[], object] = lambda: None) -> None:
        opened = self.open(root)
        prepare()
        if verb == "migrate":
            upkeep.migrate(opened, 2, skip_unreadable=False)
        else:
            names = [found.name for found in snapshot.listed(opened.store) if "pre_v2" in found.name]
            upkeep.roll_back(opened, names[0])

    def steps(self) -> int:
        """How many times the disk is changed."""
        self.reset()
        count = 0

        def counted(real: Callable[..., Any]) -> Callable[..., Any]:
            def step(*args: Any, **options: Any) -> Any:
                nonlocal count
                count += 1
                return real(*args, **options)

            return step

        kept = {name: getattr(crash_driver.disk, name) for name in crash_driver.STEPS}
        for name, real in kept.items():
            setattr(crash_driver.disk, name, counted(real))
        self.act(self.root, self.verb)
        for name, real in kept.items():
            setattr(crash_driver.disk, name, real)
        return count

    def reset(self) -> None:
        shutil.rmtree(self.root)
        shutil.copytree(self.base, self.root)

    def attempt(self, step: int, kind: str) -> None:
        """One fault, and what the next to open the vault finds."""
        fate = crash_driver.failing(kind) if kind in {"once", "always"} else crash_driver.dying(kind)
        self.reset()
        code = crash_driver.in_child(lambda: self.act(self.root, self.verb, partial(crash_driver.arm, step, fate)))
        if kind not in {"once", "always"} and code != -signal.SIGKILL:
            self.wrong.append(f"{kind} {step}: ended with {code}")
        if crash_driver.in_child(lambda: FolderStore(self.root)) != 0:
            self.wrong.append(f"{kind} {step}: the vault does not open")
        self.judge(f"{kind} {step}", code)

    def judge(self, where: str, code: int) -> None:
        now = documents(self.root)
        found = [name for name, tree in self.states.items() if tree == now]
        if not found:
            differ = [path for path in now if now[path] != self.states["old"].get(path)]
            self.wrong.append(f"{where}: neither old nor new, {len(differ)} differ from old: {differ[:3]}")
            return
        if code == 0 and found != ["new"]:
            self.wrong.append(f"{where}: said to be done and is {found}")
        self.found[found[0]] += 1
        opened = self.open(self.root)
        outcome = history.MIGRATED if self.verb == "migrate" else history.ROLLED_BACK
        said = [record for record in history.read(opened.store).standing if record.outcome == outcome]
        if bool(said) != (found == ["new"]):
            self.wrong.append(f"{where}: the vault is {found} and history says {len(said)} times {outcome}")
        reports = list((self.root / "_migrations/reports").glob("*.md"))
        if self.verb == "migrate" and bool(reports) != (found == ["new"]):
            self.wrong.append(f"{where}: the vault is {found} with {len(reports)} reports")
        for listed in snapshot.listed(opened.store):
            try:
                snapshot.read(opened.store, listed.name)
            except AtomicAgentsError as error:
                self.wrong.append(f"{where}: {error.message}")
        litter = crash_driver.litter(self.root)
        if litter:
            self.wrong.append(f"{where}: litter {litter[:3]}")


def main(folder: str, verb: str, kind: str, every: str) -> None:
    """Try the steps and print what was found."""
    trial = Trial(Path(folder), verb)
    steps = trial.steps()
    chosen = [step for step in range(1, steps + 1) if step <= EDGE or step > steps - EDGE or step % int(every) == 0]
    for step in chosen:
        trial.attempt(step, kind)
    sys.stdout.write(json.dumps({"wrong": trial.wrong, "found": trial.found, "steps": steps, "tried": len(chosen)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
