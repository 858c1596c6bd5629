"""Skills in the open SKILL.md format, and AGENTS.md: what the operator says beyond the persona."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from atomic_agents.core.document import parse
from atomic_agents.core.errors import AtomicAgentsError
from atomic_agents.core.values import Problem
from atomic_agents.vault import hands
from atomic_agents.vault.vault import Agent, Vault

MAX_DESCRIPTION = 1024
_MAX_LINES = 500
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True)
class Skill:
    """A skill: what the prompt says of it, and the folder (with its slash) with its text and its files."""

    name: str
    description: str
    when: str
    folder: str
    body: str
    problems: tuple[Problem, ...] = ()

    @property
    def path(self) -> str:
        """Its SKILL.md."""
        return f"{self.folder}{hands.SKILL_FILE}"

    @property
    def sound(self) -> bool:
        """Whether it can be offered."""
        return not any(problem.severity == "error" for problem in self.problems)


def homes(agent: Agent) -> tuple[str, ...]:
    """Where the operator speaks to an agent: the vault, its role, the agent itself."""
    role = (agent.cascade.role_home,) if agent.cascade and agent.cascade.role_home else ()
    return ("", *role, agent.name)


def skills(vault: Vault, agent: Agent) -> list[Skill]:
    """The skills that an agent has, in order of name; of equal names the agent's own wins, then its role's."""
    found: dict[str, Skill] = {}
    shadowed: list[Skill] = []
    for home in homes(agent):
        for skill in _in_folder(vault, hands.skills(home)):
            former = found.get(skill.name)
            if former is not None and former.folder.startswith(hands.skills(home)):
                message = f"is called {skill.name}, as {former.path} is"
                shadowed.append(_with(skill, Problem(skill.path, 0, message, "give it a name of its own")))
                continue
            found[skill.name] = skill
    return sorted((*found.values(), *shadowed), key=lambda skill: (skill.name, skill.folder))


def agents_files(vault: Vault, agent: Agent) -> Iterator[tuple[str, str]]:
    """Path and text of each AGENTS.md that speaks to an agent: the vault's, its role's, its own."""
    for home in homes(agent):
        path = hands.agents_file(home)
        text = vault.text(path).strip()
        if text:
            yield path, text


def _in_folder(vault: Vault, folder: str) -> Iterator[Skill]:
    for path in vault.store.paths(folder):
        parts = path.removeprefix(folder).split("/")
        if len(parts) == 2 and parts[1] == hands.SKILL_FILE and not parts[0].startswith((".", "_")):
            yield _read(vault, f"{folder}{parts[0]}/")


def _read(vault: Vault, folder: str) -> Skill:
    path = f"{folder}{hands.SKILL_FILE}"
    at = folder.rstrip("/").rpartition("/")[2]
    try:
        blob = vault.store.read(path)
        document = parse(path, blob.data if blob else b"")
    except AtomicAgentsError as error:
        return Skill(at, "", "", folder, "", (Problem(path, 0, error.message.removeprefix(f"{path}: "), error.hint),))
    problems: list[Problem] = []
    name, description = (document.written(key).strip() for key in ("name", "description"))
    if not _NAME.fullmatch(name):
        message = f"name is {name!r}; small letters, digits and - are needed, 64 at most" if name else "has no name"
        problems.append(Problem(path, document.line_of("name"), message, f"write name: {at}"))
    elif name != at:
        message = f"name is {name} and the folder is {at}"
        problems.append(Problem(path, document.line_of("name"), message, f"write name: {at}", "warning"))
    if not description:
        problems.append(Problem(path, document.line_of("description"), "has no description", "write description: …"))
    elif len(description) > MAX_DESCRIPTION:
        message = f"description has {len(description):,} characters; the prompt shows {MAX_DESCRIPTION:,}"
        problems.append(Problem(path, document.line_of("description"), message, "shorten it", "warning"))
    lines = document.body.count("\n")
    if lines > _MAX_LINES:
        message = f"has {lines:,} lines; {_MAX_LINES} are read with ease"
        problems.append(Problem(path, 0, message, "move parts into files beside it", "warning"))
    when = " ".join(document.text_of("when_to_use").split())
    return Skill(name or at, " ".join(description.split()), when, folder, document.body.strip(), tuple(problems))


def _with(skill: Skill, problem: Problem) -> Skill:
    return Skill(skill.name, skill.description, skill.when, skill.folder, skill.body, (*skill.problems, problem))
