import contextlib
import json
from collections.abc import Callable, Sequence
from decimal import Decimal

import pytest

from atomic_agents.core.errors import AtomicAgentsError, Busy, DocumentMissing, ProviderFailed, ResumeRefused
from atomic_agents.core.model import Answer, Request, ToolCall, Usage
from atomic_agents.operations import evidence, finishing, record
from atomic_agents.operations.finishing import Wish
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime import replay
from atomic_agents.runtime.conversation import Talk
from atomic_agents.runtime.order import Order, Result
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.testing.deeds import put
from atomic_agents.testing.scripted import ScriptedModel
from atomic_agents.testing.workspaces import add_agent, run, scripted_workspace

LOG = "caldwell/log/2026-11/2026-11-22.jsonl"
TEA = {"type": "user", "name": "Tea", "description": "drinks tea", "confidence": "high", "sources": ["operator"],
       "body": "Green tea at four."}  # fmt: skip
BLOCK = f"```atomic_capture\n{json.dumps(TEA)}\n```"
USED = Usage(1000, 1000)
COST = Decimal("0.002")
LOOKING = Answer(f"Let me look.\n{BLOCK}", (ToolCall("c1", "recall", '{"query": "tea"}'),), USED, "tool_calls")
DONE = Answer("It is green.", (), USED)

Said = Answer | BaseException


class PowerCut(BaseException):
    """The end of a process, as far as one can have it in a test."""


class House:
    """An agent whose runs are cut off, and gone on with."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        add_agent(self.store)
        put(self.store, **{"prices.toml": '["scripted:model"]\ninput = 1.0\noutput = 1.0\n'})
        self.notices: list[str] = []
        self.requests: Sequence[Request] = ()

    def workspace(self, *said: Said) -> Workspace:
        answers = iter(said)

        def answer(_: Request) -> Answer:
            found = next(answers)
            if isinstance(found, BaseException):
                raise found
            return found

        model = ScriptedModel(answer, local=False)
        self.requests = model.requests
        return scripted_workspace(self.store, model)

    def begin(self, *said: Said, order: Order | None = None, talk: Talk | None = None) -> None:
        """A run that is cut off where `said` says so."""
        with contextlib.suppress(PowerCut):
            run(self.workspace(*said), "which tea?", order=order, talk=talk)

    def resume(self, *said: Said, selector: str = "last", wish: Wish | None = None) -> Result:
        return finishing.resume(
            self.workspace(*said), selector, wish or Wish(), on_text=lambda _: None, on_notice=self.notices.append
        )

    @property
    def log(self) -> list[dict[str, object]]:
        blob = self.store.read(LOG)
        return [json.loads(line) for line in blob.data.decode().splitlines()] if blob else []

    def text(self, path: str) -> str:
        blob = self.store.read(path)
        return blob.data.decode() if blob else ""


@pytest.fixture
def house() -> House:
    return House()


CUTS: list[Callable[[], BaseException]] = [PowerCut, KeyboardInterrupt, lambda: ProviderFailed("no", context={})]


@pytest.mark.parametrize("cut", CUTS, ids=["power", "stopped", "provider"])
def test_a_run_is_finished_without_asking_what_was_answered(house: House, cut: Callable[[], BaseException]) -> None:
    house.begin(LOOKING, cut())

    result = house.resume(DONE)

    first, second = house.log
    (request,) = house.requests
    assert (result.text, result.ending, result.cost) == ("Let me look.\n\nIt is green.", "ok", COST)
    assert [message.role for message in request.messages] == ["user", "assistant", "tool", "user"]
    assert [line["run_id"] for line in house.log] == [result.resumed_from, result.run_id]
    assert (second["resumed_from"], second["cost_usd"], second["input_tokens"]) == (first["run_id"], 0.002, 1000)
    assert [each.verdict.state for each in evidence.verify(house.workspace())] == ["sound", "sound"]


@pytest.mark.parametrize("cut", CUTS, ids=["power", "stopped", "provider"])
def test_what_it_remembered_is_in_the_vault_once(house: House, cut: Callable[[], BaseException]) -> None:
    house.begin(LOOKING, cut())

    house.resume(DONE)

    notes = [path for path in house.store.paths("caldwell/memory/") if "/user_" in path]
    assert notes == ["caldwell/memory/user_tea.md"]
    assert house.text("caldwell/memory/INDEX.md").count("(user_tea.md)") == 1
    assert [line.get("captures") for line in house.log].count(["user_tea.md"]) == 1


def test_a_run_that_went_on_and_was_cut_off_is_gone_on_with_in_turn(house: House) -> None:
    house.begin(PowerCut())
    first = house.resume(LOOKING, ProviderFailed("no", context={}))

    second = house.resume(DONE, selector=str(house.log[0]["run_id"]))

    assert (first.ending, second.ending, second.resumed_from) == ("error", "ok", first.run_id)
    assert len(house.requests) == 1
    assert [line["ending"] for line in house.log] == ["crashed", "error", "ok"]


def test_what_ended_well_is_not_gone_on_with(house: House) -> None:
    run(house.workspace(DONE), "which tea?")

    with pytest.raises(ResumeRefused, match="ended well; there is nothing to go on with"):
        house.resume()


def test_what_another_run_has_finished_is_not_finished_twice(house: House) -> None:
    house.begin(LOOKING, PowerCut())
    done = house.resume(DONE)

    with pytest.raises(ResumeRefused, match=f"{done.run_id} has finished {done.resumed_from}"):
        house.resume(selector=done.resumed_from)

    assert len(house.log) == 2


def test_what_is_still_going_is_left_alone(house: House) -> None:
    house.begin(LOOKING, PowerCut())

    with house.store.lock("agent/caldwell", wait=0), pytest.raises(Busy, match="is still going"):
        house.resume()


def test_an_edited_record_is_not_gone_on_with(house: House) -> None:
    house.begin(LOOKING, PowerCut())
    house.workspace().close_crashed_runs()
    path = next(iter(house.store.paths("caldwell/runs/")))
    put(house.store, **{path.replace("/", "__"): house.text(path).replace("Let me look", "Let me lie")})

    with pytest.raises(ResumeRefused, match=r"is not as it was written: .*:3 was edited"):
        house.resume()


def test_a_run_without_a_record_is_not_gone_on_with(house: House) -> None:
    line = {"ts": "2026-11-22T12:00:00+00:00", "run_id": "run-20261122-120000-000000-0badcafe", "status": "error"}
    put(house.store, **{LOG.replace("/", "__"): json.dumps(line) + "\n"})

    with pytest.raises(ResumeRefused, match="there is no record of what run-20261122-120000-000000-0badcafe was"):
        house.resume()


def test_the_last_one_is_the_last_that_was_cut_off(house: House) -> None:
    house.begin(LOOKING, PowerCut())
    run(house.workspace(DONE), "something else")

    result = house.resume(DONE, selector="")

    assert result.resumed_from == house.log[0]["run_id"]
    with pytest.raises(DocumentMissing, match="no run is cut off"):
        house.resume(selector="")


def test_it_says_what_of_the_persona_is_not_as_it_was(house: House) -> None:
    house.begin(LOOKING, PowerCut())
    put(house.store, **{"caldwell__persona__IDENTITY.md": "# caldwell\n\nYou are somebody else.\n"})

    result = house.resume(DONE)

    assert [warning for warning in result.warnings if "IDENTITY.md" in warning] == [
        f"changed since {result.resumed_from} began: IDENTITY.md; it goes on under the prompt as it is now"
    ]
    assert "somebody else" in house.requests[0].system[0]


def test_an_unchanged_prompt_is_not_spoken_of(house: House) -> None:
    house.begin(LOOKING, PowerCut())

    assert not [warning for warning in house.resume(DONE).warnings if "changed" in warning]


def test_the_most_that_a_run_may_cost_counts_what_it_has_cost(house: House) -> None:
    enough_for_one = Decimal("0.0085")
    house.begin(LOOKING, order=Order("which tea?", max_cost=enough_for_one))

    refused = house.resume(DONE)
    allowed = house.resume(DONE, wish=Wish(max_cost=Decimal("0.05")))

    assert [line["cost_usd"] for line in house.log] == [0.002, 0, 0.002]
    assert (refused.ending, allowed.ending) == ("skipped", "ok")
    assert f"--max-cost is ${enough_for_one}" in refused.reason


def keyed(house: House, *said: Said) -> Result:
    order = Order("which tea?", key=replay.key("k", work_item="which tea?"))
    return run(house.workspace(*said), "which tea?", order=order)


def test_a_key_whose_run_died_goes_on_with_it(house: House) -> None:
    with pytest.raises(PowerCut):
        keyed(house, LOOKING, PowerCut())

    result, again = keyed(house, DONE), keyed(house)

    assert (result.text, result.resumed_from) == ("Let me look.\n\nIt is green.", house.log[0]["run_id"])
    assert (again.text, again.replayed) == (result.text, True)


def test_a_key_whose_run_was_finished_by_hand_has_its_answer(house: House) -> None:
    with pytest.raises(PowerCut):
        keyed(house, LOOKING, PowerCut())
    house.resume(DONE)

    assert keyed(house).replayed


def test_a_key_asks_anew_where_what_goes_on_fails_or_the_record_was_edited(house: House) -> None:
    with pytest.raises(PowerCut):
        keyed(house, LOOKING, PowerCut())
    failed = keyed(house, ProviderFailed("too long", context={}))

    result = keyed(house, DONE)

    assert (failed.ending, result.text, result.resumed_from) == ("error", "It is green.", "")


def test_a_conversation_gets_the_turn_once_it_is_whole(house: House) -> None:
    house.begin(DONE, talk=Talk("kitchen"))
    house.begin(LOOKING, ProviderFailed("no", context={}), talk=Talk("kitchen"))

    result = house.resume(DONE)

    messages = house.requests[0].messages
    assert [message.text for message in messages[:3]] == ["which tea?", "It is green.", "which tea?"]
    assert house.text("caldwell/conversations/kitchen.md").count(result.run_id) == 2
    assert house.log[-1]["conversation_id"] == "kitchen"


def test_a_summary_is_no_run_that_can_be_gone_on_with(house: House) -> None:
    add_agent(house.store, model="---\nschema_version: 2\nmodel: scripted:model\nmax_input_tokens: 1500\n---\n")
    house.begin(Answer("long " * 300, (), USED), talk=Talk("kitchen"))
    house.begin(Answer("long " * 300, (), USED), talk=Talk("kitchen"))
    house.begin(PowerCut(), talk=Talk("kitchen"))

    with pytest.raises(ResumeRefused, match="was a part of something else: summary"):
        house.resume()

    assert house.log[-1]["primitive"] == "helper"


def test_a_record_with_secrets_blacked_out_says_so(house: House) -> None:
    house.begin(Answer("It is sk-ant-api03-abcdefghijklmnop", LOOKING.calls, USED, "tool_calls"), PowerCut())

    house.resume(DONE)

    assert any("has secrets blacked out" in notice for notice in house.notices)


def test_a_run_that_was_cut_off_shows_how_it_is_finished_and_which_run_has(house: House) -> None:
    house.begin(LOOKING, PowerCut())
    house.workspace().close_crashed_runs()
    run_id = str(house.log[0]["run_id"])

    before = record.show(house.workspace(), run_id)
    done = house.resume(DONE)
    after = record.show(house.workspace(), run_id)

    assert (before.can_be_resumed, before.successor) == (True, None)
    assert (after.can_be_resumed, after.successor.run_id if after.successor else "") == (False, done.run_id)


def test_every_refusal_leaves_the_vault_as_it_was(house: House) -> None:
    run(house.workspace(DONE), "which tea?")
    before = dict.fromkeys(house.store.paths()), house.log

    with pytest.raises(AtomicAgentsError):
        house.resume()

    assert (dict.fromkeys(house.store.paths()), house.log) == before
