"""The tokens of the HTTP door: made, listed, taken back, and told by what a caller sends."""

import datetime
import re
import secrets
from collections.abc import Mapping, Sequence

from atomic_agents.core.change import ABSENT, ChangeSet, Put, revision
from atomic_agents.core.errors import DocumentMissing, UsageError
from atomic_agents.core.values import near
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import layout, tokens
from atomic_agents.vault.tokens import Token, Verb

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LOCK = "serve-tokens"
_LOCK_WAIT = 10.0
_PRIVATE = 0o600


def add(
    workspace: Workspace, name: str, *, agents: Sequence[str] = (), verbs: Sequence[Verb] = (), days: int | None = None
) -> tuple[Token, str]:
    """Make a token, good for runs and reading where no `verbs` are named; the secret is told here and nowhere else.

    Raises:
        UsageError: the name is none, or is taken.
        AgentMissing: it is to be for an agent that is not there.
    """
    workspace.require()
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name a token: letters, digits, dots and dashes, at most 64",
            hint="atomic-agents serve token add laptop",
        )
    named = tuple(dict.fromkeys(workspace.vault.agent(agent).name for agent in agents))
    secret = tokens.PREFIX + secrets.token_urlsafe(32)
    now = workspace.clock()
    expires = None if days is None else now + datetime.timedelta(days=days)
    made = Token(name, tokens.digest(secret), named, tuple(verbs) or ("run", "read"), now, expires)
    with workspace.store.lock(_LOCK, wait=_LOCK_WAIT):
        known = every(workspace)
        if any(token.name == name for token in known):
            hint = f"atomic-agents serve token revoke {name}\nor use another name"
            raise UsageError(f"there is a token {name} already", hint=hint)
        _put(workspace, (*known, made), f"add the token {name}")
    return made, secret


def every(workspace: Workspace) -> tuple[Token, ...]:
    """The tokens there are, the oldest first, those that have expired among them."""
    blob = workspace.store.read(layout.SERVE_TOKENS)
    return tokens.read(layout.SERVE_TOKENS, blob.data) if blob else ()


def revoke(workspace: Workspace, name: str) -> Token:
    """Take a token away; a server that is running knows at once.

    Raises:
        DocumentMissing: there is none of that name.
    """
    workspace.require()
    with workspace.store.lock(_LOCK, wait=_LOCK_WAIT):
        known = every(workspace)
        gone = next((token for token in known if token.name == name), None)
        if gone is None:
            meant = near(name, [token.name for token in known])
            hint = f"did you mean {meant[0]}" if meant else "atomic-agents serve token list"
            raise DocumentMissing(f"there is no token {name}", hint=hint)
        _put(workspace, tuple(token for token in known if token is not gone), f"revoke the token {name}")
    return gone


class TokenTable:
    """The tokens of a vault by their hash, read again only when their document has changed; one thread at a time."""

    def __init__(self) -> None:
        self._stamp = ""
        self._by_digest: Mapping[str, Token] = {}
        self._expired: set[str] = set()

    def has(self, secret: str) -> bool:
        """Whether a caller has sent a token that was good at the last reading; no document is looked at."""
        digest = tokens.digest(secret)
        return digest in self._by_digest and digest not in self._expired

    def find(self, workspace: Workspace, secret: str) -> Token | None:
        """The token that a caller has sent; None where it is none, or is revoked or expired.

        Raises:
            DocumentUnreadable: the document does not hold tokens.
        """
        path = layout.SERVE_TOKENS
        stamp = next((entry.stamp for entry in workspace.store.list(path) if entry.path == path), "")
        if not stamp or stamp != self._stamp:  # a document behind a link is in no listing
            self._by_digest = {token.digest: token for token in every(workspace)}
            self._stamp = stamp
        token = self._by_digest.get(tokens.digest(secret))
        if token is not None and token.expired(workspace.clock()):
            self._expired.add(token.digest)
            return None
        if token is not None:
            self._expired.discard(token.digest)
        return token


def _put(workspace: Workspace, known: Sequence[Token], reason: str) -> None:
    blob = workspace.store.read(layout.SERVE_TOKENS)
    expect = revision(blob.data) if blob else ABSENT
    change = Put(layout.SERVE_TOKENS, tokens.write(known), expect=expect, mode=_PRIVATE)
    workspace.store.apply(ChangeSet(reason, (change,)))
