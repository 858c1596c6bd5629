import time
from pathlib import Path

import pytest
from inbox_house import ADA, House, calling, letter  # type: ignore[import-not-found]  # beside this file

from atomic_agents.core.model import Answer, Request, ToolCall
from atomic_agents.vault.call_limits import CallLimits

LIST = "list_files"


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def looks(many: int) -> Answer:
    found: Answer = calling(*(ToolCall(f"c{number}", LIST, "{}") for number in range(many)))
    return found


def refusals(house: House) -> list[str]:
    return [each.text for each in house.model.requests[-1].messages if each.role == "tool" and "refused" in each.text]


def test_one_answer_makes_so_many_calls_and_the_rest_are_refused_aloud(house: House) -> None:
    result = house.run([looks(CallLimits().answer + 2), "done"])

    assert (result.ending, len(refusals(house))) == ("ok", 2)
    assert "too many tool calls: one answer may make 32 calls (max_calls_at_once in tools.md)" in result.warnings


def test_a_run_makes_so_many_calls_in_all_its_answers(house: House) -> None:
    house.settings("caldwell/tools.md", max_calls=3)

    result = house.run([looks(2), looks(2), "done"])

    assert refusals(house) == [
        "error: refused: a run may make 3 calls (max_calls in tools.md); answer with what you have"
    ]
    assert any(each.startswith("too many tool calls") for each in result.warnings)


def test_calls_that_are_too_many_are_not_asked_about_either(house: House) -> None:
    house.settings("caldwell/tools.md", max_calls_at_once=1)

    house.run([calling(letter(number=1), letter(number=2))])

    assert len(house.inbox()) == 1
    house.answer("approved")
    assert (house.sent, house.inbox()) == ([ADA], [])


def test_a_judgment_that_comes_too_late_is_none(house: House) -> None:
    house.settings(
        "caldwell/judges.md", model="scripted:judge", timeout_ms=1, class_policy={"external_side_effect": "judge"}
    )

    def script(request: Request) -> Answer | str:
        if "judge" in request.system[0].lower() and not request.tools:
            time.sleep(0.01)
            return '{"outcome": "allow", "reason": "fine"}'
        return "done" if request.messages[-1].role == "tool" else calling(letter())

    result = house.run(script)

    assert (result.ending, house.sent) == ("ok", [])
    assert any("timeout_ms allows 0.001 s" in each for each in result.warnings), result.warnings


def test_a_model_in_the_vaults_policy_is_said_to_have_no_effect(house: House) -> None:
    house.settings("policy.md", model="scripted:other")

    found = house.workspace(["done"]).vault.settings_of("policy.md", "policy.md")

    assert found is not None
    assert [(each.message, each.severity) for each in found.problems] == [
        ("model has no effect in policy.md", "warning")
    ]
