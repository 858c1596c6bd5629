"""What holds for every vault, wherever its migration or rollback stops and whoever writes before the next command."""

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import disk_faults as faults  # type: ignore[import-not-found]  # beside this file
import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from test_laws import NOW, PRIVATE, documents, modes, vaults, write  # type: ignore[import-not-found]  # the same

from atomic_agents import config
from atomic_agents.bootstrap import open_workspace
from atomic_agents.core.errors import MigrationRefused
from atomic_agents.operations import upkeep
from atomic_agents.operations.workspace import Workspace
from atomic_agents.stores import disk
from atomic_agents.stores.fold import is_between
from atomic_agents.testing.shell import tree

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the calls are Linux's")

SCRIPT = """
FROM_VERSION, TO_VERSION = {0}, {0} + 1
def applies_to(unit): return True
def migrate(unit): unit.write_frontmatter({{**unit.read_frontmatter(), "schema_version": TO_VERSION}})
"""
SCRIPTS = {f"_migrations/v{version}_to_v{version + 1}.py": SCRIPT.format(version).encode() for version in (2, 3)}
CALLS = 150  # more than there are, so that some migrations are not stopped at all
MEMORY = "/dev/shm"  # noqa: S108 - quicker than a disk, where there is one
IN_MEMORY = MEMORY if Path(MEMORY).is_dir() else None

calls = st.integers(1, CALLS)
versions = st.integers(1, 4)
often = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
Tree = dict[str, tuple[str, int]]


@pytest.fixture(autouse=True, params=[1, 32], ids=["in place", "moved"])
def many(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """From how many documents on they are written over in place; and nothing waits for the disk."""
    monkeypatch.setattr(disk, "MANY", request.param)
    monkeypatch.setattr("os.sync", lambda: None)
    monkeypatch.setattr("os.fsync", lambda _descriptor: None)


def opened(root: Path) -> Workspace:
    workspace = open_workspace(config.load(str(root), {}))
    workspace.clock = lambda: NOW
    return workspace


def stopped(root: Path, call: int, act: Callable[[Workspace], object], fate: Any = faults.die) -> None:
    """Do something as far as a call of it."""
    workspace = opened(root)
    with suppress(faults.Died), faults.armed(call, fate):
        act(workspace)


def documents_of(root: Path) -> Tree:
    return tree(root, without=PRIVATE)


def written(root: Path) -> dict[str, int]:
    return {path: (root / path).stat().st_mtime_ns for path in documents_of(root)}


def contents(root: Path) -> dict[str, bytes]:
    return {path: (root / path).read_bytes() for path in documents_of(root)}


def migrate(workspace: Workspace, version: int) -> str:
    return upkeep.migrate(workspace, version, skip_unreadable=True).snapshot


def migrated(vault: dict[str, bytes], version: int, mode: int) -> tuple[Tree, dict[str, bytes]]:
    """What becomes of the vault where nothing stops it."""
    with TemporaryDirectory(dir=IN_MEMORY) as folder:
        try:
            migrate(write(Path(folder), vault, mode), version)
        except MigrationRefused:
            assume(False)
        return documents_of(Path(folder)), contents(Path(folder))


@often
@given(vaults, modes, versions, calls, calls)
def test_a_migration_and_a_rollback_that_stop_anywhere_are_the_identity(
    vault: dict[str, bytes], mode: int, version: int, there: int, back: int
) -> None:
    vault = vault | SCRIPTS
    new, _ = migrated(vault, version, mode)
    with TemporaryDirectory(dir=IN_MEMORY) as folder:
        root = Path(folder)
        write(root, vault, mode)
        old, since = documents_of(root), written(root)
        same = [path for path in old if old[path] == new[path]]

        stopped(root, there, lambda workspace: migrate(workspace, version))
        opened(root)
        found = documents_of(root)
        assert found in (old, new)
        event(f"there: {'old' if found == old else 'new'}")
        if found == old:
            migrate(opened(root), version)
        name = last(root)
        stopped(root, back, lambda workspace: upkeep.roll_back(workspace, name))
        opened(root)
        found = documents_of(root)
        assert found in (old, new)
        event(f"back: {'old' if found == old else 'new'}")
        upkeep.roll_back(opened(root), name)

        assert documents_of(root) == old
        assert [path for path in same if written(root)[path] != since[path]] == []


def last(root: Path) -> str:
    return next(one.name for one in upkeep.snapshots(opened(root)) if "_migration." in one.name)


def edits(data: st.DataObject, paths: list[str]) -> Iterator[tuple[str, bytes | None]]:
    """What a person does to some documents: writes others in their place, adds to them, or deletes them."""
    for path in data.draw(st.lists(st.sampled_from(paths), unique=True, min_size=1)):
        yield path, data.draw(st.one_of(documents, documents.map(lambda text: text + b"\nmine"), st.none()))


@often
@given(vaults.filter(lambda vault: len(vault) > 1), st.integers(0, 12), st.data())
def test_what_a_person_writes_after_a_crash_is_never_overwritten(
    vault: dict[str, bytes], call: int, data: st.DataObject
) -> None:
    _, new = migrated(vault, 2, 0o644)
    with TemporaryDirectory(dir=IN_MEMORY) as folder:
        root = Path(folder)
        write(root, vault)
        old = contents(root)
        stopped(root, 1, lambda workspace: migrate(workspace, 2), faults.die_after(2, call))
        crashed = contents(root)
        theirs = dict(edits(data, sorted(vault)))
        assume(not any(text is not None and is_between(text, old[path], new[path]) for path, text in theirs.items()))
        for path, text in theirs.items():
            (root / path).unlink() if text is None else (root / path).write_bytes(text)

        notices = opened(root).notices()

        found = contents(root)
        assert {path: found.get(path) for path in theirs} == theirs
        kept = {"/".join(path.split("/")[1:]): path for path in tree(root / ".atomic/kept")}
        rest = {path: text for path, text in found.items() if path not in theirs}
        finished = any("was finished: migrate" in notice for notice in notices)
        event("finished" if finished else "nothing to finish")
        assert rest in [{path: text for path, text in state.items() if path not in theirs} for state in (old, new)]
        for path, aside in kept.items():
            assert finished
            assert (root / ".atomic/kept" / aside).read_bytes() == new[path]
            assert any(notice.startswith(f"{path}: it has changed since a crash") for notice in notices)
        if finished:  # what was not written yet, and is no longer wanted as it was, is set aside
            assert {path for path in theirs if crashed[path] == old[path] != new[path]} <= kept.keys()
