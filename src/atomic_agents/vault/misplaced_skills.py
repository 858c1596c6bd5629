"""Skills that no run has, because their file has another name or place than `skills/NAME/SKILL.md`."""

import re
import shlex
from collections import defaultdict
from collections.abc import Iterator, Sequence

from atomic_agents.core.values import Problem, Severity
from atomic_agents.vault import hands, skill
from atomic_agents.vault.vault import Agent, Vault

_FOLDERS = ("skills/", "Skills/", "SKILLS/", "skill/", "Skill/")
_TEXTS = frozenset(("md", "markdown", "mdx", "txt"))
_ABOUT = frozenset(("readme", "index", "license", "licence", "changelog", "contributing"))
"""Files that are about the skills and are none."""


def find(vault: Vault, agent: Agent) -> list[Problem]:
    """Each such skill of the vault, of the agent's role and of the agent, with the command that puts it right."""
    return [problem for home in skill.homes(agent) for problem in _in_home(vault, home)]


def _in_home(vault: Vault, home: str) -> Iterator[Problem]:
    right = hands.skills(home)
    above = right.removesuffix(_FOLDERS[0])
    seen: set[str] = set()
    for name in _FOLDERS:
        groups: dict[str, list[list[str]]] = defaultdict(list)
        for path in vault.store.paths(above + name):
            parts = path.removeprefix(above + name).split("/")
            if path.casefold() not in seen and not any(part.startswith((".", "_")) for part in parts):
                groups[parts[0] if len(parts) > 1 else ""].append(parts)
        seen |= {f"{above}{name}{'/'.join(parts)}".casefold() for files in groups.values() for parts in files}
        for folder, files in groups.items():
            at = _Folder(above + name, right)
            yield from at.inside(folder, files) if folder else at.flat(files)


class _Folder:
    """A folder of skills at `at`, while the one that counts is `right`."""

    def __init__(self, at: str, right: str) -> None:
        self.at, self.right = at, right

    def flat(self, files: Sequence[Sequence[str]]) -> Iterator[Problem]:
        """Texts that stand in the folder itself."""
        for (name,) in files:
            stem, _, ending = name.rpartition(".")
            if ending.casefold() in _TEXTS and stem.casefold() not in _ABOUT:
                wanted = "NAME" if stem.casefold() == "skill" else _slug(stem)
                yield self._problem([name], "is no skill: each has a folder of its own", wanted)

    def inside(self, folder: str, files: Sequence[Sequence[str]]) -> Iterator[Problem]:
        """What stands in one folder of it."""
        has_skill = [folder, hands.SKILL_FILE] in files and self.at == self.right
        found = [parts for parts in files if _is_called_skill(parts[-1])]
        for parts in found:
            if len(parts) > 2 and (not has_skill or parts[-1] == hands.SKILL_FILE):
                severity: Severity = "warning" if has_skill else "error"
                wanted = _slug("-".join(parts[:-1]))
                yield self._problem(parts, "is no skill: it stands deeper than skills/NAME/", wanted, severity)
            elif not has_skill:
                message = f"is no skill: it must be called skills/{folder}/{hands.SKILL_FILE}"
                yield self._problem(parts, message, folder)
        if not found:
            path = f"{self.at}{folder}/"
            yield Problem(path, 0, f"is no skill: it has no {hands.SKILL_FILE}", f"write {path}{hands.SKILL_FILE}")

    def _problem(self, parts: Sequence[str], message: str, name: str, severity: Severity = "error") -> Problem:
        path, folder = f"{self.at}{'/'.join(parts)}", f"{self.right}{name}"
        make = "" if path.startswith(f"{folder}/") else f"mkdir -p {shlex.quote(folder)} && "
        hint = f"{make}mv {shlex.quote(path)} {shlex.quote(f'{folder}/{hands.SKILL_FILE}')}"
        return Problem(path, 0, message, hint, severity)


def _is_called_skill(name: str) -> bool:
    stem, _, ending = name.rpartition(".")
    return stem.casefold() == "skill" and ending.casefold() in _TEXTS


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.casefold()).strip("-")[:64] or "NAME"
