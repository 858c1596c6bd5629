"""The check that looks for keys and passwords which are kept in clear."""

from collections.abc import Iterator

from atomic_agents.core.document import MAX_BYTES
from atomic_agents.core.errors import AtomicAgentsError
from atomic_agents.doctor.check import Examination, Finding
from atomic_agents.guard.secrets import lines_with_secrets
from atomic_agents.vault.kinds import Kind

_TEXTS = (".md", ".txt", ".json", ".jsonl", ".toml", ".yaml", ".yml", ".csv", ".html", ".py", ".sh", ".env")
_BLACKED_OUT = (Kind.RUN, Kind.LOG)
"""What is blacked out before it is written, and can be very large."""


def secrets(examination: Examination) -> Iterator[Finding]:
    """No document holds a key or a password in clear; transcripts and logs, which are blacked out, are not read.

    Take it out, have it changed by whoever gave it, and keep the new one with `atomic-agents secrets set NAME`.
    """
    hint = "take it out, have it changed, and keep the new one: atomic-agents secrets set NAME"
    for path, line in _places(examination):
        yield Finding("warn", f"{path}:{line} holds what looks like a key or a password", hint)


def _places(examination: Examination) -> Iterator[tuple[str, int]]:
    for entry, place in examination.entries:
        path = entry.path
        if entry.size > MAX_BYTES or not path.lower().endswith(_TEXTS) or place.kind in _BLACKED_OUT:
            continue
        try:
            blob = examination.vault.store.read(path)
        except AtomicAgentsError:  # which other checks say
            continue
        text = blob.data.decode(errors="replace") if blob else ""
        yield from ((path, line) for line in lines_with_secrets(text, examination.secrets))
