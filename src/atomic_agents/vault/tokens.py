"""The tokens that open the HTTP door: who may do what until when, with the hash of each token and never the token."""

import datetime
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from atomic_agents.core.errors import DocumentUnreadable

Verb = Literal["run", "read", "admin"]
VERBS: tuple[Verb, ...] = ("run", "read", "admin")
PREFIX = "aat_"
"""What a token begins with, so that one is known where it does not belong."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is kept. No `agents` means all of them; `admin` may do what the others may."""

    name: str
    digest: str
    agents: tuple[str, ...]
    verbs: tuple[Verb, ...]
    created: datetime.datetime
    expires: datetime.datetime | None = None

    def may(self, verb: Verb) -> bool:
        """Whether it is good for `verb`."""
        return verb in self.verbs or "admin" in self.verbs

    def expired(self, now: datetime.datetime) -> bool:
        """Whether it is too late for it."""
        return self.expires is not None and now >= self.expires


def digest(secret: str) -> str:
    """What is kept of a token; one of 256 random bits needs no slow hash."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def read(path: str, data: bytes) -> tuple[Token, ...]:
    """The tokens in a document.

    Raises:
        DocumentUnreadable: it is not what `write` writes; nobody is let in by a guess.
    """
    try:
        return tuple(_token(each) for each in json.loads(data)["tokens"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        message = "does not hold tokens"
        raise DocumentUnreadable(
            f"{path}: {message}", hint=f"correct or remove {path}; atomic-agents serve token add NAME",
            context={"path": path, "line": 0, "message": message},
        ) from error  # fmt: skip


def write(tokens: Sequence[Token]) -> bytes:
    """The document."""
    listed = [
        {
            "name": token.name,
            "sha256": token.digest,
            "agents": list(token.agents),
            "verbs": list(token.verbs),
            "created": token.created.isoformat(timespec="seconds"),
            "expires": token.expires.isoformat(timespec="seconds") if token.expires else None,
        }
        for token in tokens
    ]
    return f"{json.dumps({'tokens': listed}, ensure_ascii=False, indent=2)}\n".encode()


def _token(value: Mapping[str, object]) -> Token:
    agents, verbs = value["agents"], value["verbs"]
    if not isinstance(agents, list) or not isinstance(verbs, list):
        raise TypeError
    expires = value["expires"]
    known = tuple(verb for verb in VERBS if verb in verbs)
    moment = None if expires is None else _moment(expires)
    return Token(
        str(value["name"]), str(value["sha256"]), tuple(map(str, agents)), known, _moment(value["created"]), moment
    )


def _moment(value: object) -> datetime.datetime:
    found = datetime.datetime.fromisoformat(str(value))
    return found if found.tzinfo else found.astimezone()
