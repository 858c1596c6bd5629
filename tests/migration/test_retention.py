import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomic_agents.core.change import ChangeSet, Delete, Put
from atomic_agents.core.errors import Conflict, DocumentUnreadable
from atomic_agents.migration import history, retention
from atomic_agents.migration.retention import Held, decide
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.vault import layout

NOW = datetime.datetime(2026, 5, 1, 12, tzinfo=datetime.UTC)


def held(taken: datetime.datetime, *, label: str = "pre_v2_migration") -> Held:
    return Held(f"{taken:%Y-%m-%dT%H%M%S}_{label}.tar.gz", 1, taken)


def days(*back: int) -> list[Held]:
    return [held(NOW - datetime.timedelta(days=number)) for number in back]


labels = st.sampled_from(["pre_v2_migration", "pre_rollback"])
moments = st.integers(0, 60_000_000).map(lambda seconds: NOW - datetime.timedelta(seconds=seconds))
many = st.lists(
    st.builds(lambda taken, label: held(taken, label=label), moments, labels),
    max_size=40,
    unique_by=lambda one: one.name,
)


@given(many, st.integers(0, 12), st.data())
def test_what_is_kept_is_what_was_promised(found: list[Held], keep: int, data: st.DataObject) -> None:
    pinned = {one.name for one in found if data.draw(st.booleans())}
    newest_first = sorted(found, key=lambda one: one.age, reverse=True)

    decision = decide(found, pinned, keep=keep)

    pruned = {one.name for one in decision.pruned}
    assert pruned.isdisjoint(pinned)
    assert pruned.isdisjoint(one.name for one in newest_first[: max(keep, 1)])
    assert pruned | set(decision.kept) == {one.name for one in found}
    months = {(one.taken.year, one.taken.month): one.name for one in reversed(newest_first)}
    assert pruned.isdisjoint(months.values())
    migrations = [one.name for one in newest_first if layout.is_migrations_snapshot(one.name)]
    assert pruned.isdisjoint(migrations[:1])


@given(many, st.integers(0, 12))
def test_pruning_twice_is_pruning_once(found: list[Held], keep: int) -> None:
    first = decide(found, (), keep=keep)

    second = decide([one for one in found if one.name in first.kept], (), keep=keep)

    assert (second.pruned, set(second.kept)) == ((), set(first.kept))


def test_the_reasons_are_said() -> None:
    found = [*days(0, 1, 2, 3, 40, 41), held(NOW, label="pre_rollback")]

    decision = decide(found, {found[3].name}, keep=2)

    assert list(decision.kept.items()) == [
        ("2026-05-01T120000_pre_v2_migration.tar.gz", "the last way back from a migration"),
        ("2026-05-01T120000_pre_rollback.tar.gz", "one of the last 2"),
        ("2026-04-30T120000_pre_v2_migration.tar.gz", "the newest of its month"),
        ("2026-04-28T120000_pre_v2_migration.tar.gz", "pinned"),
        ("2026-03-22T120000_pre_v2_migration.tar.gz", "the newest of its month"),
    ]
    assert [one.name[:10] for one in decision.pruned] == ["2026-03-21", "2026-04-29"]


def with_snapshots(*found: Held) -> MemoryStore:
    store = MemoryStore()
    store.apply(ChangeSet("plant", tuple(Put(layout.snapshot(one.name), b"x") for one in found)))
    return store


def decided(store: MemoryStore, *found: Held) -> retention.Decision:
    blobs = {one.name: store.read(layout.snapshot(one.name)) for one in found}
    marked = [Held(one.name, 1, one.taken, blob.revision) for one in found if (blob := blobs[one.name])]
    return decide(marked, (), keep=1)


def test_pruning_is_one_change_with_a_line_that_names_what_went() -> None:
    found = days(0, 1, 2)
    store = with_snapshots(*found)

    retention.prune(store, decided(store, *found), now=NOW)

    gone = [found[2].name]
    kept = [entry.path for entry in store.list(f"{layout.SNAPSHOTS}/")]
    assert kept == [layout.snapshot(found[1].name), layout.snapshot(found[0].name)]
    (record,) = history.read(store).records
    assert (record.outcome, list(record.pruned)) == ("pruned", gone)


@pytest.mark.parametrize("meanwhile", ["pinned", "replaced", "the way back removed"])
def test_nothing_is_pruned_where_something_came_in_between(meanwhile: str) -> None:
    found = days(0, 1, 2)
    store = with_snapshots(*found)
    decision = decided(store, *found)
    if meanwhile == "pinned":
        retention.pin(store, found[2].name, now=NOW)
    elif meanwhile == "replaced":
        store.apply(ChangeSet("edit", (Put(layout.snapshot(found[2].name), b"y"),)))
    else:
        store.apply(ChangeSet("edit", (Delete(layout.snapshot(found[0].name)),)))

    with pytest.raises(Conflict):
        retention.prune(store, decision, now=NOW)

    assert store.read(layout.snapshot(found[2].name)) is not None
    assert store.read(layout.HISTORY) is None


def test_a_pin_is_kept_until_it_is_taken_away() -> None:
    store = MemoryStore()

    assert [retention.pin(store, "a", now=NOW), retention.pin(store, "a", now=NOW)] == [True, False]
    assert retention.pins(store) == {"a": NOW.isoformat()}
    assert [retention.unpin(store, "a"), retention.unpin(store, "a")] == [True, False]
    assert retention.pins(store) == {}


def test_what_else_the_list_of_pins_says_is_kept() -> None:
    store = MemoryStore()
    store.apply(ChangeSet("plant", (Put(layout.PINS, b'{"about": "why", "pinned": {"b": 1}}'),)))

    retention.pin(store, "a", now=NOW)

    assert sorted(retention.pins(store)) == ["a", "b"]
    blob = store.read(layout.PINS)
    assert blob is not None
    assert b'"about": "why"' in blob.data


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"pinned": []}', b"\xff", b"[" * 100_000])
def test_a_list_of_pins_that_cannot_be_read_is_not_taken_for_an_empty_one(data: bytes) -> None:
    store = MemoryStore()
    store.apply(ChangeSet("plant", (Put(layout.PINS, data),)))

    with pytest.raises(DocumentUnreadable) as refused:
        retention.pins(store)

    assert refused.value.message.startswith("_migrations/pins.json:1: ")
