"""What an agent wants to do: one call, its class, what it would reach, and the hash that binds a permission to it."""

import hashlib
import json
import posixpath
import re
import unicodedata
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fnmatch import fnmatchcase

from atomic_agents.core.values import Usd
from atomic_agents.vault.grants import Target

_REACHES = frozenset((
    "to", "cc", "bcc", "recipient", "recipients", "target", "targets", "url", "urls", "uri", "repository", "repo",
    "customer", "customer_id", "channel", "channel_id", "vendor", "email", "address", "host", "domain", "account",
    "phone",
))  # fmt: skip
"""The arguments that say whom or what a call reaches."""

_LONGEST = 2_000
_ADDRESS = re.compile(r"[^\s,;<>\"'()]+@[^\s,;<>\"'()]+")
_WORDS = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A call that is to be judged. `fingerprint` is the hash of the tool, `server` its MCP server or "".

    `memory` says that the tool is one of those that reach the agent's own memory and nothing else; `token_usd` is what
    asking the model for this call has cost.
    """

    agent: str
    tool: str
    kind: str
    arguments: Mapping[str, object]
    fingerprint: str = ""
    server: str = ""
    memory: bool = False
    token_usd: Usd = field(default=Decimal(0))

    @property
    def binding(self) -> str:
        """The hash of the tool, what it is made of, and the exact arguments."""
        return binding(self.tool, self.fingerprint, self.arguments)

    @property
    def targets(self) -> tuple[str, ...]:
        """Whom or what it reaches, by the arguments that say so."""
        return tuple(dict.fromkeys(_below(self.arguments, reaching=False)))

    @property
    def everything(self) -> tuple[str, ...]:
        """Every argument that could name a target, whatever it is called."""
        found = [text for text in _texts(self.arguments) if len(text) <= _LONGEST]
        names = [text for text in found if not _WORDS.search(text.strip())]
        return tuple(
            dict.fromkeys([*self.targets, *names, *(each for text in found for each in _ADDRESS.findall(text))])
        )


def binding(tool: str, fingerprint: str, arguments: Mapping[str, object]) -> str:
    """SHA-256 over the canonical JSON of a call; two calls have the same one where they do the same."""
    text = json.dumps([tool, fingerprint, arguments], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode(errors='backslashreplace')).hexdigest()}"


def names(pattern: str, name: str) -> bool:
    """Whether a name with wildcards means `name`; upper and lower case are the same."""
    return fnmatchcase(name.casefold(), pattern.casefold())


def reaches(target: Target, value: str, *, strictly: bool) -> bool:
    """Whether a value is what a target means.

    `strictly` is for what allows: a value that could be read in two ways is not meant. Without, it is for what forbids,
    and every way of reading counts.
    """
    seen, wanted = _plain(value), _plain(target.value)
    match target.kind:
        case "exact":
            return seen == wanted or (not strictly and wanted in _parts(seen))
        case "prefix":
            return _begins(seen, wanted, strictly=strictly)
        case "glob":
            found = fnmatchcase(_url(seen), wanted)
            return found if strictly else found or any(fnmatchcase(part, wanted) for part in (seen, *_parts(seen)))
        case _:
            hosts = [host for part in _parts(seen) if (host := _host(part))]
            inside = [host == wanted or host.endswith(f".{wanted}") for host in hosts]
            return bool(inside) and (all(inside) if strictly else any(inside))


def _below(found: object, *, reaching: bool) -> Iterator[str]:
    """The texts below arguments that say what is reached, whole lists and tables included."""
    if isinstance(found, Mapping):
        for key, value in found.items():
            yield from _below(value, reaching=reaching or str(key).casefold() in _REACHES)
    elif isinstance(found, list | tuple):
        for each in found:
            yield from _below(each, reaching=reaching)
    elif reaching and found is not None and not isinstance(found, bool):
        yield str(found)


def _texts(found: object) -> Iterator[str]:
    if isinstance(found, Mapping):
        for value in found.values():
            yield from _texts(value)
    elif isinstance(found, list | tuple):
        for each in found:
            yield from _texts(each)
    elif isinstance(found, str):
        yield found


def _plain(text: str) -> str:
    """A text without the differences that nobody sees: case, Unicode forms, signs without width."""
    folded = unicodedata.normalize("NFKC", text).strip().casefold()
    return "".join(sign for sign in folded if unicodedata.category(sign) not in ("Cf", "Cc") or sign in "\n\r\t")


def _parts(text: str) -> tuple[str, ...]:
    """The addresses in a text; where there are none, the text."""
    return tuple(_ADDRESS.findall(text)) if "://" not in text and "@" in text else (text,)


def _host(text: str) -> str:
    """The domain of an address, of a URL, or the text itself where it is one; "" where it has none."""
    if "://" in text:
        try:
            host = urllib.parse.urlsplit(text.replace("\\", "/")).hostname or ""
        except ValueError:
            return ""
    elif "@" in text:
        host = text.rpartition("@")[2]
    else:
        host = re.split(r"[/:?#\\]", text.removeprefix("mailto:"), maxsplit=1)[0]
    return host.rstrip(".")


def _url(text: str) -> str:
    """A URL as a server reads it: its path without `..` and escapes; anything else as it is."""
    if "://" not in text:
        return text
    try:
        parts = urllib.parse.urlsplit(text.replace("\\", "/"))
    except ValueError:
        return text
    path = posixpath.normpath(urllib.parse.unquote(parts.path)) if parts.path else ""
    path = f"{path}/" if parts.path.endswith("/") and not path.endswith("/") else path
    return urllib.parse.urlunsplit(parts._replace(path=path))


def _begins(seen: str, wanted: str, *, strictly: bool) -> bool:
    if not strictly:
        return any(text.startswith(wanted) for text in (seen, _url(seen), *_parts(seen)))
    found = _url(seen)
    if not found.startswith(wanted) or "://" not in wanted or wanted.endswith("/"):
        return found.startswith(wanted)
    # `https://api.example.com` does not allow `https://api.example.com.elsewhere`.
    return found[len(wanted) : len(wanted) + 1] in ("", "/", "?", "#")
