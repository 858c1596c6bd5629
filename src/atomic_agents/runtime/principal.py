"""Whose words a work item is."""

OPERATOR_TRIGGERS = frozenset(("manual",))
"""The triggers of runs and turns that a person types in a terminal: `run` and `chat`."""


def said_by_operator(work_item: str, *, trigger: str, parent: str) -> str:
    """The work item where the operator typed it; "" where a schedule, a program or another run sent it.

    A caller over HTTP or MCP, or a Python program, is not the operator, whatever token it has: whoever speaks through
    it is not known here. A schedule is the operator's file, but nobody says its text anew each time it fires.
    """
    return work_item if trigger in OPERATOR_TRIGGERS and not parent else ""
