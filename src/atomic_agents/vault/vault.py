"""Typed reads of a vault; every write is a change set that the store applies."""

import datetime
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from atomic_agents.core.document import MAX_BYTES, Document, parse
from atomic_agents.core.errors import AgentMissing, DocumentUnreadable, SettingsInvalid, StorageFailed
from atomic_agents.core.store import Entry, Store
from atomic_agents.core.values import Problem, is_agent_name
from atomic_agents.vault import layout, note, settings
from atomic_agents.vault.cascade import Cascade, candidate
from atomic_agents.vault.layout import Kind, Layout
from atomic_agents.vault.note import Note
from atomic_agents.vault.persona import Persona
from atomic_agents.vault.settings import ModelSettings, Settings, ToolSettings


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
        for entry in self.entries:
            place = self.layout.place(entry.path)
            if place.kind in kinds and (agent is None or place.agent == agent):
                yield entry


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

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All of them, in order of file."""
        return tuple(problem for found in self.files.values() for problem in found.problems)

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

    def survey(self) -> Survey:
        """List everything once."""
        return Survey(tuple(self.store.list()))

    def agent(self, name: str) -> Agent:
        """Open an agent by name or slash path.

        Raises:
            AgentMissing: with the nearest names there are.
        """
        name = name.strip("/")
        if is_agent_name(name):
            if self.store.read(layout.identity(name)) is not None:
                return Agent(name, self._cascade(name), f"{name}/persona")
            link = self.document(layout.persona_link(name))
            if link is not None:
                return Agent(name, self._cascade(name), f".personas/{_persona_id(link)}")
        names = self.survey().agents
        near = difflib.get_close_matches(name, names, 1) or [known for known in names if known.endswith(f"/{name}")]
        hint = f"did you mean {near[0]}" if near else "atomic-agents list"
        raise AgentMissing(f"there is no agent {name}", hint=hint, context={"agent": name, "agents": list(names)})

    def document(self, path: str) -> Document | None:
        """A document, or None where there is none.

        Raises:
            DocumentUnreadable: its bytes are not what the format says.
        """
        blob = self.store.read(path)
        return None if blob is None else parse(path, blob.data)

    def text(self, path: str) -> str:
        """The text of a document, front matter and all; "" where there is none."""
        found = self.document(path)
        return found.text if found else ""

    def persona(self, agent: Agent) -> Persona:
        """The persona files."""
        identity, soul, user = (self.text(f"{agent.persona_home}/{name}") for name in layout.PERSONA_FILES)
        return Persona(identity, soul, user)

    def settings(self, agent: Agent) -> AgentSettings:
        """The settings files that hold for an agent, its role's where it has none of its own."""
        found = {name: self._settings_file(agent, name) for name in layout.SETTINGS_FILES}
        if found["tools.override.md"] is not None and agent.cascade is not None and agent.cascade.role_home:
            found["tools.md"] = self.settings_of(layout.settings(agent.cascade.role_home, "tools.md"), "tools.md")
        files = {name: value for name, value in found.items() if value is not None}
        tools = settings.tool_settings(files.get("tools.md"))
        if "tools.override.md" in files:
            tools = _merged(tools, settings.tool_settings(files["tools.override.md"]))
        return AgentSettings(files, settings.model_settings(files.get("model.md")), tools)

    def settings_of(self, path: str, name: str) -> Settings | None:
        """One settings file."""
        try:
            document = self.document(path)
        except DocumentUnreadable as error:
            return settings.unreadable(name, error)
        return None if document is None else settings.read(name, document)

    def note(self, entry: Entry, file: str) -> Note:
        """A note or wiki page from a listing.

        Raises:
            DocumentUnreadable: its bytes are not what the format says, or there are too many of them.
        """
        if entry.size > MAX_BYTES:
            message = f"is {entry.size / 1_048_576:,.0f} MiB; a document may hold {MAX_BYTES // 1_048_576} MiB"
            context = {"path": entry.path, "line": 0, "message": message}
            raise DocumentUnreadable(f"{entry.path}: {message}", hint="move it out of the vault", context=context)
        document = self.document(entry.path)
        if document is None:
            raise StorageFailed(f"{entry.path} went away while it was read", hint="run the command again")
        return note.read(document, file)

    def notes(self, agent: str) -> tuple[list[Note], list[Problem]]:
        """Every note of an agent, and a problem for each that cannot be read."""
        found: list[Note] = []
        unreadable: list[Problem] = []
        for entry in self.store.list(layout.memory(agent)):
            file = entry.path.removeprefix(layout.memory(agent))
            if not is_note_file(file):
                continue
            try:
                found.append(self.note(entry, file))
            except DocumentUnreadable as error:
                unreadable.append(problem_of(error))
        return found, unreadable

    def journal_days(self, agent: str) -> list[tuple[datetime.date, str]]:
        """The days that have a journal and their paths, newest first."""
        days: list[tuple[datetime.date, str]] = []
        for entry in self.store.list(layout.journal(agent)):
            try:
                days.append((datetime.date.fromisoformat(entry.path[-13:-3]), entry.path))
            except ValueError:
                continue
        return sorted(days, reverse=True)

    def _cascade(self, name: str) -> Cascade | None:
        found = candidate(name)
        if found is None:
            return None
        shared = f"{found.role_home}/" if found.role_home else f"{found.project_home}/"
        for entry in self.store.list(shared):
            rest = entry.path.removeprefix(shared)
            if found.role_home or rest in ("canon.md", "style_guide.md") or rest.startswith("policy/"):
                return found
        return None

    def _settings_file(self, agent: Agent, name: str) -> Settings | None:
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
    name = file.rpartition("/")[2]
    return name.endswith(".md") and not name.startswith(("INDEX", ".")) and not file.startswith(".")


def problem_of(error: DocumentUnreadable) -> Problem:
    """An unreadable document as a problem."""
    line = error.context["line"]
    return Problem(
        str(error.context["path"]), line if isinstance(line, int) else 0, str(error.context["message"]), error.hint
    )


def _persona_id(link: Document) -> str:
    from_meta = link.meta.get("persona_id")
    if from_meta:
        return str(from_meta)
    for line in link.body.splitlines():
        if line.strip().startswith("persona_id:"):
            return line.partition(":")[2].strip().strip("'\"")
    return ""


def _merged(role: ToolSettings, override: ToolSettings) -> ToolSettings:
    return ToolSettings(
        read_paths=role.read_paths + override.read_paths,
        write_paths=role.write_paths + override.write_paths,
        read_only_paths=role.read_only_paths + override.read_only_paths,
        external_apis=role.external_apis + override.external_apis,
        hard_nos=role.hard_nos + override.hard_nos,
        classes={**(role.classes or {}), **(override.classes or {})},
    )
