"""What an MCP server prints between its messages, and what the client logs about it: kept for one log, and bounded.

The client's library logs with the tracebacks of its own code, which tell nobody anything on a terminal. Which server a
line belongs to is known from the task in which it is logged.
"""

import json
import logging
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

from atomic_agents.core.visible import visible

MOST_CHARACTERS = 64 * 1024
_LONGEST_LINE = 2_000
_LOGGERS = ("mcp.client", "mcp.shared")


@dataclass
class Noise:
    """What one server has printed that is no message, and what the client logged. `stray`: it has printed any."""

    stray: bool = False
    left_out: int = 0
    lines: list[str] = field(default_factory=list)
    _size: int = 0

    def take(self, line: str, *, stray: bool) -> None:
        """Take a line in, or count it where there is no room for it any more."""
        self.stray |= stray
        if self._size >= MOST_CHARACTERS:
            self.left_out += 1
            return
        self.lines.append(line[:_LONGEST_LINE])
        self._size += len(self.lines[-1]) + 1

    @property
    def text(self) -> str:
        """All of it."""
        more = [f"({self.left_out:,} more lines are left out)"] if self.left_out else []
        return "".join(f"{line}\n" for line in [*self.lines, *more])

    def words(self, server: str, log: str) -> str:
        """The one line that tells of it; `log` is where the rest is, "" where it could not be kept."""
        count = len(self.lines) + self.left_out
        lines, are = ("1 line", "is") if count == 1 else (f"{count:,} lines", "are")
        example = visible(" ".join(self.lines[0].split())[:80]) if self.lines else ""
        place = log or f"the first is {example}"
        if not self.stray:
            return f"the connection to {server} had trouble: {place}"
        return f"{server} printed {lines} on its standard output that {are} not MCP messages: {place}"


Heard = Callable[[str, Noise], None]
"""Told of a server's noise by its name, once its session has ended."""

_current: ContextVar[Noise | None] = ContextVar("mcp_noise", default=None)


def listen(noise: Noise) -> None:
    """Take in what is logged in this task, and in those that it begins."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(each, _Handler) for each in logger.handlers):
            logger.addHandler(_Handler())
    _current.set(noise)


class _Handler(logging.Handler):
    """Gives records to the noise of the task; one that belongs to none is logged as if this handler were not there."""

    def emit(self, record: logging.LogRecord) -> None:
        noise = _current.get()
        if noise is not None:
            line, stray = _line(record)
            noise.take(line, stray=stray)
            record.exc_info = record.exc_text = None  # whoever logs it too needs no traceback of the library's
        elif logging.lastResort is not None and not logging.getLogger().handlers:
            logging.lastResort.handle(record)


def _line(record: logging.LogRecord) -> tuple[str, bool]:
    """What a record says in a line, and whether it is a line of the server's that is no message."""
    error = record.exc_info[1] if record.exc_info else None
    errors = getattr(error, "errors", None)
    if callable(errors) and (found := errors(include_url=False)):
        printed = found[0].get("input")
        return printed if isinstance(printed, str) else json.dumps(printed, default=str), True
    reason = f": {type(error).__name__}: {error}" if error else ""
    return f"{record.levelname.lower()}: {record.getMessage()}{reason}", False
