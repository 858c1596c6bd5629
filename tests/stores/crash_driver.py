"""Apply a change and die, or fail, at every step of it; print as JSON what a fresh process then finds.

Run as a script: `crash_driver.py FOLDER SCENARIO kill|kill-twice|fail`. Each attempt is a process of its own.
"""

import errno
import json
import os
import shutil
import signal
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from atomic_agents.core.change import Append, ChangeSet, Delete, Put
from atomic_agents.core.errors import StorageFailed
from atomic_agents.stores import disk
from atomic_agents.stores.files import FolderStore

STEPS = (
    "write_new",
    "write_pieces",
    "overwrite",
    "append_bytes",
    "cut",
    "rename",
    "unlink",
    "make_folder",
    "remove_folder",
    "sync_file",
    "sync_folder",
    "sync_everything",
)

State = dict[str, tuple[str, int]]

SCENARIOS: dict[str, ChangeSet] = {
    "batch": ChangeSet(
        "many",
        (
            Put("new/deep/a.md", b"new a\n"),
            Put("new/b.md", b"new b\n", mode=0o640),
            Put("over.md", b"changed\n"),
            Put("run.sh", b"changed too\n"),
            Delete("gone.md"),
            Append("log.jsonl", '{"n": 2}'),
            Delete("file"),
            Put("file/now-a-folder.md", b"x"),
            Delete("folder/inner.md"),
            Put("folder", b"now a file"),
        ),
    ),
    "put": ChangeSet("one", (Put("over.md", b"changed\n"),)),
    "put-new": ChangeSet("one", (Put("new/deep/a.md", b"new a\n"),)),
    "delete": ChangeSet("one", (Delete("gone.md"),)),
    "append": ChangeSet("one", (Append("log.jsonl", '{"n": 2}'),)),
    "appends": ChangeSet(
        "lines", (Append("log.jsonl", '{"n": 2}'), Put("new/b.md", b"new b\n"), Append("gone.md", "stays"))
    ),
    "first-append": ChangeSet("one", (Append("new.jsonl", '{"n": 1}'),)),
    "many": ChangeSet("many", tuple(Put(f"f{n % 3}/{n}.md", b"%d" % n) for n in range(disk.MANY + 1))),
}


SCENARIOS["in-place"] = ChangeSet(
    "many in place",
    (
        *(Put(f"many/{n}.md", b"longer than before: %d\n" % n) for n in range(disk.MANY)),
        Put("over.md", b"short\n"),
        Put("grows.md", b"more than a block\n" * 1000),
        Put("new/b.md", b"new b\n"),
        Delete("gone.md"),
        Append("log.jsonl", '{"n": 2}'),
    ),
)
SCENARIOS["across"] = ChangeSet("many", (*SCENARIOS["put-new"], *SCENARIOS["put"], *SCENARIOS["delete"]))


def split_disk() -> None:
    """Have the store's own folder be on another file system than the documents."""
    real = disk.rename

    def rename(source: str, target: str) -> None:
        if ".atomic/" in source and ".atomic/" not in target:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), source, None, target)
        real(source, target)

    disk.rename = rename


def plant(root: Path, *, many: bool) -> None:
    shutil.rmtree(root, ignore_errors=True)
    more = (*((f"many/{n}.md", b"was %d\n" % n, 0o640) for n in range(disk.MANY)), ("grows.md", b"small\n", 0o644))
    for name, data, mode in (
        *(more if many else ()),
        ("over.md", b"as it was\n", 0o600),
        ("run.sh", b"as it was\n", 0o755),
        ("gone.md", b"goes\n", 0o644),
        ("log.jsonl", b'{"n": 1}\n', 0o644),
        ("file", b"a file", 0o644),
        ("folder/inner.md", b"inside", 0o644),
        ("bystander.md", b"stays\n", 0o444),
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode)


def state(root: Path) -> State:
    """Everything outside the store's own folder, folders too, with its bytes and mode."""
    found: State = {}
    for path in sorted(root.rglob("*")):
        if path.relative_to(root).parts[0] != ".atomic":
            content = "" if path.is_dir() else path.read_bytes().hex()
            found[str(path.relative_to(root))] = (content, stat.S_IMODE(path.stat().st_mode))
    return found


def in_child(act: Callable[[], object]) -> int:
    """Run `act` in a process of its own; return how it ended: 0 is well, 2 is done but perhaps not durable."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            act()
            code = 0
        except StorageFailed as error:
            code = 2 if "the change is made" in error.message else 1
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


@dataclass(frozen=True)
class Deed:
    """A change of the disk that is about to happen; `half` does as much of it as a crash may leave."""

    name: str
    do: Callable[[], None]
    half: Callable[[], None]
    first: bool


Fate = Callable[[Deed], None]


def arm(fatal: int, fate: Fate) -> None:
    """Leave the `fatal`th change of the disk, and those after it, to `fate`."""
    done = 0

    def wrap(name: str, real: Callable[..., None]) -> Callable[..., None]:
        def step(*args: Any, **options: Any) -> None:
            nonlocal done
            done += 1
            do = partial(real, *args, **options)
            if done < fatal:
                do()
                return
            parted = name in {"write_new", "append_bytes"}
            half = partial(real, args[0], args[1][: len(args[1]) // 2], **options) if parted else lambda: None
            if name == "overwrite":
                half = partial(overwrite_half, args[0], args[1])
            fate(Deed(name, do, half, done == fatal))

        return step

    for name in STEPS:
        setattr(disk, name, wrap(name, getattr(disk, name)))


def overwrite_half(path: str, data: bytes) -> None:
    """Half of the new bytes, then what is left of the old ones."""
    with open(path, "r+b") as file:
        file.write(data[: len(data) // 2])


def dying(moment: str) -> Fate:
    """Die before, after or in the middle of the deed."""

    def fate(deed: Deed) -> None:
        if moment == "after":
            deed.do()
        elif moment == "middle":
            deed.half()
        os.kill(os.getpid(), signal.SIGKILL)

    return fate


def failing(moment: str) -> Fate:
    """Let the deed fail once, or it and every later one."""

    def fate(deed: Deed) -> None:
        if deed.first or moment == "always":
            raise OSError(errno.EIO, f"{deed.name} failed on purpose")
        deed.do()

    return fate


def litter(root: Path) -> list[str]:
    """What is left of a batch, or was set aside though nobody else wrote."""
    return sorted(str(path) for part in ("batch", "kept") for path in (root / ".atomic" / part).rglob("*"))


class Trial:
    """One scenario, tried again and again."""

    def __init__(self, folder: str, scenario: str, stride: int) -> None:
        self.root = Path(folder) / "vault"
        self.stride = stride
        self.changes = SCENARIOS[scenario]
        self.tears = scenario == "append"
        self.many = scenario == "in-place"
        self.wrong: list[str] = []
        self.found = {"old": 0, "new": 0, "torn": 0, "tried": 0}
        plant(self.root, many=self.many)
        self.old = state(self.root)
        in_child(lambda: FolderStore(self.root).apply(self.changes))
        self.new = state(self.root)

    def attempt(self, prepare: Callable[[], None]) -> int:
        """Apply the change to the planted vault in a process of its own."""

        def act() -> None:
            store = FolderStore(self.root)
            prepare()
            store.apply(self.changes)

        plant(self.root, many=self.many)
        return in_child(act)

    def reopen(self, prepare: Callable[[], None] = lambda: None) -> int:
        """Open the vault in a process of its own, which recovers."""

        def act() -> None:
            prepare()
            FolderStore(self.root)

        return in_child(act)

    def judge(self, where: str) -> None:
        """Count what a fresh process finds, and note what must not be."""
        self.found["tried"] += 1
        if self.reopen() != 0:
            self.wrong.append(f"{where}: the vault does not open")
        now = state(self.root)
        if now in (self.old, self.new):
            self.found["new" if now == self.new else "old"] += 1
        elif self.tears and now["log.jsonl"][0].startswith(self.old["log.jsonl"][0]):
            self.found["torn"] += 1
        else:
            self.wrong.append(f"{where}: {now}")
        if litter(self.root):
            self.wrong.append(f"{where}: litter {litter(self.root)}")

    def kill(self) -> None:
        """Die at every step."""
        for moment in ("before", "middle", "after"):
            for fatal in count(1, self.stride):
                if self.attempt(partial(arm, fatal, dying(moment))) != -signal.SIGKILL:
                    break
                self.judge(f"{moment} {fatal}")

    def kill_twice(self) -> None:
        """Die at every second step, and at every step of the recovery from that."""
        for fatal in count(1, 2):
            if self.attempt(partial(arm, fatal, dying("before"))) != -signal.SIGKILL:
                break
            for again in count(1):
                if self.reopen(partial(arm, again, dying("after"))) != -signal.SIGKILL:
                    break
                self.judge(f"before {fatal} and again after {again}")
                self.attempt(partial(arm, fatal, dying("before")))

    def fail(self) -> None:
        """Fail at every step, once or for good: what is not done is put back, at once or by the next opener."""
        for moment in ("once", "always"):
            for fatal in count(1, self.stride):
                code = self.attempt(partial(arm, fatal, failing(moment)))
                wanted = self.old if code == 1 else self.new
                if (code != 1 or moment == "once") and state(self.root) != wanted:
                    self.wrong.append(f"{moment} {fatal}: ended with {code} but is {state(self.root)}")
                self.judge(f"{moment} {fatal}")
                if self.attempt(partial(arm, fatal, dying("before"))) == 0:
                    break

    def fail_and_die(self) -> None:
        """Fail at every second step, and die at every step of putting back."""
        for fatal in count(1, 2):
            if self.attempt(partial(arm, fatal, dying("before"))) != -signal.SIGKILL:
                break
            for again in count(fatal + 1):
                if self.attempt(partial(_fail_then_die, fatal, again)) != -signal.SIGKILL:
                    break
                self.judge(f"failed {fatal} and died {again}")


def _fail_then_die(fatal: int, again: int) -> None:
    arm(again, dying("before"))
    arm(fatal, failing("once"))


def main(folder: str, scenario: str, fate: str, stride: str) -> None:
    if scenario == "across":
        split_disk()
    trial = Trial(folder, scenario, int(stride))
    {"kill": trial.kill, "kill-twice": trial.kill_twice, "fail": trial.fail, "fail-and-die": trial.fail_and_die}[fate]()
    differs = trial.old != trial.new
    sys.stdout.write(json.dumps({"found": trial.found, "wrong": trial.wrong[:3], "differs": differs}))


if __name__ == "__main__":
    main(*sys.argv[1:])
