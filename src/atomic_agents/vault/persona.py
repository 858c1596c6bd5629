"""Who an agent is: its persona files and the mode they state."""

import re
from typing import Literal, NamedTuple

from atomic_agents.vault.markdown import sections

Mode = Literal["reactive", "goal-driven", "hybrid"]

_MODE = re.compile(r"\b(?:reactive|goal-driven|hybrid)\b", re.IGNORECASE)
_DENIED = re.compile(
    r"\b(?:not|never|no|nor|neither|without|(?:is|are|does|do)n['’]t)\b\W{1,8}(?:(?:a|an|in|be|run)\b\W{1,8})*$",
    re.IGNORECASE,
)
_BEFORE = 40


class Persona(NamedTuple):
    """The texts of the persona files, "" for one that is absent."""

    identity: str
    soul: str
    user: str

    @property
    def mode(self) -> Mode:
        """The first mode that `## Operating mode` names without denying it; reactive where it names none."""
        for section in sections(self.identity):
            if section.title.lower().startswith("operating mode"):
                text = "\n".join(line.text for line in section.lines)
                for found in _MODE.finditer(text):
                    if not _DENIED.search(text[max(0, found.start() - _BEFORE) : found.start()]):
                        return _mode(found[0].lower())
        return "reactive"


def _mode(text: str) -> Mode:
    if text == "goal-driven":
        return "goal-driven"
    return "hybrid" if text == "hybrid" else "reactive"
