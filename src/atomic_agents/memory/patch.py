"""Carry out hunks of a dream, or take them back, in a notebook: their notes and lines of the index, nothing else.

A hunk holds only over the notes it was made of. That a note was read since, which moves its `last_seen`, is no change.
"""

from collections.abc import Sequence
from dataclasses import replace

from atomic_agents.core.document import parse
from atomic_agents.core.errors import AtomicAgentsError, DocumentUnreadable
from atomic_agents.memory import patches
from atomic_agents.memory.dream import Hunk, Piece
from atomic_agents.memory.history import Entry
from atomic_agents.memory.notebook import Notebook
from atomic_agents.vault import layout, note
from atomic_agents.vault.note import Note

Refusal = tuple[int, str]
"""A hunk's number and why it is refused."""


def apply(notebook: Notebook, hunks: Sequence[Hunk]) -> tuple[list[Hunk], list[Refusal]]:
    """Take hunks in; those that were, with the texts that are really written, and why the others are refused."""
    taken: list[Hunk] = []
    refused: list[Refusal] = []
    for hunk in hunks:
        found = _take(notebook, hunk.blocked, hunk.pieces)
        if isinstance(found, str):
            refused.append((hunk.number, found))
        else:
            for piece in found:
                _enter(notebook, piece)
            taken.append(replace(hunk, pieces=found))
    return taken, refused


def revert(notebook: Notebook, hunks: Sequence[Hunk], applied: Sequence[Entry]) -> list[Refusal]:
    """The same backwards: notes become what they were, new ones go. Why those that cannot be are refused.

    `applied` are the records of when they were taken in, the newest first: they know the lines of the index.
    """
    back = [(hunk, tuple(Piece(p.file, p.after, p.before) for p in hunk.pieces)) for hunk in reversed(hunks)]
    found = [(hunk.number, _take(notebook, "", pieces)) for hunk, pieces in back]
    if not _index_put_back(notebook, applied):
        for piece in (piece for _, pieces in found if not isinstance(pieces, str) for piece in pieces):
            _enter(notebook, piece)
    return [(number, why) for number, why in found if isinstance(why, str)]


def _index_put_back(notebook: Notebook, applied: Sequence[Entry]) -> bool:
    """Put the lines of the index back that were changed; False, and nothing, where they are not as they were left."""
    mark = notebook.mark()
    for each in (
        each for entry in applied for each in entry.documents if layout.is_index(each.path.rpartition("/")[2])
    ):
        path = f"{notebook.agent}/{each.path}"
        text = (notebook.read(path) or b"").decode(errors="surrogateescape")
        former = patches.apply(text, each.patch) if each.before else None
        if former is None:
            notebook.back_to(mark)
            return False
        notebook.put_bytes(path, former.encode(errors="surrogateescape"))
    return bool(applied)


def _take(notebook: Notebook, blocked: str, pieces: Sequence[Piece]) -> tuple[Piece, ...] | str:
    """The pieces as they are written, or why they are not."""
    rebased = [_rebased(notebook, piece) for piece in pieces]
    why = blocked or next((each for each in rebased if isinstance(each, str)), "")
    found = tuple(each for each in rebased if isinstance(each, Piece))
    if why:
        return why
    mark = notebook.mark()
    try:
        for piece in found:
            path = layout.note(notebook.agent, piece.file)
            if piece.after is None:
                notebook.put_bytes(path, None)
            else:
                notebook.put(parse(path, piece.after.encode()))
    except AtomicAgentsError as error:
        notebook.back_to(mark)
        return error.message
    return found


def _rebased(notebook: Notebook, piece: Piece) -> Piece | str:
    """The piece over the note as it is now, or why it does not hold any more."""
    path = layout.note(notebook.agent, piece.file)
    now = notebook.read(path)
    if now == (None if piece.after is None else piece.after.encode()):
        return Piece(piece.file, piece.after, piece.after)
    if now is None or piece.before is None:
        same = now is None and piece.before is None
        return piece if same else f"{piece.file} is gone" if now is None else f"{piece.file} is there already"
    try:
        current = parse(path, now)
    except DocumentUnreadable as error:
        return error.message
    before = parse(path, piece.before.encode())
    if current.text == before.text:
        return piece
    seen = current.meta.get("last_seen")
    if seen is None or "last_seen" not in before.meta or before.edit({"last_seen": seen}).text != current.text:
        return f"{piece.file} has changed since"
    after = None if piece.after is None else parse(path, piece.after.encode()).edit({"last_seen": seen}).text
    return Piece(piece.file, current.text, after)


def _enter(notebook: Notebook, piece: Piece) -> None:
    """Let the index say what a note says; lines that somebody wrote by hand keep their words."""
    before, after = _note(piece.file, piece.before), _note(piece.file, piece.after)
    if after is None:
        if before is not None:
            notebook.index_remove(before.file)
    elif before is None:
        notebook.index(after)
    elif after.superseded_by and not before.superseded_by:
        notebook.index_archive(after.file)
    elif before.superseded_by and not after.superseded_by:
        notebook.index_unarchive(after)
    elif (before.name, before.description) != (after.name, after.description):
        notebook.index(after, former=before)


def _note(file: str, text: str | None) -> Note | None:
    return None if text is None else note.read(parse(file, text.encode()), file)
