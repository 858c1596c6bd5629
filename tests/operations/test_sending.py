import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from atomic_agents.core.channel import Message
from atomic_agents.operations import sending
from atomic_agents.operations.sending import Mailing, Outcome

MESSAGE = Message("title", "text", {})
never = threading.Event()


@dataclass
class Broken:
    """A channel that hangs, breaks or refuses, before or after the message has left."""

    how: str
    leaves: bool = False
    kind: str = "broken"
    tries: list[Message] = field(default_factory=list)

    def check(self) -> str:
        return ""

    def send(self, message: Message, leaving: Callable[[], None]) -> str:
        self.tries.append(message)
        if self.leaves:
            leaving()
        match self.how:
            case "hangs":
                never.wait(60)
            case "breaks":
                raise ConnectionResetError(104, "gone")
            case "cannot":
                raise UnicodeError("not a name")
        return "no room" if self.how == "refuses" else ""


@pytest.mark.parametrize(
    ("how", "leaves", "expected"),
    [
        ("takes", True, Outcome("sent")),
        ("refuses", True, Outcome("failed", "no room")),
        ("breaks", False, Outcome("failed", "gone")),
        ("breaks", True, Outcome("unsure", "gone")),
        ("cannot", False, Outcome("failed", "not a name")),
        ("hangs", False, Outcome("failed", "no answer within 0.2 s")),
        ("hangs", True, Outcome("unsure", "no answer within 0.2 s")),
    ],
)
def test_what_may_have_arrived_is_told_from_what_has_not(
    how: str, leaves: bool, expected: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "SECONDS", 0.2)
    mailing = Mailing(Broken(how, leaves), [MESSAGE])

    sending.send([mailing])

    assert mailing.finished() == [expected]


def test_a_channel_that_fails_is_tried_once_and_the_others_are_not_held_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "SECONDS", 0.2)
    dead, hung, sound = Broken("breaks"), Broken("hangs", leaves=True), Broken("takes", leaves=True)
    mailings = [Mailing(channel, [MESSAGE, MESSAGE]) for channel in (dead, hung, sound)]

    sending.send(mailings)

    assert [[outcome.state for outcome in mailing.finished()] for mailing in mailings] == [
        ["failed", "failed"], ["unsure", "failed"], ["sent", "sent"],
    ]  # fmt: skip
    assert [len(channel.tries) for channel in (dead, hung, sound)] == [1, 1, 2]
