"""A capture: the fields in which a model hands over what it wants to remember, and what is wrong with one."""

import datetime
import re
from collections.abc import Iterator, Mapping

from atomic_agents.memory import schema
from atomic_agents.vault import note

CAPTURE_SCHEMA: Mapping[str, object] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["type", "name", "description", "confidence", "sources", "body"],
    "properties": {
        "type": {"type": "string", "enum": list(note.TYPES)},
        "name": {"type": "string", "minLength": 1, "maxLength": note.MAX_NAME},
        "description": {"type": "string", "minLength": 1, "maxLength": note.MAX_DESCRIPTION},
        "confidence": {"type": "string", "enum": list(note.CONFIDENCES)},
        "sources": {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
        "body": {"type": "string", "minLength": 1},
        "merge_into": {"type": ["string", "null"], "description": "file name of the note that this text replaces"},
        "supersedes": {
            "description": "file names of notes that this one makes obsolete",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "null"}],
        },
        "pinned": {"type": "boolean"},
        "expires_at": {"type": ["string", "null"], "description": "YYYY-MM-DD"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "provenance": {"type": "string", "enum": list(note.PROVENANCES)},
    },
}
"""A capture as tools and fenced blocks carry it: the published fields and who vouches for the text."""


def wrong(capture: object) -> str:
    """What is wrong with a capture, "" where nothing is; strings are strings and lists are lists."""
    if isinstance(capture, str):
        return "the block is not JSON; send it again as one JSON object"
    errors = schema.wrong(capture, CAPTURE_SCHEMA, name="capture")
    if not errors and isinstance(capture, dict):
        errors += _wrong_words(capture)
    return "; ".join(errors)


def _wrong_words(capture: Mapping[str, object]) -> Iterator[str]:
    """What a schema cannot say."""
    texts = [text for value in capture.values() for text in note.texts(value)]
    if any("\ud800" <= sign <= "\udfff" or sign == "\0" for text in texts for sign in text):
        yield "capture: a text has signs that cannot be kept"
    if re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", str(capture["name"])):
        yield "name: a name is one line, without line breaks or control characters"
    yield from (f"{key}: is empty" for key in ("name", "description", "body") if not str(capture[key]).strip())
    if capture.get("expires_at"):
        try:
            datetime.date.fromisoformat(str(capture["expires_at"]))
        except ValueError:
            yield "expires_at: a day as YYYY-MM-DD is needed"
