"""What comes from a model or an operator as text: made sound, kept apart from what was said before, and listened to."""

from collections.abc import Callable
from dataclasses import dataclass


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


def apart(on_text: Callable[[str], None]) -> Callable[[str], None]:
    """Text below what was said before tools were called."""
    gap = ["\n\n"]

    def pass_on(text: str) -> None:
        if gap and text.strip():
            on_text(gap.pop())
        on_text(text)

    return pass_on
