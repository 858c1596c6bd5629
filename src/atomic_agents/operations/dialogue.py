"""A conversation that the caller keeps: what was said comes along with each question, and the vault keeps none of it.

Whatever such a caller calls an instruction of the system is data here: only the operator's files instruct an agent.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from atomic_agents.core.errors import UsageError
from atomic_agents.core.model import Message
from atomic_agents.memory.fence import fence
from atomic_agents.runtime.conversation import Before, Talk

By = Literal["caller", "agent", "program"]
"""Who said something: who asks, the agent, or the program in between, which speaks for neither."""


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that was said."""

    by: By
    text: str


class Carried(Talk):
    """A turn of a conversation that is carried along: it is read from nowhere, and written nowhere."""

    def open(self, *_anything: object, **_further: object) -> None:
        """What was said before is here already."""


def parted(said: Sequence[Said]) -> tuple[Carried, str]:
    """What was said before as a conversation to go on with, and what is asked now.

    Raises:
        UsageError: nothing is asked at the end.
    """
    turns = [turn for turn in _turns(said) if turn.text.strip()]
    if not turns or turns[-1].role != "user":
        raise UsageError("nothing is asked: the last message must be the caller's", hint='end with a "user" message')
    if not any(each.by == "caller" and each.text.strip() for each in said):
        raise UsageError("nothing is asked: no message is the caller's", hint='send a "user" message')
    return Carried("", Before(tuple(turns[:-1]))), turns[-1].text


def _turns(said: Iterable[Said]) -> list[Message]:
    """As user and assistant in turns, the first being the user; what a program said is data of the user's turn."""
    turns: list[Message] = []
    for each in said:
        role: Literal["user", "assistant"] = "assistant" if each.by == "agent" else "user"
        text = fence("sent along by the caller's program", each.text) if each.by == "program" else each.text.strip()
        if not text:
            continue
        if role == "assistant" and not turns:
            turns.append(Message("user", "(the conversation begins with the agent)"))
        if turns and turns[-1].role == role:
            turns[-1] = Message(role, f"{turns[-1].text}\n\n{text}")
        else:
            turns.append(Message(role, text))
    return turns
