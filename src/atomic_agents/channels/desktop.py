"""A notification on the desktop: `notify-send` on Linux, `osascript` on macOS."""

import html
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from atomic_agents.channels import process
from atomic_agents.core.channel import Message

_SCRIPT = (
    "on run argv", "display notification (item 2 of argv) with title (item 1 of argv)", "end run",
)  # fmt: skip
_BUS = "DBUS_SESSION_BUS_ADDRESS"
_PROGRAMS = {"linux": "notify-send", "darwin": "osascript"}


@dataclass(frozen=True, slots=True)
class Desktop:
    """The desktop of the user who runs this, on `platform` as Python calls it."""

    platform: str = sys.platform
    kind: str = "desktop"

    def check(self) -> str:
        """Whether the system's program is there."""
        program = _PROGRAMS.get(self.platform)
        return (
            process.missing(program)
            if program
            else f"desktop notifications are for Linux and macOS, and this is {self.platform}"
        )

    def send(self, message: Message, leaving: Callable[[], None]) -> str:
        """Show the notification."""
        if refused := self.check():
            return refused
        if self.platform == "darwin":
            lines = (part for line in _SCRIPT for part in ("-e", line))
            return process.run(["osascript", *lines, message.title, message.text], leaving)
        text = html.escape(message.text, quote=False)  # it may hold markup
        command = ["notify-send", "--app-name=atomic-agents", "--", message.title, text]
        return process.run(command, leaving, environ=_with_bus())


def opened(_values: Mapping[str, object]) -> Desktop:
    """The one there is."""
    return Desktop()


def _with_bus() -> dict[str, str]:
    """The environment with the way to the desktop, which cron does not give its jobs."""
    environ = dict(os.environ)
    if hasattr(os, "getuid") and _BUS not in environ:
        path = f"/run/user/{os.getuid()}/bus"
        if os.path.exists(path):
            environ[_BUS] = f"unix:path={path}"
    return environ
