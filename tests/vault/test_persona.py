import pytest

from atomic_agents.vault.persona import Persona

PUBLISHED = """This agent is **reactive** by default.

Reactive means each invocation is a discrete transaction. For sustained projects the operator can activate hybrid mode
by adding a `goal.md`."""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PUBLISHED, "reactive"),
        ("reactive, never hybrid", "reactive"),
        ("Goal-Driven", "goal-driven"),
        ("**HYBRID**: reactive by day", "hybrid"),
        ("autonomous", "reactive"),
        ("", "reactive"),
        ("This agent is not hybrid.", "reactive"),
        ("It is **not** a hybrid; it is goal-driven.", "goal-driven"),
        ("Neither hybrid nor reactive: goal-driven.", "goal-driven"),
        ("It isn't goal-driven but hybrid", "hybrid"),
        ("Never run in hybrid mode", "reactive"),
        ("hybridised", "reactive"),
        ("<!-- hybrid -->\ngoal-driven", "goal-driven"),
    ],
)
def test_the_mode_is_the_first_that_is_named_and_not_denied(text: str, expected: str) -> None:
    identity = (
        f"# IDENTITY\n\nI am hybrid by nature.\n\n## Operating mode\n\n{text}\n\n## Scope\n\nhybrid, goal-driven\n"
    )

    assert Persona(identity, "", "").mode == expected


def test_without_a_section_the_mode_is_reactive() -> None:
    assert Persona("# IDENTITY\n\nhybrid\n", "hybrid", "hybrid").mode == "reactive"


def test_the_heading_may_say_more() -> None:
    assert Persona("## Operating mode (since May)\ngoal-driven", "", "").mode == "goal-driven"
