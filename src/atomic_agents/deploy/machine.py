"""The services of this machine, whatever runs them."""

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from atomic_agents.core.service import Service
from atomic_agents.deploy import cron, launchd, systemd

FINDERS: Mapping[str, Callable[[Path], Iterator[Service]]] = {
    "launchd": launchd.find,
    "systemd": systemd.find,
    "cron": cron.find,
}
_SECONDS = 60


@dataclass(frozen=True, slots=True)
class MachineServices:
    """The services of one user, whose home is `home`."""

    home: Path

    def found(self) -> Sequence[Service]:
        """Every service of ours, by its label."""
        return [service for find in FINDERS.values() for service in find(self.home)]

    def restart(self, service: Service) -> str:
        """Restart one; "" where that worked, otherwise what is in the way."""
        program = service.restart[0]
        if shutil.which(program) is None:
            return f"{program} is not on the PATH"
        try:
            done = subprocess.run(
                service.restart, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                timeout=_SECONDS, check=False,
            )  # fmt: skip
        except OSError as error:
            return f"{program}: {error.strerror or error}"
        except subprocess.TimeoutExpired:
            return f"{program} did not end within {_SECONDS} s"
        if done.returncode == 0:
            return ""
        said = (done.stderr or done.stdout).strip().splitlines()
        return f"{program} ended with {done.returncode}" + (f": {said[-1]}" if said else "")
