"""Hand messages to channels, all of them at once and for a few seconds in all, whatever state they are in."""

import contextlib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from atomic_agents.budget.deliveries import State
from atomic_agents.core.channel import Channel, Message

SECONDS = 6.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message on a channel, and why where it was not sent."""

    state: State
    why: str = ""


@dataclass
class Mailing:
    """The messages for one channel, in order; `outcomes` are those of the first ones of them."""

    channel: Channel
    messages: Sequence[Message]
    outcomes: list[Outcome] = field(default_factory=list)
    _left: bool = False

    def run(self) -> None:
        """Send one after the other; where one fails the others are not tried."""
        for message in self.messages:
            if self.outcomes and self.outcomes[-1].state != "sent":
                self.outcomes.append(Outcome("failed", self.outcomes[-1].why))
                continue
            self._left = False
            self.outcomes.append(self._send(message))

    def finished(self) -> list[Outcome]:
        """The outcome of every message; of those that are still under way, as far as it can be told now."""
        known, left = list(self.outcomes), self._left
        why = f"no answer within {SECONDS:g} s"
        open_ones = len(self.messages) - len(known)
        states: list[State] = ["unsure" if left and at == 0 else "failed" for at in range(open_ones)]
        return [*known, *(Outcome(state, why) for state in states)]

    def _send(self, message: Message) -> Outcome:
        try:
            refused = self.channel.send(message, self._leaving)
        except (OSError, ValueError) as error:
            why = (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__
            return Outcome("unsure" if self._left else "failed", why)
        return Outcome("failed", refused) if refused else Outcome("sent")

    def _leaving(self) -> None:
        self._left = True


def send(mailings: Sequence[Mailing]) -> None:
    """Send them all; one that takes too long is left to itself."""
    until = time.monotonic() + SECONDS
    # Not a pool: its threads would be waited for when the process ends.
    threads = [threading.Thread(target=mailing.run, daemon=True) for mailing in mailings]
    for thread in threads:
        thread.start()
    with contextlib.suppress(KeyboardInterrupt):  # stops the waiting alone: what the run has answered must not be lost
        for thread in threads:
            thread.join(max(until - time.monotonic(), 0))
