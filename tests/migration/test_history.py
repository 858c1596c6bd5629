import datetime
import json
from pathlib import Path

import pytest

from atomic_agents.core.change import ChangeSet, Put
from atomic_agents.migration import history
from atomic_agents.migration.registry import Script
from atomic_agents.stores.files import FolderStore
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.vault import layout

NOW = datetime.datetime(2026, 5, 1, 12, tzinfo=datetime.UTC)


def store_with(*lines: object, end: str = "\n") -> MemoryStore:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    store = MemoryStore()
    store.apply(ChangeSet("plant", (Put(layout.HISTORY, ("\n".join(texts) + end).encode()),)))
    return store


def migrated(old: int, new: int, *, snapshot: str, **scripts: str) -> dict[str, object]:
    steps = [{"name": name, "sha256": sha256} for name, sha256 in scripts.items()]
    return {"ts": "2026-05-01", "outcome": "migrated", "from_version": old, "to_version": new, "snapshot": snapshot,
            "steps": steps}  # fmt: skip


def rolled_back(old: int, new: int, *, snapshot: str, safety: str) -> dict[str, object]:
    versions = {"from_version": old, "to_version": new}
    return {"outcome": "rolled back", **versions, "snapshot": snapshot, "safety": safety}


def test_what_is_written_is_what_is_read() -> None:
    store = MemoryStore()
    line = history.line(NOW, "migrated", 1, 2, steps=[{"name": "v1_to_v2", "sha256": ""}], snapshot="s")
    store.apply(ChangeSet("migrate", (line, history.note(NOW, "pruned", pruned=["a", "b"]))))

    first, second = history.read(store).records

    assert (first.line, first.when, first.outcome) == (1, NOW.isoformat(), "migrated")
    assert (first.from_version, first.to_version, first.way_back) == (1, 2, "s")
    assert first.steps == (history.Ran("v1_to_v2", ""),)
    assert (second.line, second.from_version, second.pruned) == (2, None, ("a", "b"))


def test_a_vault_without_history_has_an_empty_one() -> None:
    found = history.read(MemoryStore())

    assert (found.records, found.problems, found.version, found.scripts()) == ((), (), None, {})


def test_a_history_that_cannot_be_opened_is_a_problem_and_no_failure(tmp_path: Path) -> None:
    (tmp_path / layout.HISTORY).mkdir(parents=True)

    found = history.read(FolderStore(tmp_path))

    assert [(problem.path, problem.line) for problem in found.problems] == [("_migrations/history.jsonl", 0)]


@pytest.mark.parametrize("bad", ['{"ts": "2026', "[1]", '"text"', "7", "\x00", "[" * 100_000])
def test_a_line_that_cannot_be_read_is_named_by_its_number_and_the_rest_is_read(bad: str) -> None:
    found = history.read(store_with(migrated(0, 1, snapshot="a"), bad, migrated(1, 2, snapshot="b")))

    assert [(problem.path, problem.line) for problem in found.problems] == [("_migrations/history.jsonl", 2)]
    assert [record.line for record in found.records] == [1, 3]
    assert found.version == 2


def test_a_torn_last_line_is_named_and_one_that_only_lacks_its_end_is_read() -> None:
    torn = history.read(store_with(migrated(0, 1, snapshot="a"), '{"outcome": "migr', end=""))
    whole = history.read(store_with(migrated(0, 1, snapshot="a"), end=""))

    assert [problem.line for problem in torn.problems] == [2]
    assert (whole.problems, whole.version) == ((), 1)


@pytest.mark.parametrize(
    "strange",
    [
        {},
        {"event": "applied", "target": 3},
        {"outcome": 5, "steps": "all", "to_version": "2", "snapshot": None},
        {"outcome": "pruned", "pruned": "everything"},
        {"steps": [1, {"name": 2}]},
    ],
)
def test_lines_of_another_implementation_are_left_alone(strange: dict[str, object]) -> None:
    found = history.read(store_with(strange, migrated(1, 2, snapshot="a") | {"new": {"key": 1}}))

    assert (found.problems, len(found.records), len(found.standing), found.version) == ((), 2, 1, 2)


def test_a_migration_that_was_put_back_does_not_stand() -> None:
    put_back = {"outcome": "put back", "from_version": 1, "to_version": 2, "snapshot": "b"}

    found = history.read(store_with(migrated(0, 1, snapshot="a"), migrated(1, 2, snapshot="b"), put_back))

    assert [record.snapshot for record in found.standing] == ["a"]
    assert found.version == 1


def test_a_rollback_of_some_documents_leaves_the_version_of_the_vault() -> None:
    some = rolled_back(2, 1, snapshot="a", safety="b") | {"only": ["scout/model.md"]}

    found = history.read(store_with(migrated(1, 2, snapshot="a"), some))

    assert (found.version, len(found.standing), found.standing[1].way_back) == (2, 2, "b")


def test_a_script_that_changed_or_went_after_it_ran_is_named_with_both_hashes() -> None:
    found = history.read(store_with(migrated(2, 4, snapshot="a", v2_to_v3="old", v3_to_v4="same", v1_to_v2="")))
    scripts = (Script("_migrations/v3_to_v4.py", 3, 4, "same"), Script("_migrations/v2_to_v3.py", 2, 3, "new"))

    (changed,) = history.changed_scripts(found, scripts)
    (gone,) = history.changed_scripts(found, scripts[:1])

    assert changed.message == "changed since it ran on 2026-05-01: sha256 old then, new now"
    assert gone.message == "is gone since it ran on 2026-05-01: sha256 old then"


def test_the_last_run_of_a_script_counts() -> None:
    found = history.read(
        store_with(migrated(2, 3, snapshot="a", v2_to_v3="old"), migrated(2, 3, snapshot="b", v2_to_v3="new"))
    )

    assert history.changed_scripts(found, (Script("_migrations/v2_to_v3.py", 2, 3, "new"),)) == ()


def test_a_script_whose_work_was_rolled_back_may_change() -> None:
    lines = [migrated(2, 3, snapshot="a", v2_to_v3="old"), rolled_back(3, 2, snapshot="a", safety="b")]
    again = rolled_back(2, 3, snapshot="b", safety="c")
    scripts = (Script("_migrations/v2_to_v3.py", 2, 3, "new"),)

    assert history.changed_scripts(history.read(store_with(*lines)), scripts) == ()
    assert len(history.changed_scripts(history.read(store_with(*lines, again)), scripts)) == 1
