"""What a log adds up to does not depend on how often it was looked at while it grew."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from atomic_agents.core.change import ABSENT, ANY, ChangeSet, Put
from atomic_agents.operations.rollups import FAILED, Kept, Rollups
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.testing.workspaces import scripted_workspace

LOG = "scout/log/2026-11/2026-11-22.jsonl"


def record(**facts: object) -> str:
    return json.dumps({"ts": "2026-11-22T09:00:00+00:00", "primitive": "agent_call", "status": "ok", **facts})


RECORDS = st.builds(
    record, run_id=st.integers(0, 99).map(str), status=st.sampled_from(("ok", "deduped", *FAILED)),
    model=st.sampled_from(("one", "two", None)), input_tokens=st.integers(0, 9),
    cost_usd=st.sampled_from((0, 0.01, 0.25, "much")),
)  # fmt: skip
ODD = st.sampled_from(("", "{torn", "[]", '{"run_id": "é"}'))
PIECES = st.lists(st.lists(RECORDS, min_size=1, max_size=12), min_size=2, max_size=4)


def seen(kept: Kept, store: MemoryStore) -> Rollups:
    return kept.take({"scout": list(store.list("scout/log"))})


def told(found: Rollups) -> object:
    return found.cells, found.problems, found.newest(20), found.failures(20, "")


@settings(max_examples=60)
@given(PIECES, st.sets(st.integers(0, 3)), st.one_of(st.none(), st.tuples(st.integers(0, 3), ODD)))
def test_a_log_that_is_read_while_it_grows_adds_up_as_one_that_is_read_once(
    pieces: list[list[str]], torn: set[int], odd: tuple[int, str] | None
) -> None:
    """Some pieces end with half a line when they are looked at; one may hold a line that is no record."""
    store = MemoryStore()
    workspace = scripted_workspace(store, [])
    growing = Kept(workspace)
    data = b""
    for number, piece in enumerate(pieces):
        lines = [*piece, odd[1]] if odd and odd[0] == number else piece
        data += "".join(f"{each}\n" for each in lines).encode()
        store.apply(ChangeSet("grow", (Put(LOG, data[:-3] if number in torn else data, expect=ANY),)))
        once = Kept(workspace)
        found, expected = told(seen(growing, store)), told(seen(once, store))
        once.close()
        assert found == expected
    growing.close()


def test_a_log_that_is_written_anew_is_read_anew() -> None:
    store = MemoryStore()
    workspace = scripted_workspace(store, [])
    kept = Kept(workspace)
    before, after = record(run_id="a", cost_usd=1), record(run_id="b", cost_usd=2)
    store.apply(ChangeSet("write", (Put(LOG, f"{before}\n".encode(), expect=ABSENT),)))
    first = seen(kept, store)
    store.apply(ChangeSet("write", (Put(LOG, f"{after}\n{before}\n".encode(), expect=ANY),)))
    again = seen(kept, store)

    assert [[str(cell.cost) for cell in found.cells] for found in (first, again)] == [["1"], ["3"]]
    kept.close()
