"""How what a model remembers becomes a note, revises one or supersedes some; returns changes and never writes."""

import datetime
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.core.change import Change
from atomic_agents.core.document import REMOVE, Document, parse, render
from atomic_agents.core.errors import AtomicAgentsError, DocumentUnreadable
from atomic_agents.guard.paths import PathPolicy
from atomic_agents.guard.secrets import lines_with_secrets
from atomic_agents.memory import alike, vouching
from atomic_agents.memory import capture as captures
from atomic_agents.memory.notebook import Notebook, file_of
from atomic_agents.vault import index, layout, note
from atomic_agents.vault.note import Note
from atomic_agents.vault.vault import Vault

Became = Literal["written", "revised", "known", "rejected"]
CAPTURE_SCHEMA = captures.CAPTURE_SCHEMA


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a capture: the note's file ("" where rejected) and, in words for the model, what and why."""

    became: Became
    file: str
    message: str


@dataclass
class Captures:
    """The captures of one run, folded into one change set: a later one sees what an earlier one wrote."""

    vault: Vault
    agent: str
    paths: PathPolicy
    today: datetime.date
    said_by_operator: str
    """The work item where the operator typed it; they vouch for what it asks to remember, for nothing else in it."""
    reason: str = "captured"
    accept_tool_notes: bool = False
    """Whether the operator's tools.md accepts notes of what a tool said, unseen."""
    secrets: Sequence[str] = ()
    """What must not be kept in clear, beside what has the shape of a key."""
    outcomes: list[Outcome] = field(default_factory=list)
    taken: list[object] = field(default_factory=list)
    _recalled: list[str] = field(default_factory=list)
    _told: list[str] = field(default_factory=list)
    _answers: list[str] = field(default_factory=list)
    _settled: bool = False
    _book: Notebook = field(init=False)

    def __post_init__(self) -> None:
        self._book = Notebook(self.vault, self.agent, self.paths.may_write, self.today)

    def recalled(self, text: str) -> None:
        """Take note of what the model was shown of its own memory: the same again is not worth remembering."""
        self._recalled.append(text)

    def answered(self, text: str) -> None:
        """Take note of what the operator has answered in this run: they vouch for an answer as a whole."""
        self._answers.append(text)

    def told(self, text: str) -> None:
        """Take note of what a tool said: only a tool can vouch for it."""
        self._told.append(text)

    def vouch(self, body: str, claimed: str) -> dict[str, object]:
        """The fields that say who vouches for a text that the model wrote itself, in a capture or in a file."""
        found = vouching.provenance(body, claimed, self._told)
        if found == "tool" and self.accept_tool_notes:
            return {"provenance": found, "accepted": self.today.isoformat()}
        return {"provenance": found}

    def add(self, capture: object) -> Outcome:
        """Take a capture in, or say why not. Nothing of a refused capture is kept, and the model is told."""
        self._book.today = self.today
        mark = self._book.mark()
        try:
            outcome = self._add(capture)
        except _Refused as refused:
            outcome = Outcome("rejected", "", f"not remembered: {refused}")
        except AtomicAgentsError as error:
            outcome = Outcome("rejected", "", f"not remembered: {error.message}")
        if outcome.became == "rejected":
            self._book.back_to(mark)
        else:
            self.taken.append(capture)
        self.outcomes.append(outcome)
        return outcome

    def again(self) -> "Captures":
        """The same captures folded over the documents as they are now, after somebody wrote meanwhile."""
        rejected = [outcome for outcome in self.outcomes if outcome.became == "rejected"]
        fresh = replace(self, outcomes=rejected, taken=[], _settled=True)
        for capture in self.taken:
            fresh.add_late(capture, self._book)
        return fresh

    def add_late(self, capture: object, earlier: Notebook | None = None) -> None:
        """Take a capture in that was taken in `earlier` and that the model cannot be asked about any more.

        Where the note that it revises was edited since, or is gone, it becomes a note of its own, and says so.
        """
        edited = self._edited(capture, earlier)
        if (not edited and self.add(capture).became != "rejected") or not isinstance(capture, dict):
            return
        plain = {key: value for key, value in capture.items() if key not in ("merge_into", "supersedes")}
        if not edited:
            rejected = self.outcomes.pop()
            if plain == capture or self.add(plain).became == "rejected":
                self.outcomes.append(rejected)
        elif (outcome := self.add(plain)).became != "rejected":
            message = f"{edited} was edited meanwhile and stays as it is; {outcome.message}"
            self.outcomes[-1] = replace(outcome, message=message)

    def changes(self) -> tuple[Change, ...]:
        """What the captures so far change, expecting the documents as they were read."""
        return self._book.changes()

    def record(self) -> tuple[Change, ...]:
        """The record of `changes`, with which they can be undone."""
        return self._book.record("remember", by="agent", reason=self.reason)

    def _edited(self, capture: object, earlier: Notebook | None) -> str:
        """The note that a capture revises, where somebody has edited its text since; "" where nobody has."""
        file = str(capture.get("merge_into") or "").rpartition("/")[2] if isinstance(capture, dict) else ""
        path = layout.note(self.agent, file)
        before = earlier.was(path) if earlier else None
        if not file or before is None or self._book.read(path) is None:
            return ""
        there = self._book.was(path)
        return file if there is not None and _body(path, there) != _body(path, before) else ""

    def _add(self, capture: object) -> Outcome:
        wrong = captures.wrong(capture)
        if wrong or not isinstance(capture, dict):
            raise _Refused(wrong)
        if any(lines_with_secrets(text, self.secrets) for value in capture.values() for text in note.texts(value)):
            raise _Refused("it holds what looks like a key or a password; leave that out, and say where it is kept")
        if not self.paths.may_write(layout.note(self.agent, "user_x.md")):
            raise _Refused("tools.md allows no writing in memory/")
        superseded = self._superseded(capture)
        capture = self._in_the_operators_words(capture)
        merge_into = capture.get("merge_into")
        if merge_into:
            return self._revise(capture, str(merge_into).rpartition("/")[2], superseded)
        return self._write(capture, superseded)

    def _write(self, capture: Mapping[str, object], superseded: Sequence[Document]) -> Outcome:
        plain = note.file_name(str(capture["type"]), str(capture["name"]))
        existing = self._book.document(plain)
        if existing is not None and not superseded and _says_the_same(existing, capture):
            self._book.put(existing.edit({"last_seen": self.today.isoformat()}))
            return Outcome("known", plain, f"known already: {plain}")
        if not superseded and not self._settled:
            self._refuse_loop(capture)
            self._refuse_contradiction(capture)
        file = self._book.free_file(str(capture["type"]), str(capture["name"]))
        meta = self._meta(capture)
        if superseded:
            meta["supersedes"] = [file_of(document) for document in superseded]
        document = parse(layout.note(self.agent, file), render(meta, str(capture["body"])))
        self._book.put(document)
        written = note.read(document, file)
        self._supersede(superseded, file)
        if written.held:
            message = f"kept as {file}; a tool said it, so nothing of it is loaded before the operator accepts it"
            return Outcome("written", file, message)
        self._book.index(written)
        message = f"remembered as {file}"
        if existing is not None and existing.path not in [document.path for document in superseded]:
            message += (
                f"; {plain} has the same name: if both say the same, send the joined text with merge_into {plain}"
            )
        return Outcome("written", file, message)

    def _revise(self, capture: Mapping[str, object], file: str, superseded: Sequence[Document]) -> Outcome:
        document = self._book.document(file)
        if document is None:
            raise _Refused(f"there is no note {file} to merge into; see INDEX.md")
        before = note.read(document, file)
        if before.superseded_by or before.archived:
            hint = f"merge into {before.superseded_by}" if before.superseded_by else "send it without merge_into"
            raise _Refused(f"{file} is not current any more: {hint}")
        superseded = [other for other in superseded if other.path != document.path]
        self._book.keep_version(document)
        body = re.sub(r"\r\n?|\n", document.newline, f"\n{str(capture['body']).strip()}\n")
        revised = document.edit(self._revised(capture, before, superseded, document)).with_body(body)
        self._book.put(revised)
        after = note.read(revised, file)
        self._supersede(superseded, file)
        if after.held:
            self._book.index_remove(file)
            return Outcome("revised", file, f"revised {file}; a tool said it, so the operator has to accept it first")
        self._book.index(after, former=before)
        lowered = before.provenance == "operator" and after.provenance != "operator"
        more = "; it was the operator's word and is yours now" if lowered else ""
        return Outcome("revised", file, f"revised {file}; its former text is kept in .versions{more}")

    def _revised(
        self, capture: Mapping[str, object], before: Note, superseded: Sequence[Document], document: Document
    ) -> dict[str, object]:
        vouched = self._vouched(capture, before)
        changes: dict[str, object] = {
            "description": one_line(capture["description"]),
            "confidence": capture["confidence"],
            "last_seen": self.today.isoformat(),
            "sources": list(dict.fromkeys([*before.sources, *note.texts(capture["sources"])])),
            "schema_version": CURRENT_SCHEMA_VERSION,
            **vouched,
        }
        if "accepted" in document.meta and "accepted" not in vouched:
            changes["accepted"] = REMOVE  # another text was accepted
        obsolete = list(dict.fromkeys([*before.supersedes, *(file_of(other) for other in superseded)]))
        if obsolete or "supersedes" in document.meta:
            changes["supersedes"] = obsolete
        if capture.get("tags"):
            changes["tags"] = list(dict.fromkeys([*before.tags, *note.texts(capture["tags"])]))
        return changes | {key: capture[key] for key in ("pinned", "expires_at") if capture.get(key)}

    def _superseded(self, capture: Mapping[str, object]) -> list[Document]:
        found = []
        for name in dict.fromkeys(note.texts(capture.get("supersedes"))):
            file = name.rpartition("/")[2]
            document = self._book.document(file)
            if document is None:
                raise _Refused(f"there is no note {file} to supersede; see INDEX.md")
            found.append(document)
        return found

    def _supersede(self, superseded: Sequence[Document], file: str) -> None:
        """Let the old notes name the new one, and the index keep them among what is archived."""
        for document in superseded:
            self._book.put(document.edit({"superseded_by": file}))
            self._book.index_archive(file_of(document))

    def _refuse_loop(self, capture: Mapping[str, object]) -> None:
        body = str(capture["body"])
        if not self._was_said(body) and alike.stands_in(body, self._recalled):
            raise _Refused("your memory says so already: that text was recalled in this run; to change it, merge_into")

    def _refuse_contradiction(self, capture: Mapping[str, object]) -> None:
        if capture["type"] != "decision":
            return
        for other in contradicted(self._book, str(capture["name"]), str(capture["body"])):
            hint = f"send it with supersedes {other.file} where it replaces that, or with merge_into {other.file}"
            raise _Refused(f"{other.file} decides the same differently ({other.description}); {hint}")

    def _meta(self, capture: Mapping[str, object]) -> dict[str, object]:
        meta = new_meta(capture, self.today) | self._vouched(capture)
        return meta | {key: capture[key] for key in ("pinned", "expires_at", "tags") if capture.get(key)}

    def _vouched(self, capture: Mapping[str, object], before: Note | None = None) -> dict[str, object]:
        """Who vouches for a capture: what it claims, unless the run shows that it is not so.

        The operator vouches for a note whose text is their statement; one that the model had named, only where that
        name adds nothing. What a tool said stays a tool's word when a model writes it over.
        """
        claimed, body = str(capture.get("provenance") or vouching.DEFAULT), str(capture["body"])
        stated = vouching.find_statement(body, self._statements)
        if stated and claimed == "operator":
            if (
                before is None
                or before.provenance == "operator"
                or vouching.name_for(before.name, stated) == before.name
            ):
                return {"provenance": "operator"}
            claimed = vouching.DEFAULT
        if stated:
            return {"provenance": claimed}
        laundered = before is not None and before.provenance == "tool"
        return self.vouch(body, "tool" if laundered else claimed)

    def _in_the_operators_words(self, capture: Mapping[str, object]) -> Mapping[str, object]:
        """A capture that the operator vouches for, with a name and a description that add nothing to what they said."""
        stated = vouching.find_statement(str(capture["body"]), self._statements)
        if not stated or capture.get("provenance") != "operator":
            return capture
        name = vouching.name_for(one_line(capture["name"]), stated)
        return {**capture, "name": name, "description": vouching.description_for(stated)}

    @property
    def _statements(self) -> list[str]:
        """What the operator stated in this run."""
        found = [vouching.statement(self.said_by_operator), *map(vouching.answer, self._answers)]
        return [each for each in found if each]

    def _was_said(self, text: str) -> bool:
        """Whether these words stand in this order in what the operator wrote, whatever stands between them."""
        said = "\n".join([self.said_by_operator, *self._answers])
        there, words = (" ".join(re.findall(r"\w+", part.casefold())) for part in (said, text))
        return bool(words) and f" {words} " in f" {there} "


class _Refused(Exception):
    """Why a capture is not taken, in words for the model."""


def new_meta(fields: Mapping[str, object], today: datetime.date) -> dict[str, object]:
    """The front matter that every new note has, in its order."""
    day = today.isoformat()
    return {
        "schema_version": CURRENT_SCHEMA_VERSION,
        "name": one_line(fields["name"]),
        "description": one_line(fields["description"]),
        "type": fields["type"],
        "captured": day,
        "last_seen": day,
        "sources": list(note.texts(fields["sources"])),
        "confidence": fields["confidence"],
    }


def contradicted(book: Notebook, name: str, body: str) -> Iterator[Note]:
    """The current decisions on the subject that `name` has, which say something else than `body`."""
    subject, claim = alike.subject(name), alike.words(body)
    plain = note.file_name("decision", name)
    for file in dict.fromkeys([plain, *_decisions_about(book, subject)]):
        found = book.note(file)
        if found is None or found.type != "decision" or not found.is_current(book.today):
            continue
        if alike.one_subject(subject, alike.subject(found.name)) and alike.words(found.body) != claim:
            yield found


def _decisions_about(book: Notebook, subject: frozenset[str]) -> Iterator[str]:
    """The files of decisions whose titles in the index name a subject.

    Two titles with one subject share one of the rarest words of either: of a long index only those lines are read.
    """
    needed = len(subject) - math.ceil(alike.ONE_SUBJECT * len(subject)) + 1
    for path in book.index_pages():
        data = book.read(path) or b""
        lowered = data.lower()
        # Bytes fold the case of ASCII alone; of other words the first letter, which may be a capital, is left out.
        marks = [(word if word.isascii() else word[1:]).encode() for word in subject]
        for mark in sorted(marks, key=lowered.count)[:needed]:
            at = lowered.find(mark)
            while at >= 0:
                end = lowered.find(b"\n", at)
                line = data[lowered.rfind(b"\n", 0, at) + 1 : end if end >= 0 else None].decode(errors="replace")
                if "decision_" in line and alike.one_subject(subject, alike.subject(index.title_of(line))):
                    yield from (file for _, file in index.files(line))
                at = lowered.find(mark, end) if end >= 0 else -1


def _body(path: str, data: bytes) -> str:
    try:
        return parse(path, data).body
    except DocumentUnreadable:
        return data.decode(errors="replace")


def one_line(value: object) -> str:
    """A text without line breaks and double spaces."""
    return " ".join(str(value).split())


def _says_the_same(existing: Document, capture: Mapping[str, object]) -> bool:
    before = note.read(existing, file_of(existing))
    current = not (before.superseded_by or before.archived)
    return current and before.body == str(capture["body"]).strip() and before.type == capture["type"]
