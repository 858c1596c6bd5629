import datetime
import gzip
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomic_agents.core.change import ChangeSet, Put, revision
from atomic_agents.core.errors import SnapshotInvalid
from atomic_agents.migration import snapshot
from atomic_agents.migration.snapshot import Kept
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.testing.shell import Shell, tree
from atomic_agents.vault import layout

MakeVault = Callable[[Mapping[str, str | bytes]], Path]
NOW = datetime.datetime(2026, 5, 1, 12, 0, 0, tzinfo=datetime.UTC)
NAME = "2026-05-01T120000_pre_v2_migration.tar.gz"
NOTE = b"---\nname: a\n---\n\na\n"
PATH = "scout/memory/user_a.md"


def packed(*members: tuple[tarfile.TarInfo, bytes], manifest: object = None) -> bytes:
    """An archive by hand; without a manifest where that is None."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        if manifest is not None:
            data = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
            members = ((file("MANIFEST.json", data), data), *members)
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def file(name: str, data: bytes, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type = len(data), kind
    if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        info.linkname, info.size = "/etc/passwd", 0
    return info


def manifest(path: str = PATH, **more: object) -> dict[str, object]:
    kept = {"path": path, "size": len(NOTE), "mode": 0o644, "sha256": revision(NOTE), "after": ""}
    about = {"taken": NOW.isoformat(), "reason": "r", "package": "3", "from_version": 1, "target": 2, "created": {}}
    return {"format": 1, **about, "files": [kept | more]}


def hostile() -> dict[str, bytes]:
    good = (file(PATH, NOTE), NOTE)
    paths = ("/etc/x.md", "../x.md", "scout/../../x.md", "scout//x.md", ".git/x.md", "_migrations/v2_to_v3.py", "x.py")
    return {
        **{f"a member {path}": packed((file(path, NOTE), NOTE), manifest=manifest(path)) for path in paths},
        "a symlink": packed((file(PATH, b"", tarfile.SYMTYPE), b""), manifest=manifest()),
        "a hard link": packed((file(PATH, b"", tarfile.LNKTYPE), b""), manifest=manifest()),
        "a device": packed((file(PATH, b"", tarfile.CHRTYPE), b""), manifest=manifest()),
        "a pipe": packed((file(PATH, b"", tarfile.FIFOTYPE), b""), manifest=manifest()),
        "a folder": packed((file(PATH, b"", tarfile.DIRTYPE), b""), manifest=manifest()),
        "no manifest": packed(good),
        "a manifest that is not first": packed(good, (file("MANIFEST.json", b"{}"), b"{}")),
        "a manifest that is not JSON": packed(good, manifest=b"{"),
        "a manifest that is a list": packed(good, manifest=b"[]"),
        "a manifest of another form": packed(good, manifest=manifest() | {"format": 2}),
        "a manifest without files": packed(good, manifest=manifest() | {"files": 5}),
        "a manifest that lacks a key": packed(good, manifest={"format": 1}),
        "a file that is not in the manifest": packed(good, (file("x.md", b"x"), b"x"), manifest=manifest()),
        "a file that is missing": packed(manifest=manifest()),
        "a file twice": packed(good, good, manifest=manifest()),
        "another text": packed((file(PATH, b"---\n---\n"), b"---\n---\n"), manifest=manifest()),
        "a mode that is text": packed(good, manifest=manifest(mode="0644")),
        "a mode with setuid": packed(good, manifest=manifest(mode=0o4755)),
        "a document that is too large": packed(
            (file(PATH, bytes(9 << 20)), bytes(9 << 20)), manifest=manifest(sha256=revision(bytes(9 << 20)))
        ),
        "nothing": b"",
        "text": b"not an archive",
        "an empty gzip": gzip.compress(b""),
        "a cut end": packed(good, manifest=manifest())[:-40],
    }


def with_snapshot(data: bytes) -> MemoryStore:
    store = MemoryStore()
    store.apply(ChangeSet("plant", (Put(layout.snapshot(NAME), data), Put(PATH, b"now"))))
    return store


def test_the_archive_by_hand_is_one_that_is_read() -> None:
    store = with_snapshot(packed((file(PATH, NOTE), NOTE), manifest=manifest()))

    assert snapshot.read(store, NAME)[1] == {PATH: NOTE}


@pytest.mark.parametrize("what", hostile())
def test_a_hostile_snapshot_is_refused(what: str) -> None:
    store = with_snapshot(hostile()[what])

    with pytest.raises(SnapshotInvalid) as refused:
        snapshot.read(store, NAME)

    assert refused.value.message.startswith(NAME)
    assert refused.value.message.endswith("nothing was changed")


@pytest.mark.parametrize("name", ["../x", "../../etc/passwd", "/etc/passwd", "", ".", "x\0y", "a/b.tar.gz", "nothing"])
def test_a_name_that_is_no_snapshot_is_refused(name: str) -> None:
    with pytest.raises(SnapshotInvalid) as refused:
        snapshot.read(with_snapshot(b""), name)

    assert refused.value.message == f"there is no snapshot {name!r}"


@given(st.data())
def test_a_damaged_snapshot_is_refused_or_says_what_it_said(data: st.DataObject) -> None:
    kept = [Kept(PATH, len(NOTE), 0o644, revision(NOTE), "")]
    described = snapshot.describe(NAME, NOW, "reason", (1, 2), kept)
    whole = bytearray(snapshot.pack(described, [NOTE]))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))] if data.draw(st.booleans()) else whole)

    try:
        found = snapshot.unpack(NAME, cut)
    except SnapshotInvalid:
        return

    assert found[1] == {PATH: NOTE}


def test_equal_snapshots_have_equal_bytes() -> None:
    described = snapshot.describe(NAME, NOW, "reason", (1, 2), (Kept(PATH, len(NOTE), 0o600, revision(NOTE), ""),))

    assert snapshot.pack(described, [NOTE]) == snapshot.pack(described, [NOTE])
    found, contents = snapshot.unpack(NAME, snapshot.pack(described, [NOTE]))
    assert (found, dict(contents)) == (described, {PATH: NOTE})


@pytest.mark.parametrize(
    "data", [hostile()["a member ../x.md"], hostile()["a symlink"], hostile()["no manifest"], b"x"]
)
def test_refusing_changes_nothing(data: bytes, make_vault: MakeVault, shell: Shell) -> None:
    root = make_vault({"scout/persona/IDENTITY.md": "# Scout\n", PATH: NOTE, layout.snapshot(NAME): data})
    before = tree(root)

    done = shell("migrate", "--rollback", NAME)

    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"error: {NAME} ")
    assert tree(root, without=(".atomic",)) == before
    assert not (root.parent / "x.md").exists()


@pytest.mark.parametrize("name", ["a/b.md", "x" * 99, "x" * 100, "y" * 150, "é/ü.md", "日本/語.md"])
@pytest.mark.parametrize("size", [0, 1, 600, 8**11])
def test_a_header_is_what_the_library_makes(name: str, size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o640, 1_700_000_000

    made = snapshot._header(name, size, 0o640, 1_700_000_000)

    assert made == info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
