"""What servers really send, put to every adapter that speaks their protocol."""

from collections.abc import Iterator
from dataclasses import fields, replace

import pytest

from atomic_agents.core.ending import Ending
from atomic_agents.core.model import Usage
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.testing.deeds import put
from atomic_agents.testing.provider_corpus import ROWS, Expected, Row
from atomic_agents.testing.provider_corpus.check import ByteServer, differences, most_cost, observe
from atomic_agents.testing.provider_corpus.row import pieces
from atomic_agents.testing.wires import WIRES
from atomic_agents.testing.workspaces import add_agent, run, scripted_workspace

CASES = [(row, family) for row in ROWS for family in row.wires]
RUNS = [case for case in CASES if case[1] != "ollama" and not case[0].name.startswith(("usage", "status", "retry"))]
EVERY = pytest.mark.parametrize(("row", "family"), CASES, ids=lambda value: getattr(value, "name", value))


def needs(family: str) -> None:
    if not WIRES[family].is_installed:
        pytest.skip(f"needs the extra [{family}]")


@pytest.fixture(scope="module")
def server() -> Iterator[ByteServer]:
    with ByteServer() as found:
        yield found


def test_the_names_of_the_rows_tell_them_apart() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS) >= 70


@EVERY
def test_what_comes_of_a_row_is_right(server: ByteServer, row: Row, family: str) -> None:
    needs(family)

    assert differences(row.expected, observe(row, family, server)) == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_expects_what_may_have_been_paid_for_to_cost_something_and_never_more_than_is_reserved(row: Row) -> None:
    free = row.expected.failure is not None and not row.expected.failure.billable

    assert (row.expected.cost == 0) is free
    assert row.expected.cost <= most_cost(row.request)


def mutations(expected: Expected) -> Iterator[Expected]:
    """The expectation with each of its fields changed, save the ending, which takes a run to see."""
    if expected.failure is not None:
        changes = {"words": "never said", "status": 418, "retryable": not expected.failure.retryable,
                   "retry_after": 12.5, "billable": not expected.failure.billable}  # fmt: skip
        for name, value in changes.items():
            yield replace(expected, failure=replace(expected.failure, **{name: value}))  # type: ignore[arg-type]
        yield replace(expected, failure=None)
        yield replace(expected, cost=expected.cost + 1)
        return
    others: dict[str, object] = {
        "text": expected.text + "!", "calls": (*expected.calls, ("other", "{}")), "refusal": expected.refusal + "!",
        "finish": "length" if expected.finish == "stop" else "stop", "reasoning": expected.reasoning + "!",
        "usage": expected.usage + Usage(1), "doubted": not expected.doubted, "cost": expected.cost + 1,
    }  # fmt: skip
    assert {*others, "ending", "failure"} == {field.name for field in fields(expected)}
    for name, value in others.items():
        yield replace(expected, **{name: value})  # type: ignore[arg-type]


def test_a_row_that_expects_anything_else_fails(server: ByteServer) -> None:
    unseen = []
    for row in ROWS[::6]:  # every kind of row is among them
        if WIRES[row.wires[0]].is_installed:
            came = observe(row, row.wires[0], server)
            unseen += [(row.name, wrong) for wrong in mutations(row.expected) if not differences(wrong, came)]

    assert unseen == []


@pytest.mark.parametrize(("row", "family"), RUNS, ids=lambda value: getattr(value, "name", value))
def test_a_whole_run_ends_as_the_row_says(server: ByteServer, row: Row, family: str) -> None:
    needs(family)
    store, model, expected = MemoryStore(), WIRES[family].model, row.expected
    caps = "cost_guardrails:\n  enabled: true\n  daily_cap_usd: 100\n"
    add_agent(store, model=f"---\nschema_version: 2\nmodel: {model}\nmax_output_tokens: 1000\n{caps}---\n")
    put(store, **{"prices.toml": f'["{model}"]\ninput = 1\noutput = 10\n'})
    replies = [row.sent, pieces("All is well.")] if expected.calls and expected.ending is Ending.OK else [row.sent]
    if expected.calls and family != "openai":
        pytest.skip("its second answer would have to be in its own protocol")
    server.send(*replies)
    workspace = scripted_workspace(store, [])
    workspace.make_providers = lambda _search: (server.provider(family),)
    workspace.sleep = lambda _: None
    result = run(workspace, "what is up?")
    workspace.close()

    assert result.ending is expected.ending
    free = expected.failure is not None and not expected.failure.billable
    assert (result.cost == 0) is free
    assert expected.refusal in str(result.failure or "")
    assert len(server.bodies) <= {Ending.EMPTY: 2, Ending.ERROR: 4}.get(result.ending, len(replies))
    if expected.ending is Ending.ERROR and expected.failure is not None:
        assert result.failure is not None
        assert result.failure.exit_status == 7
