"""Who vouches for a text that a model writes down.

The operator vouches for words that they asked to be remembered, and for nothing else: not for words that merely stand
in a work item, which may be a pasted page, a question or a sentence that denies them. What a tool returned is a tool's
word, whatever a model calls it.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable

from atomic_agents.core.remember import asked_to_remember
from atomic_agents.memory import alike
from atomic_agents.vault import note

DEFAULT = "inference"
"""What a model can always claim: that it concluded the text itself."""

_PASTED = re.compile(r"\n[ \t]*(?:\n|```|~~~|\"\"\"|>|<|---|===)")
"""Where what the operator says ends and what they pasted below it begins."""
_PUNCTUATION = re.compile(r"(?<=\w)[,.;:!]+(?=\s|$)")
_NAME_WORDS = 8
_LABEL = 2


def statement(text: str) -> str:
    """What the operator asks to be remembered in a work item or turn: the first paragraph after `remember:`."""
    return _first_paragraph(asked_to_remember(text))


def answer(text: str) -> str:
    """What the operator states in an answer to `ask_operator`: all of it, "" where it has more than one paragraph."""
    said = asked_to_remember(text) or text.strip()
    return said if _first_paragraph(said) == said else ""


def find_statement(text: str, statements: Iterable[str]) -> str:
    """The statement of the operator that a text is, word for word and whole; "" where it is none.

    Case, spaces and the punctuation between words do not count; signs that change a meaning (`?`, `≠`, `-`) do.
    """
    plain = _plain(text)
    if re.search(r"\w", plain) is None:
        return ""
    return next((each for each in statements if _plain(each) == plain), "")


def name_for(name: str, stated: str) -> str:
    """The name of a note whose text the operator stated: `name` where it adds nothing to their words.

    Any other is replaced by the first words of the statement, for the name stands in every prompt beside the operator's
    word. Part of a sentence can deny the whole, so that only its beginning, or a word or two as a label, add nothing.
    """
    words = alike.words(name)
    if _begins(name, stated) or (len(words) <= _LABEL and set(words) <= set(alike.words(stated))):
        return name
    return _cut(" ".join(stated.split()[:_NAME_WORDS]).rstrip(".,;:!?"), note.MAX_NAME)


def description_for(stated: str) -> str:
    """The description of a note whose text the operator stated: the statement, as far as there is room."""
    return _cut(" ".join(stated.split()), note.MAX_DESCRIPTION)


def provenance(body: str, claimed: str, heard: Iterable[str]) -> str:
    """What a note may say of who vouches for it, where a model wrote `body` itself and claims `claimed`.

    `heard` are the texts that tools returned in this run.
    """
    if alike.stands_in(body, heard):
        return "tool"
    return claimed if claimed in note.PROVENANCES and claimed != "operator" else DEFAULT


def weakest(provenances: Collection[str]) -> str:
    """The least trusted of some provenances; one that is none counts as the model's own."""
    known = [each if each in note.PROVENANCES else DEFAULT for each in provenances]
    return max(known, key=note.PROVENANCES.index)


def _first_paragraph(text: str) -> str:
    return _PASTED.split(text.replace("\r\n", "\n"), maxsplit=1)[0].strip()


def _plain(text: str) -> str:
    return " ".join(_PUNCTUATION.sub("", unicodedata.normalize("NFC", text)).casefold().split())


def _begins(text: str, stated: str) -> bool:
    plain, whole = _plain(text.strip().removesuffix("…")), _plain(stated)
    return plain != "" and f"{whole} ".startswith(f"{plain} ")


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"
