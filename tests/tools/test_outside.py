import json
import os
import socket
import sys
from pathlib import Path

import pytest

from atomic_agents.core.change import ChangeSet, Put
from atomic_agents.core.model import ToolCall
from atomic_agents.guard.paths import policy
from atomic_agents.stores.files import FolderStore
from atomic_agents.tools import files, outside
from atomic_agents.tools.edits import Edits
from atomic_agents.tools.tool import ToolResult, answer
from atomic_agents.vault.settings import ToolSettings

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc as Linux has it")
NOT_ROOT = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")


class Reader:
    """An agent `a` that reads `out/` and what a test grants, and writes `out/`."""

    def __init__(self, folder: Path, *granted: str) -> None:
        self.root = folder / "vault"
        store = FolderStore(self.root)
        for path, text in {"a/out/x.md": "one heron\n", "a/tools.md": "t", "b/secret.md": "their heron"}.items():
            store.apply(ChangeSet("", (Put(path, text.encode()),)))
        paths = policy("a", ToolSettings(read_paths=("out/", *granted), write_paths=("out/",)), str(self.root))
        edits = Edits(store, "a", "run-1", paths, lambda *_: None)
        self.tools = (*files.reading(store, paths), *files.writing(edits))

    def call(self, name: str, **arguments: object) -> ToolResult:
        return answer(self.tools, ToolCall("c", name, json.dumps(arguments)))

    def lines(self, name: str, **arguments: object) -> list[str]:
        """What a call says, without its fence."""
        result = self.call(name, **arguments)
        assert not result.failed, result.text
        return result.text.splitlines()[1:-1]


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    """A folder with one text that says heron, and many things that cannot be searched."""
    folder = tmp_path / "papers"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/z.txt").write_text("a heron\n")
    (folder / "binary").write_bytes(b"heron\0")
    with (folder / "large").open("wb") as large:
        large.truncate(outside.MOST_BYTES + 1)
    (folder / "loop").symlink_to(folder)
    (folder / "nowhere").symlink_to("/nowhere/at/all")
    (folder / "away").symlink_to("/etc")
    (folder / "passwd").symlink_to("/etc/passwd")
    (folder / ".hidden").write_text("a heron\n")
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe")
    if hasattr(socket, "AF_UNIX"):
        with socket.socket(socket.AF_UNIX) as bound:
            here = os.getcwd()
            os.chdir(folder)  # the path of a socket has to be short
            bound.bind("socket")
            os.chdir(here)
    return folder


def test_what_cannot_be_searched_is_left_out_and_counted(tmp_path: Path, papers: Path) -> None:
    reader = Reader(tmp_path, str(papers))

    found = reader.lines("search_files", text="HERON", path=str(papers))

    assert found == [
        f"{papers}/deep/z.txt:1: a heron",
        "(left out: 1 that cannot be read, 1 that are no text)",
    ]


def test_a_search_of_everything_goes_on_past_what_cannot_be_read(tmp_path: Path, papers: Path) -> None:
    found = Reader(tmp_path, str(papers)).lines("search_files", text="heron")

    assert found == [
        "a/out/x.md:1: one heron",
        f"{papers}/deep/z.txt:1: a heron",
        "(left out: 1 that cannot be read, 1 that are no text)",
    ]


@NOT_ROOT
def test_files_and_folders_without_permission_are_counted(tmp_path: Path, papers: Path) -> None:
    (papers / "locked").mkdir()
    (papers / "locked").chmod(0)
    (papers / "deep/mine").write_text("a heron")
    (papers / "deep/mine").chmod(0)
    (tmp_path / "vault/a/out").mkdir(parents=True)
    (tmp_path / "vault/a/out/mine.md").write_text("a heron")
    (tmp_path / "vault/a/out/mine.md").chmod(0)
    reader = Reader(tmp_path, str(papers))

    try:
        found = reader.lines("search_files", text="heron")
        listed = reader.lines("list_files", path=str(papers))
        read = reader.call("read_file", path=str(papers / "deep/mine"))
    finally:
        (papers / "locked").chmod(0o700)

    assert "(left out: 4 that cannot be read, 1 that are no text)" in found
    assert "(left out: 1 that cannot be read)" in listed
    assert read.text == f"PathRefused: {papers}/deep/mine cannot be read: permission denied"


@LINUX
@pytest.mark.parametrize("granted", [pytest.param("/", marks=pytest.mark.soak), "/proc", "/sys", "/dev"])
def test_a_search_of_what_the_system_shows_ends(tmp_path: Path, granted: str) -> None:
    found = Reader(tmp_path, granted).call("search_files", text="there is no such heron", path=granted)

    assert not found.failed
    assert "nothing matches" in found.text


@LINUX
@pytest.mark.parametrize(
    "path", ["/proc/self", "/proc/self/", "/proc/self/status", "/proc/self/task", "/proc/thread-self"]
)
def test_a_link_of_the_system_is_refused_by_every_tool(tmp_path: Path, path: str) -> None:
    reader = Reader(tmp_path, "/")

    for name, more in (("read_file", {}), ("list_files", {}), ("search_files", {"text": "heron"})):
        result = reader.call(name, path=path, **more)

        assert result.failed
        assert "is behind a link" in result.text


def test_every_tool_takes_and_refuses_the_same_paths(tmp_path: Path, papers: Path) -> None:
    reader = Reader(tmp_path, str(papers))
    refused = [
        *(str(papers / name) for name in ("away", "away/passwd", "loop", "loop/deep/z.txt", "passwd", ".hidden")),
        str(papers / "../vault/b/secret.md"), "/etc", "/etc/passwd", "~/.ssh", "../b", "b/secret.md", "../..", "a\0b",
    ]  # fmt: skip

    for path in refused:
        for name, more in (
            ("read_file", {}), ("list_files", {}), ("search_files", {"text": "heron"}), ("write_file", {"text": "x"}),
            ("edit_file", {"old": "x", "new": "y"}), ("move_file", {"to": "out/new.md"}),
        ):  # fmt: skip
            result = reader.call(name, path=path, **more)
            assert result.failed, (name, path, result.text)
            assert "heron" not in result.text

    for path in (str(papers / "deep/z.txt"), "out/x.md"):
        assert "heron" in reader.call("read_file", path=path).text
        assert len(reader.lines("list_files", path=path)) == 1
        assert len(reader.lines("search_files", text="heron", path=path)) == 1


def test_the_vault_is_not_reached_through_a_folder_around_it(tmp_path: Path) -> None:
    reader = Reader(tmp_path, str(tmp_path))
    (tmp_path / "near.txt").write_text("a heron")

    assert reader.lines("list_files", path=str(tmp_path)) == [f"{tmp_path}/near.txt"]
    assert reader.lines("search_files", text="heron") == [
        "a/out/x.md:1: one heron", f"{tmp_path}/near.txt:1: a heron"
    ]  # fmt: skip
    assert reader.call("read_file", path=f"{tmp_path}/vault/b/secret.md").failed


def test_a_folder_that_is_granted_by_a_link_is_read_behind_it(tmp_path: Path, papers: Path) -> None:
    (tmp_path / "link").symlink_to(papers)
    reader = Reader(tmp_path, str(tmp_path / "link"))

    assert f"{tmp_path}/link/deep/z.txt" in reader.lines("list_files", path=str(tmp_path / "link"))
    assert "a heron" in reader.call("read_file", path=str(tmp_path / "link/deep/z.txt")).text


def test_a_search_says_that_it_did_not_see_every_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "many").mkdir()
    for number in range(6):
        (tmp_path / f"many/{number}").write_text("a heron")
    monkeypatch.setattr(files, "_SEARCHED", 4)

    found = Reader(tmp_path, str(tmp_path / "many")).lines("search_files", text="heron", path=str(tmp_path / "many"))

    assert len(found) == 5
    assert found[-1] == "(no more than 4 files were searched; name a folder)"


def test_a_search_that_takes_long_says_so(tmp_path: Path, papers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_SECONDS", 0.0)

    found = Reader(tmp_path, str(papers)).call("search_files", text="heron")

    assert "stopped after 0 s" in found.text or "no answer within" in found.text
