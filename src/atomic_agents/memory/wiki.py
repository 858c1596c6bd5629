"""Pages that cite their sources: what is kept of a source, how a passage is cited, and whether a citation holds.

A source stands byte for byte in `raw/`, with a sidecar `<source>.source.md` that has its hash, and its text where the
bytes are none. A page names its sources with the hashes they had, and cites them in footnotes with their own words:
`[^1]: raw/oil.txt:14 — "Eight hours is too soon."`, or `raw/book.pdf#page=3` for a page.
"""

import datetime
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.core.change import ABSENT, Change, Put
from atomic_agents.core.document import Document, render
from atomic_agents.core.errors import DocumentUnreadable
from atomic_agents.core.store import Blob, normal_name
from atomic_agents.core.values import Problem
from atomic_agents.memory import extract
from atomic_agents.vault import index, layout, note
from atomic_agents.vault.note import Note
from atomic_agents.vault.vault import Vault

HASHES = "source_hashes"
"""The key of a page that has the hashes of its sources, in lines as `sha256sum` writes them."""
STALE = "stale_sources"
"""The key of a page that names those of its sources that have changed since."""

_SIDECAR = layout.raw_sidecar("")
_FOOTNOTE = re.compile(
    r"^\[\^(?P<mark>[\w-]+)\]:[ \t]*(?P<source>raw/.+?)(?::\d+|#page=\d+)?[ \t]+[—–-]+[ \t]+"
    r"[\"“](?P<quote>.+)[\"”][ \t]*$",
    re.MULTILINE,
)
_MARK = re.compile(r"\[\^([\w-]+)\](?!:)")
_QUOTES = str.maketrans("“”„‘’", '"""\'\'')


@dataclass(frozen=True, slots=True)
class Source:
    """A source as it is now: its path below the agent, its hash, and its text."""

    path: str
    sha256: str
    text: str


@dataclass(frozen=True, slots=True)
class Citation:
    """A footnote of a page, and the line of the file that it stands on."""

    mark: str
    source: str
    quote: str
    line: int


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a wiki."""

    note: Note
    document: Document

    @property
    def sources(self) -> tuple[str, ...]:
        """The files in `raw/` that it names, without the marks that Obsidian puts around them."""
        bare = (source.strip("[]").strip() for source in self.note.sources)
        return tuple(source for source in bare if source.startswith("raw/"))

    @property
    def hashes(self) -> Mapping[str, str]:
        """The hashes that its sources had, by path."""
        pairs = (line.partition("  ") for line in self.document.texts_of(HASHES))
        return {path: found for found, _, path in pairs}

    @property
    def stale(self) -> tuple[str, ...]:
        """The sources that are marked as changed since."""
        return self.document.texts_of(STALE)

    @property
    def citations(self) -> list[Citation]:
        """Its footnotes that cite a source."""
        first, body = self.document.body_line, self.document.body
        return [
            Citation(found["mark"], found["source"], found["quote"], first + body.count("\n", 0, found.start()))
            for found in _FOOTNOTE.finditer(body)
        ]


def check(vault: Vault, agent: str) -> Iterator[Problem]:
    """Every citation that does not hold, page that is stale and source that is not what was ingested, with its line."""
    sources = _Sources(vault, agent)
    for page in pages(vault, agent):
        yield from _check(page, sources)
    for path in source_paths(vault, agent):
        sidecar = vault.document(f"{agent}/{layout.raw_sidecar(path)}")
        stated = sidecar.meta.get("sha256") if sidecar else None
        found = sources.get(path)
        if sidecar is not None and found is not None and stated != found.sha256:
            hint = f"atomic-agents wiki ingest {agent} {path}"
            yield Problem(f"{agent}/{path}", 0, "is not what was ingested: its hash differs", hint, "warning")


def pages(vault: Vault, agent: str) -> list[Page]:
    """The pages of a wiki that can be read, in order of path."""
    found: list[Page] = []
    folder = layout.wiki(agent)
    for path in vault.store.paths(folder):
        file = path.removeprefix(folder)
        if not layout.is_note(file) or vault.is_sync_copy(path):
            continue
        try:
            document = vault.document(path)
        except DocumentUnreadable:
            continue  # doctor and lint say so
        if document is not None:
            found.append(Page(note.read(document, file), document))
    return found


def source_paths(vault: Vault, agent: str) -> list[str]:
    """The sources of a wiki, each as its path below the agent."""
    folder = layout.raw(agent)
    files = (path.removeprefix(folder) for path in vault.store.paths(folder))
    return [f"raw/{file}" for file in files if not file.endswith(_SIDECAR) and not _is_hidden(file)]


def source(vault: Vault, agent: str, path: str) -> Source | None:
    """A source by its path below the agent, with the text of its sidecar where it is none itself; None: not there."""
    blob = vault.store.read(f"{agent}/{path}") if _is_source(path) else None
    if blob is None:
        return None
    form = extract.form_of(path)
    if form is not None and form.is_text:
        return Source(path, _sha256(blob.data), extract.plain(blob.data))
    sidecar = vault.document(f"{agent}/{layout.raw_sidecar(path)}")
    return Source(path, _sha256(blob.data), sidecar.body if sidecar else "")


def file_name(name: str) -> str:
    """The name that a file has in `raw/`: letters, digits and `_.+@-`, as the published format has it."""
    return re.sub(r"[^\w.+@-]+", "_", normal_name(name)).lstrip(".") or "source"


def taken_in(
    vault: Vault, agent: str, file: str, data: bytes, *, origin: str, now: datetime.datetime
) -> tuple[Change, ...]:
    """What ingesting a file as `raw/<file>` changes: nothing where it is there as it is.

    Of a source that was otherwise the former bytes are kept, and the pages that name it are marked stale.

    Raises:
        UsageError, DocumentUnreadable: it cannot be read, as `extract.text_of` says.
    """
    path, form = f"raw/{file}", extract.form_of(file)
    text = extract.text_of(file, data)
    blob = vault.store.read(f"{agent}/{path}")
    side = f"{agent}/{layout.raw_sidecar(path)}"
    sidecar, side_blob = vault.document(side), vault.store.read(side)
    digest = _sha256(data)
    if blob is not None and blob.data == data and sidecar is not None and sidecar.meta.get("sha256") == digest:
        return ()
    meta: dict[str, object] = {
        "schema_version": CURRENT_SCHEMA_VERSION, "type": "raw_source", "name": file, "source": path, "sha256": digest,
        "mime_type": form.mime if form else "", "ingested_at": now.isoformat(timespec="seconds"), "from": origin,
    }  # fmt: skip
    body = "" if form is None or form.is_text else text
    changes: list[Change] = [
        Put(f"{agent}/{path}", data, expect=_expect(blob)),
        Put(side, render(meta, body), expect=_expect(side_blob)),
    ]
    if blob is not None and blob.data != data:
        kept = f"{layout.versions(layout.raw(agent), file)}{_stamp(now)}_{_sha256(blob.data)[:8]}"
        changes.append(Put(f"{kept}.{file.rpartition('.')[2]}", blob.data))
        naming = [page for page in pages(vault, agent) if path in page.sources]
        changes += [_put(page.document, {STALE: sorted({*page.stale, path})}) for page in naming]
    return tuple(changes)


def located(quote: str, found: Source) -> str | None:
    """Where a source has these words, as a citation states it: `:14` or `#page=3`; None where it does not have them.

    Spaces, line breaks and the shape of quotation marks do not count.
    """
    words = re.split(r"\s+", _folded(quote).strip())
    if not any(words):
        return None
    text = _folded(found.text)
    hit = re.search(r"\s+".join(map(re.escape, words)), text)
    if hit is None:
        return None
    page = extract.page_at(text, hit.start())
    return f"#page={page}" if page else f":{text.count(chr(10), 0, hit.start()) + 1}"


def footnote(mark: str, where: str, quote: str) -> str:
    """A citation as it stands in a page; `where` is the source and the place in it."""
    return f'[^{mark}]: {where} — "{" ".join(quote.split())}"'


def listed(text: str, file: str, name: str, hook: str, former: Note | None = None) -> str:
    """The index of a wiki with an entry for a page; one that is not as it was made for `former` stays."""
    new = index.entry(name, file, hook)
    old = index.entry(former.name, file, former.description) if former else ""
    lines = text.splitlines(keepends=True)
    entries = index.files(text)
    number = next((number for number, listed_file in entries if listed_file == file), 0)
    if number:
        line = lines[number - 1].rstrip("\r\n")
        lines[number - 1] = (new if line == old else line) + lines[number - 1][len(line) :]
        return "".join(lines)
    if not entries:
        return f"{text.rstrip() or '# Wiki Index'}\n\n{new}\n"
    last = entries[-1][0]
    above = "".join(lines[:last])
    return f"{above}{'' if above.endswith(chr(10)) else chr(10)}{new}\n{''.join(lines[last:])}"


def hash_lines(sources: Iterable[Source]) -> list[str]:
    """The lines of a page's front matter that have the hashes of its sources."""
    return [f"{found.sha256}  {found.path}" for found in sources]


def _check(page: Page, sources: "_Sources") -> Iterator[Problem]:
    document, agent = page.document, sources.agent
    again = f"atomic-agents wiki distill {agent} "
    for path in page.sources:
        found = sources.get(path)
        line = document.line_of("sources")
        if found is None:
            hint = f"put it back, or take it out of sources in {document.path}"
            yield Problem(document.path, line, f"cites {path}, which is not there", hint)
        elif path in page.stale or page.hashes.get(path, found.sha256) != found.sha256:
            yield Problem(document.path, line, f"is stale: {path} has changed since", again + path, "warning")
    marks = set(_MARK.findall(document.body))
    for citation in page.citations:
        marks.discard(citation.mark)
        found = sources.get(citation.source)
        where = found and located(citation.quote, found)
        if found is None and citation.source not in page.sources:
            message = f"cites {citation.source}, which is not there"
            yield Problem(document.path, citation.line, message, "correct the footnote in a text editor")
        elif found is not None and where is None:
            message = f"cites words that are not in {citation.source}: {_short(citation.quote)}"
            yield Problem(document.path, citation.line, message, again + citation.source)
    footnotes = set(re.findall(r"^\[\^([\w-]+)\]:", document.body, re.MULTILINE))
    for mark in sorted(marks - footnotes):
        line = document.body_line + document.body.count("\n", 0, document.body.find(f"[^{mark}]"))
        yield Problem(document.path, line, f"has no footnote {mark}", "add it, or take the mark away")


class _Sources:
    """The sources of an agent, each read once."""

    def __init__(self, vault: Vault, agent: str) -> None:
        self.agent = agent
        self._vault = vault
        self._known: dict[str, Source | None] = {}

    def get(self, path: str) -> Source | None:
        if path not in self._known:
            self._known[path] = source(self._vault, self.agent, path)
        return self._known[path]


def _is_source(path: str) -> bool:
    parts = path.split("/")
    return len(parts) > 1 and parts[0] == "raw" and set(parts).isdisjoint(("", ".", ".."))


def _is_hidden(file: str) -> bool:
    return any(part.startswith(".") for part in file.split("/")) or layout.is_index(file)


def _folded(text: str) -> str:
    """A text in which equal words are equal, line for line."""
    return text if text.isascii() else unicodedata.normalize("NFC", text).translate(_QUOTES)


def _put(document: Document, changes: Mapping[str, object]) -> Put:
    return Put(document.path, document.edit(changes).data, expect=_sha256(document.data))


def _expect(blob: Blob | None) -> str:
    return ABSENT if blob is None else blob.revision


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _stamp(now: datetime.datetime) -> str:
    return now.astimezone(datetime.UTC).strftime("%Y%m%dT%H%M%S%fZ")


def _short(text: str) -> str:
    return f'"{text}"' if len(text) <= 60 else f'"{text[:57]}…"'
