import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from atomic_agents import config
from atomic_agents.bootstrap import open_workspace
from atomic_agents.core.change import ChangeSet
from atomic_agents.core.errors import Conflict, MigrationFailed
from atomic_agents.core.store import Blob
from atomic_agents.operations import upkeep
from atomic_agents.operations.workspace import Workspace
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.shell import tree

MakeVault = Callable[[Mapping[str, str | bytes]], Path]
PRIVATE = (".atomic", "_migrations")
NOTE = "---\nschema_version: 1\nname: a\n---\n\na\n"
PATH = "scout/memory/user_a.md"
AGENT = {"scout/persona/IDENTITY.md": "# Scout\n", PATH: NOTE, "scout/memory/user_b.md": NOTE}


class BadDisk(FolderStore):
    """Reads another text than it wrote, once documents have been migrated."""

    migrated = False

    def apply(self, changes: ChangeSet) -> ChangeSet:
        self.migrated = PATH in changes.paths
        return super().apply(changes)

    def read(self, path: str) -> Blob | None:
        blob = super().read(path)
        if blob is None or path != PATH or not self.migrated:
            return blob
        return replace(blob, data=blob.data + b"rot")


class BusyEditor(FolderStore):
    """Somebody saves a document as soon as it was migrated."""

    def apply(self, changes: ChangeSet) -> ChangeSet:
        undo = super().apply(changes)
        if PATH in changes.paths:
            (self.root / PATH).write_text("mine\n")
        return undo


def opened(root: Path, store: type[FolderStore] = FolderStore) -> Workspace:
    workspace = open_workspace(config.load(str(root), {}))
    workspace.store = store(root)
    return workspace


def history(root: Path) -> list[str]:
    lines = (root / "_migrations/history.jsonl").read_text().splitlines()
    return [str(json.loads(line)["outcome"]) for line in lines]


def test_what_does_not_read_back_is_put_back(make_vault: MakeVault) -> None:
    root = make_vault(AGENT)
    before = tree(root)

    with pytest.raises(MigrationFailed) as failed:
        upkeep.migrate(opened(root, BadDisk), 2, skip_unreadable=False)

    assert failed.value.message == f"the vault was put back: {PATH} is not what was written"
    assert tree(root, without=PRIVATE) == before
    assert history(root) == ["migrated", "put back"]


def test_what_somebody_wrote_meanwhile_is_not_put_back_over(make_vault: MakeVault) -> None:
    root = make_vault(AGENT)

    with pytest.raises(MigrationFailed) as failed:
        upkeep.migrate(opened(root, BusyEditor), 2, skip_unreadable=False)

    assert (root / PATH).read_text() == "mine\n"
    name = failed.value.hint.rpartition(" ")[2]
    upkeep.roll_back(opened(root), name)
    (kept,) = (root / "scout/memory").glob("user_a.md.edited-*")
    assert (kept.read_text(), (root / PATH).read_text()) == ("mine\n", NOTE)


def test_an_edit_after_the_plan_was_made_is_a_conflict_that_leaves_nothing(make_vault: MakeVault) -> None:
    root = make_vault(AGENT)

    def edit(_name: str) -> None:
        (root / PATH).write_text("mine\n")

    with pytest.raises(Conflict):
        upkeep.migrate(opened(root), 2, skip_unreadable=False, on_snapshot=edit)

    assert tree(root, without=(".atomic",)) == tree(make_vault({**AGENT, PATH: "mine\n"}), without=(".atomic",))


def test_the_snapshot_is_there_and_named_before_anything_is_written(make_vault: MakeVault) -> None:
    root = make_vault(AGENT)
    before = tree(root)
    seen: list[tuple[str, bool]] = []

    def look(name: str) -> None:
        seen.append((name, tree(root, without=PRIVATE) == before and (root / "_migrations/snapshots" / name).is_file()))

    done = upkeep.migrate(opened(root), 2, skip_unreadable=False, on_snapshot=look)

    assert seen == [(done.snapshot, True)]
