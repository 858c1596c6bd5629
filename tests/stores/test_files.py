import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import pytest

from atomic_agents.core.change import Append, Delete, Put, revision
from atomic_agents.core.errors import AtomicAgentsError, Conflict, PathRefused, StorageFailed
from atomic_agents.core.store import Store
from atomic_agents.stores import disk
from atomic_agents.stores.files import UNDO_BYTES, FolderStore
from atomic_agents.testing.contracts import StoreContract
from atomic_agents.testing.deeds import apply, documents, put

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the children touch no thread
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files, modes or users")


class TestFolderStore(StoreContract):
    @contextmanager
    def open_empty(self) -> Iterator[Store]:
        with TemporaryDirectory() as folder:
            yield FolderStore(folder)

    def reopen(self, store: Store) -> Store:
        assert isinstance(store, FolderStore)
        return FolderStore(store.root)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "vault"
    folder.mkdir()
    return folder


@pytest.fixture
def store(root: Path) -> FolderStore:
    return FolderStore(root)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def litter(root: Path) -> list[str]:
    """What a change left that is no document."""
    outside = [str(path.relative_to(root)) for path in root.rglob("*.tmp")]
    return outside + sorted(os.listdir(root / ".atomic" / "batch"))


def test_opening_and_reading_make_nothing(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "none" / "yet")

    assert store.read("a") is None
    assert list(store.list()) == []
    assert store.traits.writable
    assert list(tmp_path.iterdir()) == []


def test_the_first_change_makes_the_folder_and_tells_git_what_to_ignore(tmp_path: Path) -> None:
    root = tmp_path / "none" / "yet"

    put(FolderStore(root), a="x")

    assert (root / "a").read_bytes() == b"x"
    assert (root / ".atomic" / ".gitignore").read_bytes() == b"*\n"


@posix
def test_files_keep_their_mode_and_new_ones_have_what_the_umask_leaves(root: Path, store: FolderStore) -> None:
    for name, mode in (("private", 0o600), ("script", 0o755), ("read-only", 0o444)):
        (root / name).write_bytes(b"old")
        (root / name).chmod(mode)
    before = os.umask(0o027)
    try:
        put(store, private="new", script="new", fresh="new")
        apply(store, Append("read-only", "line"), Append("fresh-log", "line"), Put("asked", b"x", mode=0o604))
        apply(store, Put("private", b"alone"))
        apply(store, Put("asked-alone", b"x", mode=0o666))
    finally:
        os.umask(before)

    assert {path.name: oct(mode_of(path)) for path in root.iterdir() if path.is_file()} == {
        "private": "0o600",
        "script": "0o755",
        "read-only": "0o444",
        "fresh": "0o640",
        "fresh-log": "0o640",
        "asked": "0o604",
        "asked-alone": "0o666",
    }


@posix
def test_an_undo_brings_the_mode_back(root: Path, store: FolderStore) -> None:
    put(store, a="x", b="y")
    (root / "a").chmod(0o640)

    store.apply(apply(store, Delete("a"), Put("b", b"z")))

    blob = store.read("a")
    assert blob is not None
    assert blob.mode == 0o640 == mode_of(root / "a")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root gives files away")
def test_a_file_keeps_its_owner(root: Path, store: FolderStore) -> None:
    (root / "a").write_bytes(b"x")
    os.chown(root / "a", 1234, 4321)

    put(store, a="y")
    put(store, a="z", b="z")

    found = (root / "a").stat()
    assert (found.st_uid, found.st_gid) == (1234, 4321)


def test_what_is_equal_is_not_touched(root: Path, store: FolderStore) -> None:
    put(store, a="x", b="y")
    os.utime(root / "a", ns=(1, 1))

    put(store, a="x")
    put(store, a="x", b="z")

    assert (root / "a").stat().st_mtime_ns == 1


def test_folders_of_others_are_left_alone(root: Path, store: FolderStore) -> None:
    for name in (".git/HEAD", ".obsidian/app.json", "agent/.git/x"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(b"theirs")

    put(store, a="x", agent__b="y")
    apply(store, Delete("agent/b"), Delete("a"))

    assert list(store.list()) == []
    assert (root / ".git/HEAD").read_bytes() == b"theirs"
    with pytest.raises(PathRefused):
        store.read(".git/HEAD")


def test_a_folder_is_not_read(root: Path, store: FolderStore) -> None:
    (root / "a").mkdir()

    (root / "a" / ".hidden").write_bytes(b"")

    with pytest.raises(PathRefused):
        store.read("a")
    with pytest.raises(PathRefused):
        put(store, a="x")


@posix
def test_an_odd_name_that_is_there_can_be_changed_deleted_and_brought_back(root: Path, store: FolderStore) -> None:
    (root / "a:b.md").write_bytes(b"x")
    apply(store, Put("a:b.md", b"y"))

    store.apply(apply(store, Delete("a:b.md")))

    assert documents(store) == {"a:b.md": b"y"}


class TestLinks:
    @pytest.fixture
    def outside(self, tmp_path: Path) -> Path:
        folder = tmp_path / "outside"
        folder.mkdir()
        (folder / "secret").write_bytes(b"secret")
        return folder

    @pytest.fixture
    def root(self, root: Path) -> Path:
        try:
            (root / "probe").symlink_to("nothing")
        except OSError:
            pytest.skip("links cannot be made here")
        (root / "probe").unlink()
        return root

    @pytest.mark.parametrize("others", [(), (Put("other", b"x"),)])
    def test_writing_through_a_link_changes_the_file_and_keeps_the_link(
        self, root: Path, store: FolderStore, others: tuple[Put, ...]
    ) -> None:
        put(store, shared__persona="old", log="one\n")
        (root / "agent").mkdir()
        (root / "agent" / "persona").symlink_to("../shared/persona")
        (root / "agent" / "log").symlink_to(root / "log")

        apply(store, Put("agent/persona", b"new", expect=revision(b"old")), *others)
        apply(store, Append("agent/log", "two"), *others)

        assert (root / "agent" / "persona").is_symlink()
        assert (root / "agent" / "log").is_symlink()
        assert (root / "shared" / "persona").read_bytes() == b"new"
        assert (root / "log").read_bytes() == b"one\ntwo\n"
        assert documents(store)["agent/persona"] == b"new"

    def test_deleting_a_link_leaves_what_it_leads_to(self, root: Path, store: FolderStore) -> None:
        put(store, a="x", b="y")
        (root / "link").symlink_to("a")

        undo = apply(store, Delete("link"), Delete("b"))
        after = documents(store)
        store.apply(undo)

        assert after == {"a": b"x"}
        assert documents(store) == {"a": b"x", "b": b"y", "link": b"x"}

    def test_one_file_under_two_names_is_written_once(self, root: Path, store: FolderStore) -> None:
        put(store, a="x")
        (root / "link").symlink_to("a")

        undo = put(store, a="y", link="y", other="z")
        after = documents(store)
        store.apply(undo)

        assert after == {"a": b"y", "link": b"y", "other": b"z"}
        assert documents(store) == {"a": b"x", "link": b"x"}
        assert list(store.paths()) == ["a", "link"]
        with pytest.raises(PathRefused):
            put(store, a="1", link="2")

    def test_a_linked_folder_is_used_but_not_listed_twice(self, root: Path, store: FolderStore) -> None:
        put(store, real__a="x")
        (root / "linked").symlink_to("real", target_is_directory=True)
        (root / "real" / "up").symlink_to("..", target_is_directory=True)

        put(store, linked__b="y", linked__up__real__c="z")

        assert documents(store) == {"real/a": b"x", "real/b": b"y", "real/c": b"z"}
        assert list(store.list("linked/")) == []
        assert [path for path, _ in store.strange()] == ["linked", "real/up"]

    def test_a_link_that_leaves_the_vault_is_refused(self, root: Path, store: FolderStore, outside: Path) -> None:
        (root / "folder").symlink_to(outside, target_is_directory=True)
        (root / "file").symlink_to(outside / "secret")
        (root / "git").symlink_to(".git/config")
        (root / ".git").mkdir()
        (root / ".git" / "config").write_bytes(b"")
        put(store, a="x")

        for path in ("folder/secret", "folder/new", "file", "git"):
            acts: list[Callable[[], object]] = [
                lambda path=path: store.read(path),  # type: ignore[misc]
                lambda path=path: put(store, **{path.replace("/", "__"): "x"}),  # type: ignore[misc]
                lambda path=path: apply(store, Append(path, "x")),  # type: ignore[misc]
                lambda path=path: apply(store, Delete(path), Put("b", b"")),  # type: ignore[misc]
            ]
            for act in acts:
                with pytest.raises(PathRefused):
                    act()

        assert documents(store) == {"a": b"x"}
        assert list(store.list("folder/")) == []
        assert (outside / "secret").read_bytes() == b"secret"
        assert os.listdir(outside) == ["secret"]
        assert [path for path, _ in store.strange()] == ["file", "folder", "git"]

    def test_a_link_to_nothing_is_reported(self, root: Path, store: FolderStore) -> None:
        (root / "dangling").symlink_to("nowhere")
        (root / "loop").symlink_to("loop")

        for path in ("dangling", "loop"):
            with pytest.raises(PathRefused):
                store.read(path)

        assert list(store.list()) == []
        assert list(store.strange()) == [
            ("dangling", "a link that leads nowhere"),
            ("loop", "a link that leads nowhere"),
        ]

    def test_the_vault_itself_may_be_a_link(self, root: Path, tmp_path: Path) -> None:
        (tmp_path / "alias").symlink_to(root, target_is_directory=True)
        store = FolderStore(tmp_path / "alias")

        put(store, a="x")

        assert documents(store) == {"a": b"x"}


@posix
def test_pipes_and_names_that_are_no_text_are_reported_and_never_opened(root: Path, store: FolderStore) -> None:
    os.mkfifo(root / "pipe.md")
    (root / "tab\there.md").write_bytes(b"")
    (root / "a").mkdir()
    Path(os.fsdecode(os.fsencode(root) + b"/a/\xff.md")).write_bytes(b"")
    put(store, a__b="x")

    with pytest.raises(PathRefused):
        store.read("pipe.md")
    with pytest.raises(PathRefused):
        put(store, **{"pipe.md": "x"})

    assert documents(store) == {"a/b": b"x"}
    assert list(store.paths()) == ["a/b"]
    assert list(store.strange()) == [
        ("a/\\xff.md", "its name is not UTF-8"),
        ("pipe.md", "a pipe, not a file"),
        ("tab\\x09here.md", "its name has control characters"),
    ]


def test_a_torn_tail_is_reported(root: Path, store: FolderStore) -> None:
    for name in ("alone", "together", "whole"):
        (root / name).write_bytes(b"x" if name != "whole" else b"x\n")

    apply(store, Append("alone", "line"))
    apply(store, Append("together", ""), Append("whole", ""))

    assert documents(store) == {"alone": b"x\nline\n", "together": b"x\n\n", "whole": b"x\n\n"}
    assert [notice.partition(":")[0] for notice in store.notices] == ["alone", "together"]


def test_the_undo_of_a_line_in_a_very_long_document_refuses(root: Path, store: FolderStore) -> None:
    (root / "log").write_bytes(b"x" * UNDO_BYTES + b"\n")
    undo = apply(store, Append("log", "line"))

    with pytest.raises(Conflict) as caught:
        store.apply(undo)

    assert "by hand" in caught.value.hint
    assert (root / "log").read_bytes().endswith(b"x\nline\n")


@pytest.mark.parametrize("moment", ["staged", "moved"])
def test_what_a_human_saves_in_the_last_moment_is_kept(
    root: Path, store: FolderStore, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    put(store, a="old", b="old", c="old")
    name = {"staged": "write_new", "moved": "rename"}[moment]
    real = getattr(disk, name)

    def save_too(*args: object, **options: object) -> None:
        real(*args, **options)
        if moment == "staged" or args[1] == str(root / "a"):
            (root / "b").write_bytes(b"human")

    monkeypatch.setattr(disk, name, save_too)

    with pytest.raises(Conflict) as caught:
        put(store, a="new", b="new", c="new", d__e="new")

    assert caught.value.context["paths"] == ["b"]
    assert documents(FolderStore(root)) == {"a": b"old", "b": b"human", "c": b"old"}
    assert not (root / "d").exists()
    assert litter(root) == []


@posix
class TestAfterACrash:
    """The process dies when the change is committed and nothing is moved yet; somebody edits; the next opener comes."""

    @pytest.fixture
    def root(self, root: Path) -> Path:
        put(FolderStore(root), a="old", gone="old", log="one\n")
        child = os.fork()
        if child == 0:
            try:
                _die_after_commit(FolderStore(root))
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -9
        return root

    def test_the_next_opener_finishes_it(self, root: Path) -> None:
        store = FolderStore(root)

        assert documents(store) == {"a": b"new", "log": b"one\ntwo\n", "new/b": b"new"}
        assert store.notices == ["an interrupted change was finished: a reason (4 documents)"]
        assert litter(root) == []

    def test_an_open_store_finishes_it_before_it_lists_or_writes(self, root: Path) -> None:
        shutil.copytree(root, root.parent / "copy", dirs_exist_ok=True)
        batch = root.parent / "copy" / ".atomic" / "batch"
        shutil.move(batch, root.parent / "aside")
        store = FolderStore(root.parent / "copy")
        shutil.move(root.parent / "aside", batch)

        assert [entry.path for entry in store.list()] == ["a", "log", "new/b"]

    def test_what_a_human_wrote_since_is_kept_and_ours_is_set_aside(self, root: Path) -> None:
        (root / "a").write_bytes(b"human")
        (root / "gone").write_bytes(b"human")
        (root / "log").write_bytes(b"zero\none")
        (root / "new").write_bytes(b"in the way")

        store = FolderStore(root)

        assert documents(store) == {
            "a": b"human",
            "gone": b"human",
            "log": b"zero\none\ntwo\n",
            "new": b"in the way",
        }
        kept = {path.name: path.read_bytes() for path in (root / ".atomic/kept").rglob("*") if path.is_file()}
        assert kept == {"a": b"new", "b": b"new"}
        assert [notice.partition(":")[0] for notice in store.notices] == [
            "a",
            "new/b",
            "gone",
            "an interrupted change was finished",
        ]
        assert litter(root) == []

    def test_a_copy_that_was_on_its_way_to_another_file_system_is_swept(self, root: Path) -> None:
        (batch,) = os.listdir(root / ".atomic" / "batch")
        (root / f".atomic-{batch}.tmp").write_bytes(b"ne")
        (root / "a").write_bytes(b"human")

        FolderStore(root)

        assert (root / "a").read_bytes() == b"human"
        assert litter(root) == []

    def test_a_document_that_is_now_a_link_out_of_the_vault_is_left(self, root: Path, tmp_path: Path) -> None:
        (tmp_path / "outside").write_bytes(b"outside")
        (root / "a").unlink()
        (root / "a").symlink_to(tmp_path / "outside")

        FolderStore(root)

        assert (tmp_path / "outside").read_bytes() == b"outside"
        assert (root / "a").is_symlink()

    def test_an_intent_that_cannot_be_read_is_set_aside_and_reported(self, root: Path) -> None:
        (intent,) = (root / ".atomic" / "batch").glob("*/intent")
        intent.write_bytes(intent.read_bytes()[:100])

        store = FolderStore(root)

        assert documents(store) == {"a": b"old", "gone": b"old", "log": b"one\n"}
        assert len(list((root / ".atomic" / "kept").rglob("intent"))) == 1
        assert "set aside" in store.notices[0]
        assert litter(root) == []

    @pytest.mark.parametrize(
        ("ours", "theirs"), [('"0"', '"../../../../stolen"'), ('"a"', '"../../escaped"'), ('"a"', '"/escaped"')]
    )
    def test_an_intent_that_reaches_out_of_the_vault_is_set_aside(self, root: Path, ours: str, theirs: str) -> None:
        (root.parent / "stolen").write_bytes(b"not a document")
        (intent,) = (root / ".atomic" / "batch").glob("*/intent")
        text = intent.read_text()
        assert ours in text
        intent.write_text(text.replace(ours, theirs, 1))

        FolderStore(root)

        assert documents(FolderStore(root)) == {"a": b"old", "gone": b"old", "log": b"one\n"}
        assert sorted(path.name for path in root.parent.iterdir()) == ["stolen", "vault"]

    def test_a_reader_who_may_not_write_is_told(self, root: Path) -> None:
        with readable_by_all(root) as vault:
            code, message = as_nobody(lambda: FolderStore(vault))

        assert code == "StorageFailed"
        assert "read-only" in message


def _die_after_commit(store: FolderStore) -> None:
    real = disk.rename

    def rename(source: str, target: str) -> None:
        real(source, target)
        if target.endswith("intent"):
            os.kill(os.getpid(), 9)

    disk.rename = rename
    changes = (Put("a", b"new"), Put("new/b", b"new"), Append("log", "two"), Delete("gone"))
    store.apply(type(apply(store))("a reason", changes))


@posix
class TestAfterACrashAmongMany:
    """The process dies while it writes over the 20th of many documents; somebody edits; the next opener comes."""

    DIES = """
import os, sys
from atomic_agents.core.change import Append, ChangeSet, Put
from atomic_agents.stores import disk
from atomic_agents.stores.files import FolderStore
real, done = disk.overwrite, []
def overwrite(path, data, *, size):
    done.append(path)
    if len(done) == 20:
        with open(path, "r+b") as file:
            file.write(data[:5])
        os.kill(os.getpid(), 9)
    real(path, data, size=size)
disk.overwrite = overwrite
puts = (Put(f"d{n:02}", b"new and longer %d" % n) for n in range(40))
FolderStore(sys.argv[1]).apply(ChangeSet("many", (*puts, Append("log", "two"))))
"""

    @pytest.fixture
    def root(self, root: Path) -> Path:
        put(FolderStore(root), log="one\n", **{f"d{n:02}": f"old {n}" for n in range(40)})
        done = subprocess.run([sys.executable, "-c", self.DIES, str(root)], check=False)
        assert done.returncode == -9
        assert (root / "d19").read_bytes() == b"new a9"
        return root

    def test_the_next_opener_finishes_it(self, root: Path) -> None:
        found = documents(FolderStore(root))

        assert found == {"log": b"one\ntwo\n", **{f"d{n:02}": b"new and longer %d" % n for n in range(40)}}
        assert litter(root) == []

    def test_what_a_human_wrote_since_is_kept_and_ours_is_set_aside(self, root: Path) -> None:
        (root / "d03").write_bytes(b"a human's, after ours")
        (root / "d19").write_bytes(b"a human's, over the torn one")
        (root / "d30").write_bytes(b"a human's, before ours")
        (root / "d31").unlink()
        (root / "log").write_bytes(b"zero\none\n")

        store = FolderStore(root)

        found = documents(store)
        assert [found[path] for path in ("d03", "d19", "d30")] == [
            b"a human's, after ours",
            b"a human's, over the torn one",
            b"a human's, before ours",
        ]
        assert "d31" not in found
        assert found["log"] == b"zero\none\ntwo\n"
        assert found["d02"] == b"new and longer 2"
        kept = {path.name: path.read_bytes() for path in (root / ".atomic/kept").rglob("*") if path.is_file()}
        assert kept == {f"d{n:02}": b"new and longer %d" % n for n in (3, 19, 30, 31)}
        assert litter(root) == []


@contextmanager
def readable_by_all(root: Path) -> Iterator[Path]:
    """A copy of the vault that every user can reach and nobody but us can write to."""
    folder = Path(mkdtemp())
    try:
        folder.chmod(0o755)
        shutil.copytree(root, folder / "vault")
        for path in (folder / "vault").rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        (folder / "vault").chmod(0o755)
        if os.geteuid() != 0:
            for path in (folder / "vault", *(folder / "vault").rglob("*")):
                path.chmod(mode_of(path) & 0o555)
        yield folder / "vault"
    finally:
        for path in folder.rglob("*"):
            if path.is_dir():
                path.chmod(0o755)
        shutil.rmtree(folder)


def as_nobody(act: Callable[[], object]) -> tuple[str, str]:
    """What `act` raises, or prints, as a user without rights: the error's name and its message with the hint."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            try:
                said = ("", repr(act()))
            except AtomicAgentsError as error:
                said = (type(error).__name__, f"{error.message}\n{error.hint}")
            os.write(theirs, "\0".join(said).encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        name, _, message = pipe.read().decode().partition("\0")
    os.waitpid(child, 0)
    return name, message


@posix
@pytest.mark.parametrize("was_used", [True, False])
def test_a_folder_that_cannot_be_written_to_is_read_and_says_so(root: Path, *, was_used: bool) -> None:
    put(FolderStore(root), a="x", b="y")
    with FolderStore(root).lock("agent", wait=0):
        pass
    if not was_used:
        shutil.rmtree(root / ".atomic")
    with readable_by_all(root) as vault:
        read = as_nobody(lambda: (documents(FolderStore(vault)), FolderStore(vault).traits.writable))
        written = as_nobody(lambda: put(FolderStore(vault), a="z"))
        locked = as_nobody(lambda: FolderStore(vault).lock("agent", wait=0).__enter__())

    assert read == ("", "({'a': b'x', 'b': b'y'}, False)")
    assert written[0] == locked[0] == "StorageFailed"
    assert "the folder is read-only; nothing was written" in written[1]


@posix
def test_what_cannot_be_read_is_named_with_the_way_out_and_left_out_of_a_listing(root: Path) -> None:
    put(FolderStore(root), a="x", closed__b="y", locked__c="z")
    with readable_by_all(root) as vault:
        for name, mode in (("a", 0o200), ("closed", 0o300), ("locked", 0o400)):
            (vault / name).chmod(mode)
            if os.geteuid() == 0:
                os.chown(vault / name, 65534, 65534)
        file = as_nobody(lambda: FolderStore(vault).read("a"))
        inside = as_nobody(lambda: FolderStore(vault).read("locked/c"))
        listed = as_nobody(lambda: [entry.path for entry in FolderStore(vault).list()])
        strange = as_nobody(lambda: list(FolderStore(vault).strange()))

    assert file == ("StorageFailed", f"a: permission to read it is missing\nchmod u+r '{vault}/a'")
    assert inside == ("StorageFailed", f"locked/c: permission to read it is missing\nchmod u+rx '{vault}/locked'")
    assert listed == ("", "['a']")
    assert "'closed'" in strange[1]
    assert "'locked/c'" in strange[1]


@contextmanager
def mounted(folder: Path, size: str = "1m") -> Iterator[None]:
    """A small file system of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_everything_as_it_was(root: Path) -> None:
    with mounted(root):
        store = FolderStore(root)
        put(store, a="old", log="one\n")
        many = {f"new{number}": "x" * 100_000 for number in range(12)}
        for changes in ({"big": "x" * 2_000_000}, {"a": "new", **many}, {"a": "x" * 2_000_000}):
            with pytest.raises(StorageFailed) as caught:
                put(store, **changes)
            assert caught.value.message == f"{root}: the disk is full; nothing was written"
        with pytest.raises(StorageFailed):
            apply(store, Append("log", "x" * 2_000_000))
        left = litter(root)
        put(store, room="x" * 500_000)

        assert documents(FolderStore(root)) == {"a": b"old", "log": b"one\n", "room": b"x" * 500_000}
        assert left == []


def test_a_disk_that_is_full_but_for_a_few_pages_takes_all_of_a_change_or_nothing(root: Path) -> None:
    page, said = 4096, []
    changes = (Append("one", "x" * 5000), Put("new", b"n"), Append("two", "x"))
    for free in range(10):
        with mounted(root, "256k"):
            put(FolderStore(root), one="y" * (page - 1) + "\n", two="z" * (page - 1) + "\n")
            before = documents(FolderStore(root))
            pad = root.joinpath("pad").open("wb", buffering=0)
            with pad, suppress(OSError):
                while True:
                    pad.write(b"0" * page)
            os.truncate(root / "pad", max((root / "pad").stat().st_size - free * page, 0))
            message = ""
            try:
                apply(FolderStore(root), *changes)
            except StorageFailed as error:
                message = error.message
            (root / "pad").unlink()
            changed = {path for path, data in documents(FolderStore(root)).items() if data != before.get(path)}
            said.append((message, changed))

    full = (f"{root}: the disk is full; nothing was written", set[str]())
    assert {message for message, _ in said} == {full[0], ""}
    assert all(each in (full, ("", {"one", "new", "two"})) for each in said)


def test_another_file_system_within_the_vault_takes_part(root: Path) -> None:
    with mounted(root / "mount"):
        store = FolderStore(root)
        put(store, a="old", mount__b="old", mount__deep__c="old")
        (root / "mount" / "b").chmod(0o640)
        undo = apply(store, Put("mount/b", b"new"), Put("a", b"new"), Delete("mount/deep/c"), Put("mount/d/e", b"new"))
        put(store, mount__alone="x")
        after = documents(store)
        mode = mode_of(root / "mount" / "b")
        store.apply(undo)
        with pytest.raises(StorageFailed):
            put(store, a="new", mount__b="new", mount__big="x" * 2_000_000, z="new")

        assert after == {"a": b"new", "mount/alone": b"x", "mount/b": b"new", "mount/d/e": b"new"}
        assert mode == 0o640
        assert documents(store) == {"a": b"old", "mount/alone": b"x", "mount/b": b"old", "mount/deep/c": b"old"}
        assert litter(root) == []


def test_a_name_too_long_for_the_system_is_put_back(root: Path, store: FolderStore) -> None:
    put(store, a="old")
    deep = "/".join(["x" * 250] * 20)

    with pytest.raises(StorageFailed):
        apply(store, Put("a", b"new"), Put(deep, b"x"))

    assert store.read(deep) is None
    assert documents(store) == {"a": b"old"}
    assert sorted(os.listdir(root)) == [".atomic", "a"]
    assert litter(root) == []
