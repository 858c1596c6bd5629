"""What an error code or a check of doctor means, and what to do about it: their docstrings, as the pages have them."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass

from atomic_agents.core.errors import AtomicAgentsError, UsageError
from atomic_agents.core.values import near

ERRORS_PAGE = "docs/reference/errors.md"
CHECKS_PAGE = "docs/reference/checks.md"


@dataclass(frozen=True, slots=True)
class Explanation:
    """A code, what it means in a sentence, what to do, and the page that says so; `exit_status` is an error's."""

    code: str
    kind: str
    meaning: str
    remedy: str
    page: str
    exit_status: int | None = None


def explain(code: str) -> Explanation:
    """The explanation of a code.

    Raises:
        UsageError: with the nearest code there is.
    """
    found = topics()
    if code not in found:
        meant = near(code.lower().replace("_", "-"), found, 1)
        hint = f"atomic-agents explain {meant[0]}" if meant else "atomic-agents explain"
        raise UsageError(f"there is no error and no check {code}", hint=hint)
    return found[code]


def topics() -> dict[str, Explanation]:
    """Every code with its explanation: the errors, then the checks."""
    # 20 ms that only who asks for checks needs; the checks import what they look at.
    from atomic_agents.operations import health  # noqa: PLC0415

    found = {error.code: of_error(error) for error in errors()}
    for name, check in (*health.OF_VAULT.items(), *health.OF_AGENTS.items()):
        found[name] = of_check(name, check)
    return found


def errors() -> Iterator[type[AtomicAgentsError]]:
    """Every error an operator can meet, those above before those below, in the order of the file."""
    waiting = list(AtomicAgentsError.__subclasses__())
    while waiting:
        error = waiting.pop(0)
        yield error
        waiting = [*error.__subclasses__(), *waiting]


def of_error(error: type[AtomicAgentsError]) -> Explanation:
    """The explanation of an error."""
    meaning, remedy = _docstring(error)
    return Explanation(error.code, "error", meaning, remedy, f"{ERRORS_PAGE}#{error.code}", error.exit_status)


def of_check(name: str, check: object) -> Explanation:
    """The explanation of a check; what it means is what holds where it has passed."""
    meaning, more = _docstring(check)
    remedy = more or "`atomic-agents doctor` says what is in its way, each with the command or edit that mends it."
    return Explanation(name, "check", meaning, remedy, f"{CHECKS_PAGE}#{name}")


def _docstring(thing: object) -> tuple[str, str]:
    """The first line and, in one line, the paragraph below it."""
    first, _, rest = (inspect.getdoc(thing) or "").partition("\n\n")
    return " ".join(first.split()), " ".join(rest.partition("\n\n")[0].split())
