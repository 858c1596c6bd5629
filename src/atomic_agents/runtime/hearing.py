"""What comes from a model or an operator as text: made sound, kept apart from what was said before, and listened to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from atomic_agents.core.model import Answer


@dataclass
class Seen:
    """Passes text on, and knows whether there was any."""

    pass_on: Callable[[str], None]
    anything: bool = False

    def show(self, text: str) -> None:
        """Pass a piece on."""
        self.anything = self.anything or bool(text.strip())
        self.pass_on(text)


def sound(text: str) -> str:
    """A text that can be written down: half characters, which a shell or a server may send, become question marks."""
    return text.encode(errors="replace").decode()


def sound_answer(answer: Answer) -> Answer:
    """An answer whose texts can be written down."""
    return replace(answer, text=sound(answer.text), refusal=sound(answer.refusal), reasoning=sound(answer.reasoning))


def beside_text(answer: Answer, doubts: Sequence[str]) -> dict[str, object]:
    """What an answer came with beside its text, for the transcript; `doubts` is what its usage was not believed for."""
    facts = {"reasoning": answer.reasoning, "refusal": answer.refusal, "usage_doubts": list(doubts)}
    return {name: value for name, value in facts.items() if value}


def apart(on_text: Callable[[str], None]) -> Callable[[str], None]:
    """Text below what was said before tools were called."""
    gap = ["\n\n"]

    def pass_on(text: str) -> None:
        if gap and text.strip():
            on_text(gap.pop())
        on_text(text)

    return pass_on
