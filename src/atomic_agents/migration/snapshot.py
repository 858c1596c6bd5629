"""Snapshots: the documents that a migration is about to change, in a tar.gz with a manifest of hashes and modes.

A snapshot is itself a document of the vault, so every store keeps it. `MANIFEST.json` is the first member; the others
stand at their path in the vault.
"""

import datetime
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field

from atomic_agents._version import __version__
from atomic_agents.core.errors import PathRefused, SnapshotInvalid
from atomic_agents.core.store import Store, check_path
from atomic_agents.vault import layout

MANIFEST = "MANIFEST.json"
_FORMAT = 1


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
    files: tuple[Kept, ...]
    created: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listed:
    """A snapshot's name, size in bytes and time, without opening it."""

    name: str
    size: int
    modified: float


def free_name(store: Store, now: datetime.datetime, label: str) -> str:
    """A name that no snapshot has: the second is moved on where there is one already."""
    while True:
        name = f"{now:%Y-%m-%dT%H%M%S}_{label}.tar.gz"
        if store.read(layout.snapshot(name)) is None:
            return name
        now += datetime.timedelta(seconds=1)


def pack(snapshot: Snapshot, contents: Iterable[bytes]) -> bytes:
    """The archive; `contents` are the bytes of `snapshot.files`, in their order. Equal input gives equal bytes."""
    buffer = io.BytesIO()
    taken = int(datetime.datetime.fromisoformat(snapshot.taken).timestamp())
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=taken, compresslevel=6) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        manifest = json.dumps({"format": _FORMAT, **asdict(snapshot)}, ensure_ascii=False, indent=1).encode()
        _add(tar, MANIFEST, manifest, 0o644, taken)
        for kept, data in zip(snapshot.files, contents, strict=True):
            _add(tar, kept.path, data, kept.mode, taken)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, data: bytes, mode: int, taken: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = len(data), mode, taken
    tar.addfile(info, io.BytesIO(data))


def unpack(name: str, data: bytes) -> tuple[Snapshot, dict[str, bytes]]:
    """The manifest and the documents of an archive, every byte checked against its hash.

    Raises:
        SnapshotInvalid: damaged, tampered with, hostile, or not written by this package.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
            contents = dict(_members(name, tar))
    except (tarfile.TarError, OSError, EOFError) as error:
        raise _invalid(name, f"is damaged: {error}") from error
    manifest = contents.pop(MANIFEST, None)
    if manifest is None:
        raise _invalid(name, "has no manifest, so it was not written by this package")
    snapshot = _manifest(name, manifest)
    if {kept.path for kept in snapshot.files} != set(contents):
        raise _invalid(name, "does not hold what its manifest says")
    for kept in snapshot.files:
        if hashlib.sha256(contents[kept.path]).hexdigest() != kept.sha256:
            raise _invalid(name, f"is damaged: {kept.path} is not what the manifest says")
    return snapshot, contents


def _members(name: str, tar: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for member in tar:
        try:
            check_path(member.name)
        except PathRefused:
            raise _invalid(name, f"has the member {member.name!r}, which leads out of the vault") from None
        opened = tar.extractfile(member) if member.isreg() else None
        if opened is None:
            raise _invalid(name, f"has the member {member.name!r}, which is not a plain file")
        yield member.name, opened.read()


def _manifest(name: str, data: bytes) -> Snapshot:
    try:
        found = json.loads(data)
        if found.pop("format") != _FORMAT:
            raise _invalid(name, "has a manifest of a newer form; install the package that wrote it")
        files = tuple(Kept(**kept) for kept in found.pop("files"))
        return Snapshot(**{**found, "name": name}, files=files)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _invalid(name, f"has a manifest that cannot be read: {error}") from error


def _invalid(name: str, message: str) -> SnapshotInvalid:
    return SnapshotInvalid(f"{name} {message}; nothing was changed", hint="atomic-agents snapshots list")


def read(store: Store, name: str) -> tuple[Snapshot, dict[str, bytes]]:
    """Open a snapshot by name.

    Raises:
        SnapshotInvalid: there is none of that name, or `unpack` refuses it.
    """
    if "/" in name or "\\" in name:
        raise SnapshotInvalid(f"{name!r} is not the name of a snapshot", hint="atomic-agents snapshots list")
    blob = store.read(layout.snapshot(name))
    if blob is None:
        raise SnapshotInvalid(f"there is no snapshot {name}", hint="atomic-agents snapshots list")
    return unpack(name, blob.data)


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
    files: Iterable[Kept],
    created: Mapping[str, str] | None = None,
) -> Snapshot:
    """A snapshot taken now by this package."""
    return Snapshot(name, taken.isoformat(), reason, __version__, *versions, tuple(files), dict(created or {}))
