"""Any command: the message in its arguments, and as JSON on its standard input."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from atomic_agents.channels import process
from atomic_agents.core.channel import Message


@dataclass(frozen=True, slots=True)
class Command:
    """A program and its arguments, in which `{title}` and `{text}` stand for those of the message."""

    command: tuple[str, ...]
    kind: str = "command"

    def check(self) -> str:
        """Whether the program is there."""
        return process.missing(self.command[0])

    def send(self, message: Message, leaving: Callable[[], None]) -> str:
        """Run it; each argument stays one, whatever the message says."""
        if refused := self.check():
            return refused
        program, *arguments = self.command
        filled = (each.replace("{title}", message.title).replace("{text}", message.text) for each in arguments)
        return process.run([program, *filled], leaving, stdin=json.dumps(message.facts) + "\n")


def opened(values: Mapping[str, object]) -> Command:
    """From `run`, a list."""
    run = values["run"]
    return Command(tuple(map(str, run)) if isinstance(run, Sequence) else ())
