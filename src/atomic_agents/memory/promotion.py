"""Which notes have earned a place in the persona, and how one moves there: linked both ways, never by itself."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from atomic_agents.core.document import REMOVE, Document, parse
from atomic_agents.core.errors import UsageError
from atomic_agents.memory import alike, edits
from atomic_agents.memory.notebook import Notebook, file_of
from atomic_agents.vault import note
from atomic_agents.vault.markdown import heading_of, lines_of
from atomic_agents.vault.note import Note

RUNS = 5
"""In so many runs a note was called upon, before it is proposed."""
DAYS = 30
"""For so many days it has held, before it is proposed."""
_HOMES = {
    "user": ("USER.md", "Promoted from memory"),
    "feedback": ("SOUL.md", "Things I've learned about how to advise"),
    "decision": ("IDENTITY.md", "Operating doctrine"),
    "reference": ("IDENTITY.md", "Operating doctrine"),
}


@dataclass(frozen=True, slots=True)
class Proposal:
    """A note that has earned a place, the persona file and section it would move to, and why."""

    file: str
    target: str
    section: str
    why: str


def proposals(notes: Sequence[Note], runs: Mapping[str, int], today: datetime.date) -> list[Proposal]:
    """The notes to propose, those called upon most first; `runs` says in how many runs each file was called upon.

    Notes of projects never are: they end. Neither is what nobody but a tool or a guess vouches for.
    """
    found = []
    for each in notes:
        held = (today - each.captured).days if each.captured else 0
        vouched = each.provenance in ("operator", "document") or each.confidence == "high"
        if each.type not in _HOMES or not each.is_current(today) or each.provenance == "tool" or not vouched:
            continue
        if runs.get(each.file, 0) >= RUNS and held >= DAYS:
            why = f"called upon in {runs[each.file]:,} runs, and held for {held:,} days"
            found.append(Proposal(each.file, *_HOMES[each.type], why))
    return sorted(found, key=lambda proposal: (-runs[proposal.file], proposal.file))


def proposal_for(found: Note) -> Proposal:
    """Where a note that the operator names would move to.

    Raises:
        UsageError: it is one of a project.
    """
    if found.type not in _HOMES:
        raise UsageError(f"{found.file} is a note of a project; those end, and do not become persona")
    return Proposal(found.file, *_HOMES[found.type], "you said so")


def promote(book: Notebook, persona_home: str, proposal: Proposal) -> str:
    """Put what a note says into the persona, and link both; the note stays, superseded by its new place.

    Raises:
        UsageError: the note is not loaded, or the persona says so already.
    """
    document = edits.find(book, proposal.file)
    found = note.read(document, file_of(document))
    if not found.is_current(book.today):
        raise UsageError(f"{found.file} is not loaded: {edits.why_hidden(found)}")
    path = f"{persona_home}/{proposal.target}"
    data = book.read(path)
    target = parse(path, data or b"")
    if alike.share(alike.shingles(found.body), alike.shingles(target.text)) >= alike.SAME:
        raise UsageError(f"{path} says so already", hint=f"atomic-agents memory archive {book.agent} {found.file}")
    book.put_bytes(path, _with(target, proposal, found))
    anchor = note.slug(proposal.section).replace("_", "-")
    superseded = f"persona/{proposal.target}#{anchor}"
    book.put(document.edit({"superseded_by": superseded, "pinned": REMOVE}))
    book.index_archive(found.file)
    return f"promoted {found.file} to {path}"


def _with(target: Document, proposal: Proposal, found: Note) -> bytes:
    """The persona file with the note's text last in a section, and a comment that says where it came from."""
    newline = "\r\n" if "\r\n" in target.text else "\n"
    text = found.body.replace("\r\n", "\n").strip()
    added = (
        f"- **{found.name}**: " + text.replace("\n", "\n  ") if "\n\n" not in text else f"### {found.name}\n\n{text}"
    )
    added += f"\n  <!-- from memory/{found.file} -->"
    lines = target.text.split(newline)
    numbered = [(line.number, heading_of(line)) for line in lines_of(target.text)]
    start = next((n for n, heading in numbered if heading == (2, proposal.section)), None)
    if start is None:
        gap = "" if not target.text.strip() else target.text.rstrip() + newline * 2
        whole = gap + newline.join([f"## {proposal.section}", "", *added.split("\n"), ""])
        return whole.encode()
    end = next((n for n, heading in numbered if n > start and heading and heading[0] <= 2), len(lines) + 1) - 1
    while end > start and not lines[end - 1].strip():
        end -= 1
    head, rest = lines[:end], lines[end:]
    blank = [] if lines[end - 1].lstrip().startswith(("-", "*", "<!--")) else [""]
    return newline.join([*head, *blank, *added.split("\n"), *(rest or [""])]).encode()
