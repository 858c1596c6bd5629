import datetime
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from atomic_agents.core.ending import Ending
from atomic_agents.core.errors import AtomicAgentsError, ProviderFailed
from atomic_agents.core.model import Answer, Request, ToolCall
from atomic_agents.operations import evidence, firing, record, schedules
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime import replay
from atomic_agents.runtime.order import Order, Result
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.workspaces import NOON, add_agent, run, scripted_workspace

RECALL = ToolCall("call-1", "recall", '{"query": "tea"}')
UNANSWERED = {
    "truncated": Answer("The first half of", finish="length"),
    "refused": Answer("", refusal="I will not help with that."),
    "empty": Answer(""),
    "exhausted": Answer("", (RECALL,), finish="tool_calls"),
}


class House:
    """A vault whose agent is answered by a script that can be changed, and whose clock can be put forward."""

    def __init__(self, root: Path) -> None:
        self.root, self.now, self.requests = root, NOON, 0
        self.reply: Callable[[Request], Answer] = lambda _request: Answer("yes")
        self.store = FolderStore(root)
        add_agent(self.store)
        self.workspace: Workspace = scripted_workspace(
            self.store, self._answer, root=root, clock=lambda: self.now
        )  # fmt: skip
        self.workspace.sleep = self._sleep

    def _sleep(self, seconds: float) -> None:
        self.now += datetime.timedelta(seconds=seconds)

    def _answer(self, request: Request) -> Answer:
        self.requests += 1
        return self.reply(request)

    def run(self, reply: Answer, order: Order | None = None) -> Result:
        self.reply = lambda _request: reply
        return run(self.workspace, "go", order=order)

    def log(self) -> list[dict[str, object]]:
        paths = sorted((self.root / "caldwell/log").rglob("*.jsonl"))
        return [json.loads(line) for path in paths for line in path.read_text().splitlines()]

    def alerts(self) -> list[dict[str, object]]:
        paths = sorted((self.root / "_alerts").glob("*.jsonl"))
        return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "vault")


@pytest.mark.parametrize("ending", UNANSWERED)
def test_a_run_without_a_whole_answer_says_so_everywhere(ending: str, house: House) -> None:
    result = house.run(UNANSWERED[ending])

    (line,) = house.log()
    (listed,) = record.list_runs(house.workspace).runs
    (checked,) = evidence.verify(house.workspace)
    assert result.failure is not None
    assert (result.ending, result.failure.exit_status) == (Ending(ending), 8)
    assert (line["ending"], line["status"], listed.status) == (ending, "error", ending)
    assert str(line["error"]) == f"{result.failure.code}: {result.failure.message}"
    assert checked.verdict.state == "sound"


def test_a_refusal_is_shown_in_the_providers_words_and_asked_once(house: House) -> None:
    result = house.run(UNANSWERED["refused"])

    assert "I will not help with that." in str(result.failure)
    assert house.requests == 1


def test_what_came_of_a_cut_answer_is_given(house: House) -> None:
    result = house.run(UNANSWERED["truncated"])

    assert (result.text, house.requests) == ("The first half of", 1)


@pytest.mark.parametrize("ending", UNANSWERED)
def test_an_idempotency_key_keeps_no_answer_that_is_not_whole(ending: str, house: House) -> None:
    order = Order("go", key=replay.key("k", work_item="go"))
    house.run(UNANSWERED[ending], order)

    again = house.run(Answer("yes"), order)

    assert (again.ending, again.text, again.replayed) == (Ending.OK, "yes", False)


def test_an_ending_cannot_be_changed_in_the_log_unseen(house: House) -> None:
    house.run(UNANSWERED["refused"])
    (path,) = (house.root / "caldwell/log").rglob("*.jsonl")

    def states(before: str, after: str) -> str:
        text = path.read_text()
        path.write_text(text.replace(before, after))
        (checked,) = evidence.verify(house.workspace)
        path.write_text(text)
        return checked.verdict.state

    assert states('"ending":"refused"', '"ending":"ok"') == "broken"
    assert states('"status":"error"', '"status":"ok"') == "broken"
    assert states('"ending":"refused",', "") == "broken"


def failing(message: str, **context: object) -> Callable[[Request], Answer]:
    def reply(_request: Request) -> Answer:
        raise ProviderFailed(message, context=context)

    return reply


MORNINGS: Sequence[tuple[str, Callable[[Request], Answer]]] = (
    ("refused: the model declined to answer: I will not.", lambda _: Answer("", refusal="I will not.")),
    ("truncated: the answer was cut at its maximum length", lambda _: Answer("half", finish="length")),
    ("empty: the model said nothing", lambda _: Answer("")),
    ("exhausted: the model used all 8 rounds for tools", lambda _: Answer("", (RECALL,), finish="tool_calls")),
    ("error: m answered 401: bad key", failing("m answered 401: bad key")),
    ("error: m answered 429: slow down", failing("m answered 429: slow down", retryable=True)),
    ("error: m answered 500: oops", failing("m answered 500: oops", retryable=True)),
    ("error: m could not be reached", failing("m could not be reached", retryable=True)),
    ("error: m did not answer in time", failing("m did not answer in time", retryable=True)),
    ("error: m broke off", failing("m broke off before the end of the answer", retryable=True)),
)


def test_ten_mornings_with_ten_failures_are_told_apart_and_none_of_them_is_ok(house: House) -> None:
    stated = {"cron": "0 7 * * *", "time_zone": "UTC", "work_item": "Say what is due.", "catch_up": "latest"}
    _, change = schedules.added(house.workspace, "caldwell", "morning", stated)
    house.store.apply(change)
    list(firing.fire(house.workspace, "caldwell", lambda _: None))
    listed = []

    for _, reply in MORNINGS:
        house.reply, house.now = reply, house.now + datetime.timedelta(days=1)
        (fired,) = firing.fire(house.workspace, "caldwell", lambda _: None)
        (shown,) = schedules.shown(house.workspace, "")
        assert shown.standing is not None
        assert shown.standing.last is not None
        listed.append(f"{shown.standing.last.outcome}: {shown.standing.last.why}")
        assert fired.failed

    assert [words for (words, _), said in zip(MORNINGS, listed, strict=True) if not said.startswith(words)] == []
    assert len(set(listed)) == len({str(alert["key"]) for alert in house.alerts()}) == 10
    assert [line["status"] for line in house.log()] == ["error"] * 10


def test_a_run_that_the_operator_stops_is_interrupted(house: House) -> None:
    def stop(_request: Request) -> Answer:
        raise KeyboardInterrupt

    house.reply = stop
    stopped = run(house.workspace, "go")

    assert isinstance(stopped.failure, AtomicAgentsError)
    assert (stopped.ending, stopped.failure.exit_status) == (Ending.INTERRUPTED, Ending.INTERRUPTED.exit_status)


def test_the_guide_states_every_ending_with_its_exit_code() -> None:
    text = (Path(__file__).parents[2] / "docs/concepts/a-run.md").read_text()
    rows = {row.split("`")[1]: row.rsplit("|", 2)[1].strip() for row in text.splitlines() if row.startswith("| `")}

    stated = {ending: rows.get(ending, "") for ending in Ending}

    assert stated == {each: str(each.exit_status) for each in Ending} | {Ending.ERROR: "that of the error"}
