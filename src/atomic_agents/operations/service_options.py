"""What was chosen for a deployed service, as it stands in the mark of its file."""

import json
import os
from dataclasses import asdict, dataclass

from atomic_agents.core.errors import UsageError

MARK = "atomic-agents deploy "


@dataclass(frozen=True, slots=True)
class Options:
    """What was chosen for a service; it stands in the mark of its file, and holds until something else is chosen."""

    host: str = ""
    port: int = 0
    env_file: str = ""
    user: str = ""
    processes: int = 0

    def mark(self, service: str) -> str:
        """The line of a service's file that `read` finds them in."""
        return f"{MARK}{json.dumps({'service': service, **asdict(self)})}"

    def listening(self, host: str, port: int) -> tuple[str, ...]:
        """What a server is told."""
        more = ("--processes", str(self.processes)) if self.processes else ()
        return ("--host", host, "--port", str(port), *more)


def read(mark: str) -> Options:
    """What a mark says; nothing where it cannot be read."""
    try:
        stated = json.loads(mark.removeprefix(MARK))
        host, env_file, user = (str(stated[name]) for name in ("host", "env_file", "user"))
        return Options(host, int(stated["port"]), env_file, user, int(stated.get("processes", 0)))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Options()


def check_private(path: str) -> None:
    """Refuse a file of keys that is not there, or that others can read.

    Raises:
        UsageError: it is one of these.
    """
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise UsageError(f"--env-file {path}: {error.strerror}", hint="a file of NAME=value lines") from error
    if os.name == "posix" and mode & 0o077:
        raise UsageError(f"--env-file {path}: others can read it", hint=f"chmod 600 {path}")
