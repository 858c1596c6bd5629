"""An agent's wiki: list and show pages, take sources in, have pages made of them, verify their citations."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from atomic_agents.core.change import ABSENT, Change, ChangeSet, Put
from atomic_agents.core.errors import AtomicAgentsError, DocumentMissing, UsageError
from atomic_agents.core.values import Problem, Usd, near
from atomic_agents.guard import secrets
from atomic_agents.memory import distill, extract, wiki
from atomic_agents.memory.distill import Draft, Reading, Written
from atomic_agents.memory.wiki import Page, Source
from atomic_agents.operations import asking, runs
from atomic_agents.operations.asking import Understood
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime.order import Order
from atomic_agents.runtime.prompt import estimate
from atomic_agents.runtime.states import RunState
from atomic_agents.vault import layout
from atomic_agents.vault.settings import ModelSettings

TRIGGER = "distill"
_LOCK_WAIT = 30.0
_LEAST_ROOM = 400  # tokens
_BYTES_A_TOKEN = 3  # the fence and a source in another script need the rest


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of one file: `raw/…`, and whether it is `new`, `changed`, `recorded`, `unchanged` or `skipped`."""

    origin: str
    path: str
    became: str
    stale: tuple[str, ...] = ()
    """The pages that name it and are stale now."""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One question: a source or a part of it, and the most that it can cost."""

    source: Source
    text: str
    most: Usd | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What distilling would ask; `idle` are sources that have pages which hold, `empty` those without a text."""

    agent: str
    model: str
    parts: tuple[Part, ...]
    idle: tuple[str, ...]
    empty: tuple[str, ...]

    @property
    def most(self) -> Usd | None:
        """The most it can cost, every answer being asked for twice."""
        known = [part.most for part in self.parts if part.most is not None]
        return sum(known, Decimal(0)) if len(known) == len(self.parts) else None

    @property
    def tokens(self) -> int:
        """About how many tokens are read."""
        return sum(estimate(distill.SYSTEM) + estimate(part.text) for part in self.parts)


@dataclass
class Distilled:
    """What came of distilling: pages by source, what was refused and why, and what it cost."""

    pages: list[tuple[str, str, bool]] = field(default_factory=list)
    """Source, file and whether the page was revised."""
    refused: list[str] = field(default_factory=list)
    cost: Usd = Decimal(0)
    runs: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    failure: AtomicAgentsError | None = None


def list_pages(workspace: Workspace, name: str) -> tuple[list[Page], list[str]]:
    """The pages of a wiki, and its sources."""
    workspace.require()
    agent = workspace.vault.agent(name).name
    return wiki.pages(workspace.vault, agent), wiki.source_paths(workspace.vault, agent)


def show(workspace: Workspace, name: str, wanted: str) -> str:
    """A page by its file or name, or the text of a source by its path `raw/…`.

    Raises:
        DocumentMissing: with the nearest there is.
    """
    found, sources = list_pages(workspace, name)
    agent = workspace.vault.agent(name).name
    bare = wanted.removeprefix(f"{agent}/")
    if bare.startswith("raw/"):
        source = wiki.source(workspace.vault, agent, bare)
        if source is not None:
            return source.text
    file = bare.removeprefix("wiki/")
    for page in found:
        if file.casefold() in {page.note.file, page.note.file.removesuffix(".md"), page.note.name.casefold()}:
            return page.document.text
    meant = near(file, [*(page.note.file for page in found), *sources])
    hint = f"did you mean {meant[0]}" if meant else f"atomic-agents wiki list {agent}"
    raise DocumentMissing(f"{agent} has no page {wanted}", hint=hint)


def verify(workspace: Workspace, name: str) -> list[Problem]:
    """Every citation that does not hold, every stale page, every source that is not what was ingested."""
    workspace.require()
    return list(wiki.check(workspace.vault, workspace.vault.agent(name).name))


def ingest(
    workspace: Workspace, name: str, path: str, *, dry_run: bool, anyway: bool = False
) -> Iterator[Ingested]:  # fmt: skip
    """Take a file in, or every file of a folder that can be read; each is a change of its own.

    Raises:
        UsageError: there is no such file, its form is none that is read, or it is a URL.
        SecretRefused: it holds what looks like a key; `anyway` goes on. Of a folder such files are skipped.
    """
    workspace.require()
    agent = workspace.vault.agent(name).name
    if "://" in path:
        raise UsageError(f"{path} is not fetched", hint="save it as a file, and name that")
    given = Path(path).expanduser()
    if not given.exists():
        inside = workspace.store.read(f"{agent}/{path}") if path.startswith("raw/") else None
        if inside is None:
            raise UsageError(f"there is no file {path}", hint=f"atomic-agents wiki ingest {agent} FILE")
        yield _taken_in(workspace, agent, path, path.removeprefix("raw/"), inside.data, dry_run=dry_run, anyway=anyway)
        return
    if given.is_file():
        file = wiki.file_name(given.name)
        yield _taken_in(workspace, agent, str(given), file, given.read_bytes(), dry_run=dry_run, anyway=anyway)
        return
    for found in _files(given):
        parts = [wiki.file_name(part) for part in found.relative_to(given).parts]
        file = "/".join([wiki.file_name(given.resolve().name), *parts])
        if extract.form_of(found.name) is None:
            yield Ingested(str(found), "", "skipped", why="its form is none that is read")
            continue
        try:
            yield _taken_in(workspace, agent, str(found), file, found.read_bytes(), dry_run=dry_run, anyway=anyway)
        except AtomicAgentsError as error:
            yield Ingested(str(found), "", "skipped", why=error.message)


def plan(workspace: Workspace, name: str, wanted: str | None, *, model_id: str | None) -> Plan:
    """What distilling a source, or all that have no pages which hold, would ask; nothing is asked.

    Raises:
        DocumentMissing: there is no such source.
    """
    workspace.require()
    agent = workspace.vault.agent(name)
    settings = runs.checked_settings(workspace, agent)
    model = runs.model_id_of(settings, agent, model_id)
    asking.needs_writer(model, "distilling")
    pages = wiki.pages(workspace.vault, agent.name)
    idle: list[str] = []
    empty: list[str] = []
    parts: list[Part] = []
    for path in _wanted(workspace, agent.name, wanted):
        source = wiki.source(workspace.vault, agent.name, path)
        if source is None or not source.text.strip():
            empty.append(path)
        elif wanted is None and not _is_due(source, pages):
            idle.append(path)
        else:
            parts += _parts(workspace, settings.model, model, source, [page for page in pages if path in page.sources])
    return Plan(agent.name, model, tuple(parts), tuple(idle), tuple(empty))


def distil(
    workspace: Workspace, name: str, wanted: str | None, *, model_id: str | None, critical: bool, max_cost: Usd | None,
    on_notice: Callable[[str], None], progress: Callable[[str, int, int], None],
) -> Distilled:  # fmt: skip
    """Ask for pages, source by source; those that hold are written with the log line of the run that made them."""
    planned = plan(workspace, name, wanted, model_id=model_id)
    left = (planned.most or None) if max_cost is None else max_cost  # a model that is free needs no cap
    done, heard = Distilled(), asking.once(on_notice)
    answered = False
    for number, part in enumerate(planned.parts, 1):
        progress("distilling", number - 1, len(planned.parts))
        writing = _Writing(workspace, planned.agent, part.source)
        head = f"{part.source.path}, part {number} of {len(planned.parts)}"
        order = Order(f"{head}\n\n{part.text}", TRIGGER, critical, capture=False, max_cost=left)
        with runs.bench_of(workspace, name, model_id=model_id, on_notice=heard) as bench:
            asked = asking.ask(bench, order, (distill.SYSTEM,), understand=writing.understand, keep=writing.keep)
        done.runs += [result.run_id for result in asked.runs]
        done.warnings += [warning for result in asked.runs for warning in result.warnings]
        done.cost += asked.cost
        left = None if left is None else max(left - asked.cost, Decimal(0))
        if writing.is_written:
            done.pages += [(part.source.path, page.file, page.revised) for page in writing.written]
        done.refused += asked.dropped
        answered = answered or asked.value is not None
        done.failure = asked.failure or done.failure
        if asked.failure is not None and not asked.unanswered:
            return done
        done.refused += [f"{head}: {asked.failure.message}"] if asked.failure and not asked.dropped else []
    done.failure = None if answered else done.failure
    return done


@dataclass
class _Writing:
    """Makes pages of one answer and writes them with its run's log line."""

    workspace: Workspace
    agent: str
    source: Source
    written: list[Written] = field(default_factory=list)

    @property
    def is_written(self) -> bool:
        """Whether the vault has the pages: the change set that brings them was applied."""
        puts = [change for page in self.written for change in page.changes if isinstance(change, Put)]
        blobs = [self.workspace.store.read(change.path) for change in puts]
        return all(blob is not None and blob.data == put.data for blob, put in zip(blobs, puts, strict=True))

    def understand(self, text: str) -> Understood[list[Draft]]:
        """The pages in an answer, and what is wrong with the others."""
        vault, agent = self.workspace.vault, self.agent
        naming = (page for page in wiki.pages(vault, agent) if self.source.path in page.sources)
        others = {path for page in naming for path in page.sources} - {self.source.path}
        also = [found for path in sorted(others) if (found := wiki.source(vault, agent, path))]
        reading = Reading(self.source, also, secrets=self.workspace.secrets)
        drafts = reading.drafts(asking.as_object(text))
        return Understood(drafts, tuple(reading.wrong), empty=bool(reading.wrong) and not drafts)

    def keep(self, drafts: list[Draft], _state: RunState, _record: Mapping[str, object]) -> Sequence[Change]:
        """The pages and the index as they are to be."""
        vault, agent, now = self.workspace.vault, self.agent, self.workspace.clock()
        self.written = []
        taken: set[str] = set()
        pages = wiki.pages(vault, agent)
        former = {page.note.file: page.note for page in pages}
        blob = vault.store.read(layout.wiki_index(agent))
        before = text = blob.data.decode(errors="surrogateescape") if blob else ""
        for draft in drafts:
            page = distill.written(agent, draft, pages, of=self.source.path, taken=taken, now=now)
            taken.add(page.file)
            self.written.append(page)
            old = former.get(page.file)
            text = wiki.listed(text, page.file, draft.name, draft.description, old)
        changes = [change for page in self.written for change in page.changes]
        if text != before:
            data = text.encode(errors="surrogateescape")
            changes.append(Put(layout.wiki_index(agent), data, expect=blob.revision if blob else ABSENT))
        return changes


def _taken_in(
    workspace: Workspace, agent: str, origin: str, file: str, data: bytes, *, dry_run: bool, anyway: bool
) -> Ingested:  # fmt: skip
    path = f"raw/{file}"
    with workspace.store.lock(f"agent/{agent}", wait=_LOCK_WAIT):
        blob = workspace.store.read(f"{agent}/{path}")
        changes = wiki.taken_in(
            workspace.vault, agent, file, data, origin=os.path.basename(origin), now=workspace.clock()
        )
        if not anyway:
            _refuse_secrets(workspace, f"{agent}/{path}", changes, origin)
        if changes and not dry_run:
            workspace.store.apply(ChangeSet(f"ingest {path}", changes))
    folder = layout.wiki(agent)
    stale = tuple(change.path.removeprefix(folder) for change in changes if change.path.startswith(folder))
    changed = blob is not None and blob.data != data
    became = "changed" if changed else "unchanged" if not changes else "new" if blob is None else "recorded"
    return Ingested(origin, path, became, stale)


def _refuse_secrets(workspace: Workspace, path: str, changes: Sequence[Change], origin: str) -> None:
    """Refuse a source that has a key or a password which it did not have before."""
    for change in changes:
        if isinstance(change, Put) and change.path in (path, layout.raw_sidecar(path)):
            blob = workspace.store.read(change.path)
            before = blob.data.decode(errors="replace") if blob else ""
            secrets.refuse(origin, change.data.decode(errors="replace"), workspace.secrets, before=before)


def _files(folder: Path) -> Iterator[Path]:
    """The files of a folder, in order, without what is hidden."""
    for found in sorted(folder.rglob("*")):
        if found.is_file() and not any(part.startswith(".") for part in found.relative_to(folder).parts):
            yield found


def _wanted(workspace: Workspace, agent: str, wanted: str | None) -> list[str]:
    there = wiki.source_paths(workspace.vault, agent)
    if wanted is None:
        return there
    path = f"raw/{wanted.removeprefix(f'{agent}/').removeprefix('raw/')}"
    if path in there:
        return [path]
    meant = near(path, there)
    hint = f"did you mean {meant[0]}" if meant else f"atomic-agents wiki ingest {agent} FILE"
    raise DocumentMissing(f"{agent} has no source {wanted}", hint=hint)


def _is_due(source: Source, pages: Sequence[Page]) -> bool:
    """Whether a source has no page, or one of its pages was made of what it was before."""
    naming = [page for page in pages if source.path in page.sources]
    return not naming or any(
        source.path in page.stale or page.hashes.get(source.path, source.sha256) != source.sha256 for page in naming
    )


def _parts(
    workspace: Workspace, settings: ModelSettings, model: str, source: Source, before: Sequence[Page]
) -> Iterator[Part]:  # fmt: skip
    head = f"{source.path}, part 1000 of 1000\n\n"
    room = asking.room(settings, (distill.SYSTEM,), head + distill.question("", source.path, before))
    room -= asking.AGAIN_TOKENS
    for text in distill.parts(source.text, max(room, _LEAST_ROOM) * _BYTES_A_TOKEN):
        asked = distill.question(text, source.path, before)
        yield Part(source, asked, asking.most(workspace, model, settings, (distill.SYSTEM,), head + asked))
