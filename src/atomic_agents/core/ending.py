"""How a run can end: a closed set, with the exit code and the published log status of each."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

LogStatus = Literal["ok", "skipped", "error"]


class Ending(StrEnum):
    """How a run ended; the same word in the log line, in lists, in alerts and at every door."""

    OK = "ok"
    """The model gave a whole answer."""
    TRUNCATED = "truncated"
    """The answer was cut at its maximum length."""
    REFUSED = "refused"
    """The model or its provider declined to answer."""
    EMPTY = "empty"
    """The model said nothing, or thought and never answered."""
    EXHAUSTED = "exhausted"
    """Every round was used for tools, and the answer never came."""
    SKIPPED = "skipped"
    """A cap forbade the next request."""
    WAITING = "waiting"
    """A call waits for the operator."""
    CONTINUED = "continued"
    """It waited, and another run has gone on with it; its log line says that it waited."""
    ERROR = "error"
    """Something failed."""
    INTERRUPTED = "interrupted"
    """It was stopped."""
    CRASHED = "crashed"
    """Its process died before it could say how it ended."""

    @property
    def exit_status(self) -> int:
        """The exit code of a command whose run ended so, where no error has a more exact one."""
        return _EXIT_STATUS[self]

    @property
    def log_status(self) -> LogStatus:
        """The status of the published log format, which other readers of a vault know."""
        return _LOG_STATUS.get(self, "error")

    @property
    def unanswered(self) -> bool:
        """Whether the model was asked and gave no whole answer, without any error."""
        return self in _UNANSWERED


_UNANSWERED = frozenset({Ending.TRUNCATED, Ending.REFUSED, Ending.EMPTY, Ending.EXHAUSTED})

_EXIT_STATUS: Mapping[Ending, int] = {
    Ending.OK: 0,
    Ending.TRUNCATED: 8,
    Ending.REFUSED: 8,
    Ending.EMPTY: 8,
    Ending.EXHAUSTED: 8,
    Ending.SKIPPED: 3,
    Ending.WAITING: 4,
    Ending.CONTINUED: 0,
    Ending.ERROR: 1,
    Ending.INTERRUPTED: 130,
    Ending.CRASHED: 1,
}

_LOG_STATUS: Mapping[Ending, LogStatus] = {
    Ending.OK: "ok",
    Ending.SKIPPED: "skipped",
    Ending.WAITING: "ok",
    Ending.CONTINUED: "ok",
}
