"""A conversation that the caller keeps: what was said comes along with each question, and the vault keeps none of it.

Whatever such a caller calls an instruction of the system is data here: only the operator's files instruct an agent.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from atomic_agents.core.errors import UsageError
from atomic_agents.core.model import Message
from atomic_agents.memory.fence import fence
from atomic_agents.runtime.conversation import Before, Talk, room_of
from atomic_agents.runtime.sizes import BYTES_A_TOKEN, cut, message_tokens, text_tokens
from atomic_agents.vault.settings import ModelSettings
from atomic_agents.vault.vault import Vault

_LEAST = 50  # tokens
By = Literal["caller", "agent", "program"]
"""Who said something: who asks, the agent, or the program in between, which speaks for neither."""


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that was said."""

    by: By
    text: str


@dataclass
class Carried(Talk):
    """A turn of a conversation that is carried along: it is read from nowhere, and written nowhere."""

    preface: tuple[Said, ...] = ()
    """What was said since the agent spoke last, and before the question."""
    question: str = ""

    def open(self, _vault: Vault, _agent: str, settings: ModelSettings, *, asked: str, **_further: object) -> None:  # type: ignore[override]  # it needs no more
        """Leave out the oldest of what was said before where it takes more than a conversation may."""
        most, messages = settings.max_input_tokens, self.before.messages
        turns = [messages[at : at + 2] for at in range(0, len(messages), 2)]  # a question and its answer each
        room = room_of(settings)
        kept = _newest(turns, room)
        gone = len(messages) - len(kept)
        if gone and kept:
            note = f"(left out to keep within the budget: {gone:,} messages of this conversation before this one)"
            kept[0] = replace(kept[0], text=f"{note}\n\n{kept[0].text}")
        self.asked = self._within(room) if text_tokens(asked) > room else asked
        if gone or self.asked != asked or any(now.text not in {then.text for then in messages} for now in kept):
            self.notices.append(
                f"of the conversation that came along, {gone:,} of {len(messages):,} earlier messages were left out, "
                f"and long ones cut, to keep within {most:,} tokens (max_input_tokens)"
            )
        self.before = Before(tuple(kept), gone)

    def _within(self, room: int) -> str:
        """The question, and as much of what came right before it as fits, the newest first."""
        room -= text_tokens(self.question)
        kept: list[str] = []
        for each in reversed(self.preface):
            size = text_tokens(_told(each))
            if size > room:
                kept += [_told(Said(each.by, cut(each.text, room * BYTES_A_TOKEN)))] if room > _LEAST else []
                break
            kept.append(_told(each))
            room -= size
        return "\n\n".join([*reversed(kept), self.question])


def parted(said: Sequence[Said]) -> tuple[Carried, str]:
    """What was said before as a conversation to go on with, and what is asked now.

    Raises:
        UsageError: nothing is asked at the end.
    """
    spoken = [each for each in said if each.text.strip()]
    if not spoken or spoken[-1].by == "agent":
        raise UsageError("nothing is asked: the last message must be the caller's", hint='end with a "user" message')
    asks = [at for at, each in enumerate(spoken) if each.by == "caller"]
    if not asks:
        raise UsageError("nothing is asked: no message is the caller's", hint='send a "user" message')
    begins = max((at + 1 for at, each in enumerate(spoken) if each.by == "agent"), default=0)
    question = max(asks[-1], begins)  # after what the agent said last, a program alone may have spoken
    *earlier, last = _turns(spoken)
    words = "\n\n".join(map(_told, spoken[question:]))
    return Carried("", Before(tuple(earlier)), preface=tuple(spoken[begins:question]), question=words), last.text


def _turns(said: Iterable[Said]) -> list[Message]:
    """As user and assistant in turns, the first being the user; what a program said is data of the user's turn."""
    turns: list[Message] = []
    for each in said:
        role: Literal["user", "assistant"] = "assistant" if each.by == "agent" else "user"
        if role == "assistant" and not turns:
            turns.append(Message("user", "(the conversation begins with the agent)"))
        if turns and turns[-1].role == role:
            turns[-1] = Message(role, f"{turns[-1].text}\n\n{_told(each)}")
        else:
            turns.append(Message(role, _told(each)))
    return turns


def _told(said: Said) -> str:
    """What was said as the model is told it."""
    return fence("sent along by the caller's program", said.text) if said.by == "program" else said.text.strip()


def _newest(turns: Sequence[Sequence[Message]], room: int) -> list[Message]:
    """The newest turns within `room` tokens; the last one always comes along, cut where it is too long by itself."""
    kept: list[Message] = []
    for turn in reversed(turns):
        size = message_tokens(turn)
        if size > room:
            if not kept:
                kept = [replace(each, text=cut(each.text, room * BYTES_A_TOKEN // 3)) for each in turn]
            break
        kept = [*turn, *kept]
        room -= size
    return kept
