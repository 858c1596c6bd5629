"""Typed reads of a vault; every write is a change set that the store applies."""

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.core.document import MAX_BYTES, Document, parse
from atomic_agents.core.errors import AgentMissing, DocumentUnreadable, PathRefused, SettingsInvalid, StorageFailed
from atomic_agents.core.store import Entry, Store
from atomic_agents.core.values import Problem, agent_name_problem, is_agent_name, key_of, near, parse_date, spellings
from atomic_agents.vault import layout, settings, shared
from atomic_agents.vault.cascade import SHARED_FILES, Cascade, candidate
from atomic_agents.vault.kinds import Kind, Layout, Place
from atomic_agents.vault.persona import Persona
from atomic_agents.vault.settings import ModelSettings, Settings, ToolSettings

if TYPE_CHECKING:
    from atomic_agents.vault.note import Note


@dataclass(frozen=True)
class Survey:
    """One listing of a vault: its documents in order of path and what each is."""

    entries: tuple[Entry, ...]

    @cached_property
    def layout(self) -> Layout:
        """What each path is."""
        return Layout(layout.agents(entry.path for entry in self.entries))

    @property
    def agents(self) -> tuple[str, ...]:
        """The agents' names, in order."""
        return self.layout.agents

    def of(self, *kinds: Kind, agent: str | None = None) -> Iterator[Entry]:
        """The documents of some kinds, of one agent or of all."""
        return (entry for entry, _ in self.placed(*kinds, agent=agent))

    def placed(self, *kinds: Kind, agent: str | None = None) -> Iterator[tuple[Entry, Place]]:
        """As `of`, each with where it stands."""
        for entry in self.entries:
            place = self.layout.place(entry.path)
            if place.kind in kinds and (agent is None or place.agent == agent):
                yield entry, place


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent that exists; `cascade` is None unless it inherits from a project."""

    name: str
    cascade: Cascade | None
    persona_home: str


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """What holds for an agent, with the file each part comes from and every problem in those files."""

    files: Mapping[str, Settings]
    model: ModelSettings
    tools: ToolSettings
    others: tuple[Problem, ...] = ()
    """What is wrong between files: the persona's link, the role."""
    inherited: tuple[Settings, ...] = ()
    """The `judges.md` and `mandates.md` of the vault and of the project, which hold next to the agent's own."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All of them, in order of file."""
        files = (*self.files.values(), *self.inherited)
        return (*(problem for found in files for problem in found.problems), *self.others)

    @property
    def version(self) -> int:
        """The lowest schema version among the files."""
        return min((found.version for found in self.files.values()), default=2)

    def check(self) -> None:
        """Refuse settings with errors.

        Raises:
            SettingsInvalid: carries all of them.
        """
        errors = [problem for problem in self.problems if problem.severity == "error"]
        if errors:
            raise SettingsInvalid(errors)


class Vault:
    """The documents of a store, read as what they mean."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.newer: dict[str, int] = {}
        """The documents that were read and that a newer package wrote, with their versions."""

    def survey(self) -> Survey:
        """List everything once."""
        return Survey(tuple(self.store.list()))

    def agent(self, name: str) -> Agent:
        """Open an agent by name or slash path.

        Raises:
            AgentMissing: with the nearest names there are.
        """
        name = name.strip("/")
        for spelling in spellings(name):
            if (found := self._agent(spelling)) is not None:
                return found
        names = self.survey().agents
        if (known := key_of(names, name)) != name and (found := self._agent(known)) is not None:
            return found
        if why := agent_name_problem(name):
            message = f"{name!r} cannot be the name of an agent: {why}"
            raise AgentMissing(message, hint="atomic-agents list", context={"agent": name, "agents": list(names)})
        meant = near(name, names) or [known for known in names if known.endswith(f"/{name}")]
        hint = f"did you mean {meant[0]}" if meant else "atomic-agents list"
        raise AgentMissing(f"there is no agent {name}", hint=hint, context={"agent": name, "agents": list(names)})

    def _agent(self, name: str) -> Agent | None:
        """The agent whose folder is spelled so, None where there is none."""
        if not is_agent_name(name) or any(self._is_agent(host) for host in layout.hosts(name)):
            return None
        if self.store.read(layout.identity(name)) is not None:
            return Agent(name, self._cascade(name), f"{name}/persona")
        link = self.store.read(layout.persona_link(name))
        return None if link is None else Agent(name, self._cascade(name), shared.home(link.data))

    def document(self, path: str) -> Document | None:
        """A document, or None where there is none.

        Raises:
            DocumentUnreadable: its bytes are not what the format says.
        """
        blob = self.store.read(path)
        if blob is None:
            return None
        return self.parse(path, blob.data)

    def parse(self, path: str, data: bytes) -> Document:
        """Read a document's bytes, and remember where a newer package wrote it.

        Raises:
            DocumentUnreadable: they are not what the format says.
        """
        document = parse(path, data)
        version = document.meta.get("schema_version")
        if isinstance(version, int) and version > CURRENT_SCHEMA_VERSION:
            self.newer[path] = version
        return document

    def text(self, path: str) -> str:
        """The text of a document, front matter and all; "" where there is none."""
        found = self.document(path)
        return found.text if found else ""

    def persona(self, agent: Agent) -> Persona:
        """The persona files; none where the link to a shared persona leads nowhere, which `settings` reports."""
        if not agent.persona_home:
            return Persona("", "", "")
        identity, soul, user = (self.text(f"{agent.persona_home}/{name}") for name in layout.PERSONA_FILES)
        return Persona(identity, soul, user)

    def settings(self, agent: Agent) -> AgentSettings:
        """The settings files that hold for an agent, its role's where it has none of its own."""
        role_home = agent.cascade.role_home if agent.cascade else ""
        found = {name: self._settings_file(agent, name) for name in layout.SETTINGS_FILES}
        override = found["tools.override.md"]
        if override is not None and role_home:
            found["tools.md"] = self.settings_of(layout.settings(role_home, "tools.md"), "tools.md")
        files = {name: value for name, value in found.items() if value is not None}
        tools = settings.tool_settings(files.get("tools.md"))
        if override is not None and role_home:
            tools = tools.extended(settings.tool_settings(override))
        others = (*shared.problems(self.store, agent.name), *self._role_problems(agent, files))
        model = settings.model_settings(files.get("model.md"))
        under = settings.under_policy(model, files.get("policy.md"), agent.name)
        return AgentSettings(files, under, tools, others, tuple(self._inherited(agent, files)))

    def settings_of(self, path: str, name: str) -> Settings | None:
        """One settings file."""
        try:
            document = self.document(path)
        except DocumentUnreadable as error:
            return settings.unreadable(name, error)
        return None if document is None else settings.read(name, document)

    def note(self, entry: Entry, file: str) -> "Note":
        """A note or wiki page from a listing.

        Raises:
            DocumentUnreadable: its bytes are not what the format says, or there are too many of them.
        """
        from atomic_agents.vault import note  # noqa: PLC0415 - 3 ms that a command without notes need not pay

        if entry.size > MAX_BYTES:
            message = f"is {entry.size / 1_048_576:,.0f} MiB; a document may hold {MAX_BYTES // 1_048_576} MiB"
            context = {"path": entry.path, "line": 0, "message": message}
            raise DocumentUnreadable(f"{entry.path}: {message}", hint="move it out of the vault", context=context)
        document = self.document(entry.path)
        if document is None:
            raise StorageFailed(f"{entry.path} went away while it was read", hint="run the command again")
        return note.read(document, file)

    def notes(self, agent: str) -> "tuple[list[Note], list[Problem]]":
        """Every note of an agent, and a problem for each that cannot be read."""
        found: list[Note] = []
        unreadable: list[Problem] = []
        for entry in self.store.list(layout.memory(agent)):
            file = entry.path.removeprefix(layout.memory(agent))
            if not is_note_file(file) or self.is_sync_copy(entry.path):
                continue
            try:
                found.append(self.note(entry, file))
            except DocumentUnreadable as error:
                unreadable.append(problem_of(error))
            except (StorageFailed, PathRefused) as error:
                unreadable.append(Problem(entry.path, 0, error.message, error.hint))
        return found, unreadable

    def is_sync_copy(self, path: str) -> bool:
        """Whether a document is the numbered copy that a sync tool made of the one beside it."""
        original = layout.copied_from(path)
        return bool(original) and self.store.read(original) is not None

    def journal_days(self, agent: str) -> list[tuple[datetime.date, str]]:
        """The days that have a journal and their paths, newest first."""
        days: list[tuple[datetime.date, str]] = []
        for entry in self.store.list(layout.journal(agent)):
            name = entry.path.rpartition("/")[2]
            day = parse_date(name.removesuffix(".md")) if name.endswith(".md") else None
            if day is not None:
                days.append((day, entry.path))
        return sorted(days, reverse=True)

    def _inherited(self, agent: Agent, files: Mapping[str, Settings]) -> Iterator[Settings]:
        known = {found.path for found in files.values()}
        homes = ("", agent.cascade.project_home) if agent.cascade else ("",)
        for name in ("judges.md", "mandates.md"):
            for path in (layout.settings(home, name) for home in homes):
                found = None if path in known else self.settings_of(path, name)
                if found is not None:
                    yield found

    def owner(self, path: str) -> str:
        """The agent in whose folder a path is, there being no listing to tell it by; "" for what belongs to none."""
        parts = path.split("/")[:-1]
        folders = ("/".join(parts[:depth]) for depth in range(1, len(parts) + 1))
        return next((name for name in folders if is_agent_name(name) and self._is_agent(name)), "")

    def _is_agent(self, name: str) -> bool:
        return any(self.store.read(path) for path in (layout.identity(name), layout.persona_link(name)))

    def _cascade(self, name: str) -> Cascade | None:
        """The role and project of an agent. Where the role is not there, what the project says still holds."""
        found = candidate(name)
        if found is None or (found.role_home and self._any(f"{found.role_home}/")):
            return found
        states = any(self.store.read(f"{found.project_home}/{file}") for file in SHARED_FILES)
        return replace(found, role_home="") if states or self._any(f"{found.project_home}/policy/") else None

    def _any(self, prefix: str) -> bool:
        return next(iter(self.store.paths(prefix)), None) is not None

    def _role_problems(self, agent: Agent, files: Mapping[str, Settings]) -> Iterator[Problem]:
        """A role that is looked for and not there, and additions to the tools of one that is not."""
        if agent.cascade is not None and agent.cascade.role_home:
            return
        wanted = candidate(agent.name)
        if wanted is not None and wanted.role_home:
            roles = f"{wanted.role_home.rpartition('/')[0]}/"
            names = sorted({path.removeprefix(roles).partition("/")[0] for path in self.store.paths(roles)})
            meant = near(wanted.role, names) or names
            if meant:
                own = {"model.md", "tools.md"} <= files.keys()
                hint = f"rename {roles}{meant[0]} or the agent's folder, so that both are called the same"
                message = f"there is no role {wanted.role}, so nothing of it holds for {agent.name}"
                yield Problem(wanted.role_home, 0, message, hint, "warning" if own else "error")
        if "tools.override.md" in files:
            message = "is not read: it adds to the tools.md of a role, and the agent has none"
            hint = "move what it says into tools.md"
            yield Problem(files["tools.override.md"].path, 0, message, hint, "warning")

    def _settings_file(self, agent: Agent, name: str) -> Settings | None:
        if name == "policy.md":  # the vault's, for every agent
            return self.settings_of(layout.settings("", name), name)
        own = self.settings_of(layout.settings(agent.name, name), name)
        if own is not None or agent.cascade is None:
            return own
        if name in ("tools.md", "model.md") and agent.cascade.role_home:
            return self.settings_of(layout.settings(agent.cascade.role_home, name), name)
        if name == "judges.md":
            return self.settings_of(layout.settings(agent.cascade.project_home, name), name)
        return None


def is_note_file(file: str) -> bool:
    """Whether a file below `memory/` or `wiki/` is a note or page rather than an index or something else."""
    return layout.is_note(file)


def problem_of(error: DocumentUnreadable) -> Problem:
    """An unreadable document as a problem."""
    line = error.context["line"]
    return Problem(
        str(error.context["path"]), line if isinstance(line, int) else 0, str(error.context["message"]), error.hint
    )
