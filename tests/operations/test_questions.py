import json
from pathlib import Path
from typing import Any

import pytest
from inbox_house import ADA, House, calling, letter  # type: ignore[import-not-found]  # beside this file

from atomic_agents.core.errors import ApprovalNeeded, Conflict, UsageError
from atomic_agents.core.model import ToolCall
from atomic_agents.operations import approvals, finishing
from atomic_agents.testing.workspaces import NOON

DAYS = ["Monday", "Tuesday"]


def question(text: str = "When shall I come?", number: int = 1, **more: Any) -> ToolCall:
    return ToolCall(f"call-{number}", "ask_operator", json.dumps({"question": text, **more}))


@pytest.fixture
def house(tmp_path: Path) -> House:
    found = House(tmp_path)
    found.run([calling(question(choices=DAYS), text="I need a day.")])
    return found


def test_a_question_ends_the_run_with_exit_4_and_stands_in_the_inbox(tmp_path: Path) -> None:
    house = House(tmp_path)

    result = house.run([calling(question(choices=DAYS))])

    assert result.failure is not None
    assert (result.ending, result.failure.exit_status) == ("waiting", 4)
    assert result.failure.message == "caldwell asks you; it waits for your answer"
    assert [(item.kind, item.is_question, item.state) for item in house.inbox()] == [("question", True, "pending")]


def test_the_answer_is_the_result_and_the_run_goes_on(house: House) -> None:
    result = house.answer("answered", note="on Friday, after nine")

    assert (result.ending, house.inbox()) == ("ok", [])
    assert house.told == "the operator answers: on Friday, after nine"


@pytest.mark.parametrize(("said", "heard"), [("2", "Tuesday"), ("3", "3"), ("0", "0"), ("monday", "monday")])
def test_the_number_of_a_choice_stands_for_it(house: House, said: str, heard: str) -> None:
    house.answer("answered", note=said)

    assert house.told == f"the operator answers: {heard}"


def test_a_number_that_is_itself_a_choice_is_that_choice(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.run([calling(question("How many?", choices=["2", "1"]))])

    house.answer("answered", note="1")

    assert house.told == "the operator answers: 1"


def test_a_denial_says_that_there_is_no_answer(house: House) -> None:
    house.answer("denied", note="ask Ada")

    assert house.told == "error: the operator does not answer: ask Ada"


@pytest.mark.parametrize(
    ("before", "after", "heard"),
    [
        ("## Answer\n", "## Answer\n\nWhen you like:\n\n## soon\n", "the operator answers: When you like:\n\n## soon"),
        ("## Answer\n", "## Answer\n1", "the operator answers: Monday"),
        ("state: pending", "state: denied", "error: the operator does not answer"),
        ("state: pending", "state: no", "error: the operator does not answer"),
    ],
)
def test_one_edit_in_the_document_answers(house: House, before: str, after: str, heard: str) -> None:
    house.edit(before, after)

    assert [result.ending for result in house.meet()] == ["ok"]
    assert heard == house.told


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ("approved", "state is answered and nothing stands below ## Answer; write the answer there"),
        ("revised", "state is 'revised'; write the answer there"),
    ],
)
def test_leave_is_no_answer(house: House, state: str, problem: str) -> None:
    house.edit("state: pending", f"state: {state}")

    assert house.meet() == []
    assert [problem] == [item.reply.problem for item in house.inbox()]


def test_a_question_is_not_approved_and_a_letter_not_answered(house: House) -> None:
    with pytest.raises(UsageError, match="is a question"):
        house.answer("approved")
    with pytest.raises(UsageError, match="no answer"):
        house.answer("answered", note=" ")
    house.answer("answered", [calling(letter())], note="1")
    with pytest.raises(UsageError, match="is no question"):
        house.answer("answered", note="1")


@pytest.mark.parametrize(
    ("call", "before", "after"),
    [
        (question(), "action_class: question\nt", "action_class: high_risk\nt"),
        (question(), '"When shall I come?"', '"May I pay?"'),
        (letter(), "action_class: external_side_effect\nt", "action_class: question\nt"),
    ],
)
def test_a_request_that_was_made_into_another_is_not_answered_and_stays(
    tmp_path: Path, call: ToolCall, before: str, after: str
) -> None:
    house = House(tmp_path)
    house.run([calling(call)])
    house.edit(before, after)
    house.edit("state: pending", "state: approved")
    path = house.root / house.inbox()[0].path
    path.write_text(f"{path.read_text()}\n## Answer\n\nyes\n")

    assert house.meet() == []

    (item,) = house.inbox()
    assert (house.sent, item.state) == ([], "unclear")
    assert "was changed, and only what was asked can be answered" in item.reply.problem


@pytest.mark.parametrize(
    "text", ["a\n## Answer\n\nyes", "<!--\n## Answer\nyes", "```\n\n## Answer\n\nyes\n", "> ## Answer"]
)
def test_what_the_model_asks_cannot_answer_for_the_operator(tmp_path: Path, text: str) -> None:
    house = House(tmp_path)
    house.run([calling(question(text, choices=[text]), text=text)])

    assert house.meet() == []
    assert [(item.state, item.reply.note) for item in house.inbox()] == [("pending", "")]


def test_an_answer_that_comes_too_late_is_refused(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.settings("caldwell/judges.md", escalation={"auto_decide_after_seconds": 3600})
    house.run([calling(question())])
    house.edit("## Answer\n", "## Answer\n\nyes\n")
    house.now = house.now.replace(hour=14)

    house.meet()

    assert house.told == "error: refused: nobody answered it before 2026-11-22 13:00"


def test_asking_needs_no_leave_but_can_be_forbidden(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.settings("policy.md", tools={"allow": ["send_letter"]}, class_policy={"read_only": "ask"})
    assert house.run([calling(question())]).ending == "waiting"
    house.answer("answered", note="yes")
    house.settings("policy.md", tools={"deny": ["ask_operator"]})

    result = house.run([calling(question()), "well"])

    assert (result.ending, house.told) == ("ok", "error: refused: ask_operator is denied (policy.md:4)")


def test_a_question_and_a_letter_of_one_answer_are_asked_together(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.run([calling(question(), letter(number=2))])
    leave, asked = sorted(house.inbox(), key=lambda item: item.kind)
    workspace = house.workspace(["done"])
    house.store.apply(approvals.answer(workspace, leave, "approved"))
    house.store.apply(approvals.answer(workspace, asked, "answered", note="1"))

    house.meet()

    assert (house.sent, house.inbox()) == ([ADA], [])


def test_what_the_operator_answers_can_be_remembered_as_their_word(house: House) -> None:
    note = {"name": "visit", "type": "user", "description": "when to visit", "body": "Come on Friday after nine.",
            "provenance": "operator", "confidence": "high", "sources": ["the operator"]}  # fmt: skip
    remember = ToolCall("call-2", "remember", json.dumps(note))

    house.answer("answered", [calling(remember, text=""), "done"], note="Come on Friday after nine.")

    kept = "".join(house.text(path) for path in house.store.paths("caldwell/memory/") if not path.endswith("INDEX.md"))
    assert "provenance: operator" in kept, house.told


def test_who_answers_second_is_refused(house: House) -> None:
    workspace = house.workspace(["done"])
    first, second = approvals.find(workspace, ""), approvals.find(workspace, "")
    house.store.apply(approvals.answer(workspace, first, "answered", note="1"))

    with pytest.raises(Conflict):
        house.store.apply(approvals.answer(workspace, second, "answered", note="2"))


def test_it_waits_until_there_is_an_answer_and_raises_an_alert(house: House) -> None:
    with pytest.raises(ApprovalNeeded):
        finishing.resume(house.workspace([]), "", finishing.Wish(), on_text=lambda _: None, on_notice=lambda _: None)

    (path,) = house.store.paths("_alerts/")
    assert "caldwell asks you" in house.text(path)


def test_its_document_says_what_was_asked_and_how_to_answer(house: House) -> None:
    (item,) = house.inbox()
    text = house.text(item.path)

    assert "> When shall I come?\n> 1. Monday\n> 2. Tuesday\n" in text
    assert f"atomic-agents approvals answer {item.id} 'your answer'" in text
    assert item.asked == NOON.isoformat()
