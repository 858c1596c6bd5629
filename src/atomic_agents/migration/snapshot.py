"""Snapshots: the documents that a migration is about to change, in a tar.gz with a manifest of hashes and modes.

A snapshot is itself a document of the vault, so every store keeps it. `MANIFEST.json` is the first member; the others
stand at their path in the vault.
"""

import datetime
import gzip
import hashlib
import io
import json
import re
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import IO, cast

from atomic_agents._version import __version__
from atomic_agents.core.change import ABSENT, ChangeSet, Put
from atomic_agents.core.document import MAX_BYTES
from atomic_agents.core.errors import PathRefused, SnapshotInvalid
from atomic_agents.core.spool import Span, Spool
from atomic_agents.core.store import Store, check_path
from atomic_agents.vault import layout

MANIFEST = "MANIFEST.json"
_FORMAT = 1
_TIME = "%Y-%m-%dT%H%M%S"
_BUFFER = 1 << 20
_LEVEL = 3
_ROWS = 500
# Where a ustar header (POSIX.1-1988) has the name, the size in octal and the sum of its bytes.
_NAME, _SIZE, _SUM = slice(0, 100), slice(124, 136), slice(148, 156)
_MOST_OCTAL = 8**11
_MANIFEST_BYTES = 256 * 1024 * 1024
_PERMISSIONS = 0o777
_DOCUMENT = re.compile(r"\.md(?:\.edited-[0-9T-]+)?\Z")


@dataclass(frozen=True, slots=True)
class Kept:
    """A document in a snapshot. `after` is its revision once the change was made, "" where the change removed it."""

    path: str
    size: int
    mode: int
    sha256: str
    after: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a snapshot says of itself; `created` maps the documents that the change made to their revisions."""

    name: str
    taken: str
    reason: str
    package: str
    from_version: int
    target: int
    files: Sequence[Kept]
    created: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listed:
    """A snapshot's name, size in bytes and time, without opening it."""

    name: str
    size: int
    modified: float


def free_name(store: Store, now: datetime.datetime, label: str) -> str:
    """A name that sorts after every other, so that their order is that in which they were taken, whatever a clock says.

    Where a clock has gone back, or the second is taken, it names the second after the last one.
    """
    stamps = (_stamp(one.name) for one in listed(store))
    last = max((stamp for stamp in stamps if stamp), default=None)
    if last is not None and f"{now:{_TIME}}" <= f"{last:{_TIME}}":
        now = last + datetime.timedelta(seconds=1)
    return f"{now:{_TIME}}_{label}.tar.gz"


def _stamp(name: str) -> datetime.datetime | None:
    """The time in a snapshot's name, in the zone it was taken in; None where there is none that another can follow."""
    try:
        found = datetime.datetime.strptime(name.partition("_")[0], _TIME)  # noqa: DTZ007 - the zone is not in the name
    except ValueError:
        return None
    return found if found.year < datetime.MAXYEAR else None


def pack(snapshot: Snapshot, contents: Iterable[bytes]) -> bytes:
    """The archive; `contents` are the bytes of `snapshot.files`, in their order. Equal input gives equal bytes."""
    archive = io.BytesIO()
    taken = _seconds(snapshot)
    with (
        gzip.GzipFile(fileobj=archive, mode="wb", mtime=taken, compresslevel=_LEVEL) as packed,
        io.BufferedWriter(cast("io.RawIOBase", packed), _BUFFER) as tar,
    ):
        _add_manifest(tar, snapshot, taken)
        for kept, data in zip(snapshot.files, contents, strict=True):
            _add(tar, kept.path, data, kept.mode, taken)
        tar.write(bytes(2 * tarfile.BLOCKSIZE))
    return archive.getvalue()


def _add_manifest(tar: IO[bytes], snapshot: Snapshot, taken: int) -> None:
    """The manifest is written aside first: its length stands before it, and it may be long."""
    head = {
        "format": _FORMAT,
        "taken": snapshot.taken,
        "reason": snapshot.reason,
        "package": snapshot.package,
        "from_version": snapshot.from_version,
        "target": snapshot.target,
        "created": dict(snapshot.created),
    }
    with tempfile.SpooledTemporaryFile(_BUFFER) as manifest:
        manifest.write(json.dumps(head, ensure_ascii=False).encode().removesuffix(b"}") + b', "files": [')
        for start in range(0, len(snapshot.files), _ROWS):
            rows = [
                {"path": kept.path, "size": kept.size, "mode": kept.mode, "sha256": kept.sha256, "after": kept.after}
                for kept in snapshot.files[start : start + _ROWS]
            ]
            manifest.write((b",\n" if start else b"\n") + json.dumps(rows, ensure_ascii=False)[1:-1].encode())
        manifest.write(b"]}\n")
        size = manifest.tell()
        manifest.seek(0)
        tar.write(_header(MANIFEST, size, 0o644, taken))
        shutil.copyfileobj(manifest, tar)
        tar.write(bytes(-size % tarfile.BLOCKSIZE))


def keep(store: Store, snapshot: Snapshot, contents: Iterable[bytes]) -> None:
    """Write a snapshot into the vault and read it back.

    Raises:
        SnapshotInvalid: what is there is not what was packed.
    """
    packed = pack(snapshot, contents)
    put = Put(layout.snapshot(snapshot.name), packed, expect=ABSENT)
    store.apply(ChangeSet(f"snapshot: {snapshot.reason}", (put,)))
    if _data(store, snapshot.name) != packed:
        raise _invalid(snapshot.name, "did not read back as it was written")


def _add(tar: IO[bytes], name: str, data: bytes, mode: int, taken: int) -> None:
    """A member as `TarFile.addfile` writes it, in a fifth of the time."""
    tar.write(_header(name, len(data), mode, taken))
    tar.write(data)
    tar.write(bytes(-len(data) % tarfile.BLOCKSIZE))


def _header(name: str, size: int, mode: int, taken: int) -> bytes:
    """The block before a member, as `tarfile` makes it; only a plain name is put into one that was made before."""
    plain = name.encode()
    if len(plain) >= _NAME.stop or size >= _MOST_OCTAL:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = size, mode, taken
        return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
    before_size, after_size, end, total = _nameless(mode, taken)
    octal = b"%011o\0" % size
    total += sum(plain) + sum(octal)
    return b"%b%b%b%b%06o\0 %b" % (plain.ljust(_NAME.stop, b"\0"), before_size, octal, after_size, total, end)


@lru_cache(16)
def _nameless(mode: int, taken: int) -> tuple[bytes, bytes, bytes, int]:
    """What stands around name, size and sum in a header, and what its bytes come to, the sum counted as spaces."""
    info = tarfile.TarInfo("")
    info.mode, info.mtime = mode, taken
    block = info.tobuf(tarfile.GNU_FORMAT)
    parts = block[_NAME.stop : _SIZE.start], block[_SIZE.stop : _SUM.start], block[_SUM.stop :]
    return *parts, sum(map(sum, parts)) + 8 * ord(" ")


class Contents(Mapping[str, bytes]):
    """The documents of a snapshot by path, kept in a file."""

    def __init__(self) -> None:
        self._spool = Spool()
        self._spans: dict[str, Span] = {}

    def __getitem__(self, path: str) -> bytes:
        return self._spool.get(self._spans[path])

    def __iter__(self) -> Iterator[str]:
        return iter(self._spans)

    def __len__(self) -> int:
        return len(self._spans)

    def add(self, path: str, data: bytes) -> None:
        """Keep a document's bytes."""
        self._spans[path] = self._spool.add(data)


def unpack(name: str, data: bytes) -> tuple[Snapshot, Contents]:
    """The manifest and the documents of an archive, every byte checked against its hash.

    Raises:
        SnapshotInvalid: damaged, tampered with, hostile, or not written by this package.
    """
    found = _as_packed(name, data)
    if found:
        return found
    members = _members(name, data)
    snapshot = _manifest(name, next(members, None))
    wanted = {kept.path: kept.sha256 for kept in snapshot.files}
    contents = Contents()
    for path, content in members:
        if path in contents:
            raise _invalid(name, f"has the member {path!r} twice")
        if path not in wanted:
            raise _invalid(name, "does not hold what its manifest says")
        if hashlib.sha256(content).hexdigest() != wanted[path]:
            raise _invalid(name, f"is damaged: {path} is not what the manifest says")
        contents.add(path, content)
    if len(contents) < len(wanted):
        raise _invalid(name, "does not hold what its manifest says")
    return snapshot, contents


def _as_packed(name: str, data: bytes) -> tuple[Snapshot, Contents] | None:
    """What `pack` has made, read in a third of the time: every header is the one that the manifest asks for.

    None where anything at all differs; whoever reads it member by member then says what.
    """
    contents = Contents()
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed, io.BufferedReader(cast("io.RawIOBase", packed)) as tar:
            head = tarfile.TarInfo.frombuf(tar.read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
            if head.name != MANIFEST or not head.isreg() or head.size > _MANIFEST_BYTES:
                return None
            snapshot = _manifest(name, (MANIFEST, _padded(tar, head.size)))
            taken = _seconds(snapshot)
            for kept in snapshot.files:
                header = _header(kept.path, kept.size, kept.mode, taken)
                if not _may_hold(kept.path) or kept.size > MAX_BYTES or tar.read(len(header)) != header:
                    return None
                content = _padded(tar, kept.size)
                if kept.path in contents or hashlib.sha256(content).hexdigest() != kept.sha256:
                    return None
                contents.add(kept.path, content)
            return (snapshot, contents) if tar.read() == bytes(2 * tarfile.BLOCKSIZE) else None
    except (tarfile.TarError, SnapshotInvalid, zlib.error, OSError, EOFError, ValueError, OverflowError):
        return None


def _padded(tar: IO[bytes], size: int) -> bytes:
    """A member's bytes; the block that they end in is read too."""
    return tar.read(-(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE)[:size]


def _seconds(snapshot: Snapshot) -> int:
    return int(datetime.datetime.fromisoformat(snapshot.taken).timestamp())


def _members(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """Path and bytes of each member, in order; nothing is written anywhere."""
    try:
        with (
            gzip.GzipFile(fileobj=io.BytesIO(data)) as packed,
            tarfile.open(fileobj=packed, mode="r:") as tar,
        ):
            for member in tar:
                opened = tar.extractfile(member) if member.isreg() else None
                if opened is None:
                    raise _invalid(name, f"has the member {member.name!r}, which is not a plain file")
                if member.name != MANIFEST and not _may_hold(member.name):
                    raise _invalid(name, f"has the member {member.name!r}, which no migration changes")
                if member.size > (_MANIFEST_BYTES if member.name == MANIFEST else MAX_BYTES):
                    raise _invalid(name, f"has the member {member.name!r}, which is too large to be a document")
                yield member.name, opened.read()
            while packed.read(_BUFFER):  # to the checksum at the end
                pass
    except (tarfile.TarError, zlib.error, OSError, EOFError, ValueError, OverflowError) as error:
        raise _invalid(name, f"is damaged: {error}") from error


def _may_hold(path: str) -> bool:
    """Whether a migration may have changed a document of that path: Markdown of the vault, never code or git's."""
    try:
        check_path(path)
    except PathRefused:
        return False
    *folders, name = path.split("/")
    private = name.startswith(".") or any(folder.startswith((".", "_")) for folder in folders)
    return _DOCUMENT.search(name) is not None and not private


def _manifest(name: str, member: tuple[str, bytes] | None) -> Snapshot:
    if member is None or member[0] != MANIFEST:
        hint = f"it may be the other kind that holds a whole vault: tar -tzf {layout.snapshot(name)}"
        raise _invalid(name, "has no manifest, so it was not written by this package", hint)
    try:
        found = json.loads(member[1])
        if found["format"] != _FORMAT:
            raise _invalid(name, "has a manifest of a newer form; install the package that wrote it")
        return Snapshot(
            name=name,
            taken=datetime.datetime.fromisoformat(found["taken"]).isoformat(),
            reason=str(found["reason"]),
            package=str(found["package"]),
            from_version=int(found["from_version"]),
            target=int(found["target"]),
            files=tuple(_kept(kept) for kept in found["files"]),
            created={path: str(made) for path, made in found["created"].items() if _may_hold(path)},
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _invalid(name, f"has a manifest that cannot be read: {error}") from error


def _kept(found: Mapping[str, object]) -> Kept:
    mode, size = found["mode"], found["size"]
    if not (isinstance(mode, int) and isinstance(size, int) and 0 <= mode <= _PERMISSIONS):
        raise ValueError(f"{found['path']!r} has the mode {mode!r}")
    return Kept(str(found["path"]), size, mode, str(found["sha256"]), str(found["after"]))


def _invalid(name: str, message: str, hint: str = "atomic-agents snapshots list") -> SnapshotInvalid:
    return SnapshotInvalid(f"{name} {message}; nothing was changed", hint=hint)


def read(store: Store, name: str) -> tuple[Snapshot, Contents]:
    """Open a snapshot by name.

    Raises:
        SnapshotInvalid: there is none of that name, or `unpack` refuses it.
    """
    return unpack(name, _data(store, name))


def manifest(store: Store, name: str) -> Snapshot:
    """What a snapshot says of itself, its documents unread.

    Raises:
        SnapshotInvalid: as `read`, as far as the manifest goes.
    """
    return _manifest(name, next(_members(name, _data(store, name)), None))


def check_there(store: Store, name: str) -> None:
    """Raise SnapshotInvalid where there is no snapshot of that name."""
    _data(store, name)


def _data(store: Store, name: str) -> bytes:
    try:
        found = None if "/" in name or "\\" in name else store.read(layout.snapshot(name))
    except PathRefused:
        found = None
    if found is None:
        raise SnapshotInvalid(f"there is no snapshot {name!r}", hint="atomic-agents snapshots list")
    return found.data


def listed(store: Store) -> list[Listed]:
    """The snapshots there are, newest first."""
    folder = f"{layout.SNAPSHOTS}/"
    found = [
        Listed(entry.path.removeprefix(folder), entry.size, entry.modified)
        for entry in store.list(folder)
        if entry.path.endswith(".tar.gz")
    ]
    return sorted(found, key=lambda snapshot: snapshot.name, reverse=True)


def describe(
    name: str,
    taken: datetime.datetime,
    reason: str,
    versions: tuple[int, int],
    files: Sequence[Kept],
    created: Mapping[str, str] | None = None,
) -> Snapshot:
    """A snapshot taken now by this package."""
    return Snapshot(name, taken.isoformat(), reason, __version__, *versions, files, dict(created or {}))
