"""Migrate, or roll back, a vault of 300 documents and die, or fail, at a call of it; print as JSON what is found then.

Run as a script: `fault_driver.py FOLDER migrate|rollback short|all|KIND`. All calls are tried with every kind of fault,
or with one; the short form takes the calls at which something begins or ends, each with one kind, in turn.
"""

import datetime
import json
import os
import pkgutil
import shutil
import signal
import stat
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from itertools import cycle
from pathlib import Path

import disk_faults as faults  # type: ignore[import-not-found]  # beside this script

import atomic_agents.cli
import atomic_agents.migration.steps
from atomic_agents import config
from atomic_agents.bootstrap import open_workspace
from atomic_agents.cli.main import main as command_line
from atomic_agents.core.errors import AtomicAgentsError
from atomic_agents.migration import history, report, snapshot
from atomic_agents.operations import upkeep
from atomic_agents.operations.workspace import Workspace

EDGE, OTHERS, AGAIN = 3, 8, 3
NOW = datetime.datetime(2026, 5, 1, 12, tzinfo=datetime.UTC)
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
NEXT = cycle(
    [
        ["doctor", "--no-mcp"],
        ["list"],
        ["info", "scout"],
        ["run", "scout", "--model", "embedded:quote", "--work-item", "what is kept?"],
        ["migrate", "--status"],
        ["upgrade", "--plan"],
        ["memory", "list", "muse"],
    ]
)
OF_A_RUN = ("_migrations", "_runs", "scout/runs", "scout/log", "scout/journal")

Tree = dict[str, tuple[bytes, int]]


def plant(root: Path) -> None:
    """Two agents with notes, eight of which outgrow their block, pages, settings, indexes, a persona and a policy."""
    for agent in ("scout", "muse"):
        for folder in ("persona", "memory", "wiki"):
            (root / agent / folder).mkdir(parents=True)
        (root / agent / "persona/IDENTITY.md").write_text("# Me\n")
        (root / agent / "model.md").write_text("## Default model\nembedded:quote\n")
        (root / agent / "tools.md").write_text("## Write paths\n- memory/\n")
        (root / agent / "memory/INDEX.md").write_text("# Index\n\n- [note 1](user_001.md): d\n")
        for number in range(144):
            grows = agent == "scout" and number < 8
            body = "x" * (4096 - len(NOTE.format(number, "")) - 4) if grows else "short"
            (root / agent / f"memory/user_{number:03}.md").write_text(NOTE.format(number, body))
        (root / agent / "wiki/page.md").write_text(NOTE.format("page", "said").replace("type: user", "type: wiki_page"))
    (root / "policy").mkdir()
    (root / "policy/honest.md").write_text("---\nschema_version: 1\n---\n\nNever lie.\n")
    (root / "scout/memory/user_000.md").chmod(0o600)
    (root / "scout/memory/user_100.md").chmod(0o640)


def documents(root: Path) -> Tree:
    """Every file and folder that is not the program's own, with its bytes and mode."""
    found: Tree = {}
    for folder, folders, names in os.walk(root):
        inside = os.path.relpath(folder, root).replace(os.sep, "/")
        if inside == ".":
            folders.remove(".atomic") if ".atomic" in folders else None
        if inside.startswith(OF_A_RUN):
            folders.clear()
            continue
        for name in (*folders, *names):
            path = Path(folder, name)
            at = name if inside == "." else f"{inside}/{name}"
            if not at.startswith(OF_A_RUN):
                content = path.read_bytes() if name in names else b""
                found[at] = (content, stat.S_IMODE(path.stat().st_mode))
    return found


def litter(root: Path) -> list[str]:
    """What is left of a batch, or was set aside though nobody else wrote."""
    return [str(path) for part in ("batch", "kept") for path in (root / ".atomic" / part).rglob("*")]


class Trial:
    """Faults at many calls of one verb."""

    def __init__(self, folder: Path, verb: str) -> None:
        self.verb = verb
        self.root = folder / "vault"
        self.base = folder / "base"
        self.said = folder / "said"
        self.wrong: list[str] = []
        self.found: dict[str, int] = {}
        plant(self.base)
        if verb == "rollback":  # of a vault in which somebody has edited one document since, and deleted another
            self.act(self.base, "migrate")
            edited = self.base / "muse/memory/user_010.md"
            edited.write_text(edited.read_text() + "edited since\n")
            (self.base / "muse/memory/user_011.md").unlink()
        self.states = {"old": documents(self.base)}
        shutil.copytree(self.base, self.root)
        self.act(self.root, verb)
        self.states["new"] = documents(self.root)

    def open(self, root: Path) -> Workspace:
        opened = open_workspace(config.load(str(root), dict(os.environ)))
        opened.clock = lambda: NOW
        return opened

    def act(self, root: Path, verb: str, prepare: Callable[[], object] = lambda: None) -> None:
        opened = self.open(root)
        prepare()
        if verb == "migrate":
            upkeep.migrate(opened, 2, skip_unreadable=False)
        else:
            names = [found.name for found in snapshot.listed(opened.store) if "pre_v2" in found.name]
            upkeep.roll_back(opened, names[0])

    def calls(self) -> list[str]:
        """What each change of the disk is about."""
        self.reset()
        labels: list[str] = faults.calls_of(partial(self.act, self.root, self.verb))
        return labels

    def reset(self) -> None:
        """Plant the vault anew, or where its documents are as they were, what is the program's own."""
        if documents(self.root) != self.states["old"]:
            shutil.rmtree(self.root)
            shutil.copytree(self.base, self.root)
            return
        for name in (".atomic", *OF_A_RUN):
            shutil.rmtree(self.root / name, ignore_errors=True)
            if (self.base / name).exists():
                shutil.copytree(self.base / name, self.root / name)

    def attempt(self, number: int, kind: str, label: str) -> None:
        """One fault, and what the next command finds."""
        self.reset()
        where = f"{kind} {number} ({label})"
        code = faults.in_child(
            lambda: self.act(self.root, self.verb, partial(faults.arm, number, faults.fate_of(kind)))
        )
        killed = kind.startswith("kill")
        if (code == -signal.SIGKILL) != killed or code == faults.BUG:
            self.wrong.append(f"{where}: ended with {code}")
        if kind.endswith("once") and code == faults.REFUSED and documents(self.root) != self.states["old"]:
            self.wrong.append(f"{where}: refused, and not put back at once")
        self.next_command(where)
        found = self.judge(where, code)
        if found == "old" and number % AGAIN == 0:  # and it is no reason to be stuck
            if faults.in_child(lambda: self.act(self.root, self.verb)) or documents(self.root) != self.states["new"]:
                self.wrong.append(f"{where}: the same command again does not arrive")
            self.agree(where, "new")

    def next_command(self, where: str) -> None:
        arguments = next(NEXT)
        with self.said.open("w+") as said:

            def run() -> None:
                os.dup2(said.fileno(), 1)
                os.dup2(said.fileno(), 2)
                command_line([*arguments, "--root", str(self.root)])

            code = faults.in_child(run)
            said.seek(0)
            words = said.read()
        if code not in ((0, 1) if arguments[0] == "doctor" else (0,)) or "a bug" in words or "Traceback" in words:
            self.wrong.append(f"{where}: {arguments} ended with {code}: {words[-300:]}")

    def judge(self, where: str, code: int) -> str:
        now = documents(self.root)
        found = next((name for name, tree in self.states.items() if tree == now), "mixed")
        kind = where.split(maxsplit=1)[0]
        self.found[f"{kind} {found}"] = self.found.get(f"{kind} {found}", 0) + 1
        if found == "mixed":
            differ = [path for path in now | self.states["old"] if now.get(path) != self.states["old"].get(path)]
            self.wrong.append(f"{where}: neither old nor new, {len(differ)} differ from old: {differ[:3]}")
        if (code == faults.DONE and found != "new") or (code == faults.REFUSED and found != "old"):
            self.wrong.append(f"{where}: ended with {code} and is {found}")
        self.agree(where, found)
        left = litter(self.root)
        if left:
            self.wrong.append(f"{where}: litter {left[:3]}")
        return found

    def agree(self, where: str, found: str) -> None:
        """History, reports and snapshots say what the documents are."""
        store = self.open(self.root).store
        kept = history.read(store)
        outcome = history.MIGRATED if self.verb == "migrate" else history.ROLLED_BACK
        said = [record for record in kept.standing if record.outcome == outcome]
        if kept.problems or len(said) != (found == "new"):
            self.wrong.append(f"{where}: the vault is {found} and history says {len(said)} times {outcome}")
        reports = [f"_migrations/reports/{one.name}" for one in (self.root / "_migrations/reports").glob("*")]
        migrated = [record for record in kept.standing if record.outcome == history.MIGRATED]
        if reports != [report.path(record.snapshot) for record in migrated]:
            self.wrong.append(f"{where}: the vault is {found}, with the reports {reports}")
        held: dict[str, dict[str, bytes]] = {}
        for listed in snapshot.listed(store):
            try:
                held[listed.name] = dict(snapshot.read(store, listed.name)[1])
            except AtomicAgentsError as error:
                self.wrong.append(f"{where}: {error.message}")
        for record in said:  # what stands has its way back, which holds what was there
            back = held.get(record.way_back, {})
            before, after = self.states["old"], self.states["new"]
            due = {path: before[path][0] for path in before if path in after and before[path] != after[path]}
            if back != due:
                self.wrong.append(f"{where}: the way back {record.way_back!r} holds {len(back)} of {len(due)}")


def main(folder: str, verb: str, what: str) -> None:
    """Try the calls and print what was found."""
    for package in (atomic_agents.cli, atomic_agents.migration.steps):  # once, and not in every child
        for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            import_module(module.name)
    faults.nothing_is_synced()
    trial = Trial(Path(folder), verb)
    labels = trial.calls()
    kinds = [what] if what in faults.KINDS else faults.KINDS
    short = what == "short"
    turn, tried = cycle(kinds), 0
    for number in faults.edges(labels, EDGE, OTHERS) if short else range(1, len(labels) + 1):
        takes_space = labels[number - 1].split()[0] in faults.TAKE_SPACE
        for kind in [next(turn)] if short else kinds:
            if takes_space or kind not in ("kill middle", "full once"):  # which would do nothing new
                trial.attempt(number, kind, labels[number - 1])
                tried += 1
    found = dict(sorted(trial.found.items()))
    sys.stdout.write(json.dumps({"calls": len(labels), "tried": tried, "found": found, "wrong": trial.wrong}))


if __name__ == "__main__":
    main(*sys.argv[1:])
