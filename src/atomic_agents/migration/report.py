"""The report of a migration: what became of each document, what was left as it is, and the way back."""

import datetime
import io
from collections.abc import Mapping, Sequence

from atomic_agents._version import __version__
from atomic_agents.core.change import ABSENT, Put
from atomic_agents.migration.plan import Plan
from atomic_agents.vault import layout
from atomic_agents.vault.kinds import Kind

_TIME = len("YYYY-MM-DDTHHMMSS")
_WORDS = ("set", "renamed", "dropped")
_TITLES = {
    Kind.NOTE: "Notes",
    Kind.WIKI: "Wiki pages",
    Kind.SETTINGS: "Settings files",
    Kind.POLICY: "Policies",
    Kind.PERSONA: "Persona files",
    Kind.GOAL: "Goals",
    Kind.EVAL: "Evals",
    Kind.ARCHIVE: "Archived notes",
}

_Deed = tuple[tuple[str, tuple[str, ...]], ...]


def path(snapshot: str) -> str:
    """Where the report of the migration stands that took a snapshot: they bear the same time, which is theirs alone."""
    return layout.report(snapshot[:_TIME])


def report(plan: Plan, *, snapshot: str, now: datetime.datetime) -> Put:
    """The report as a change, to be part of the migration's own change set.

    Documents of one kind to which the same was done stand together; each is named.
    """
    text = io.StringIO()
    text.write(f"# Migration from v{plan.from_version} to v{plan.target}\n\n")
    text.write(f"- when: {now.isoformat(timespec='seconds')}\n- package: {__version__}\n")
    for step in plan.steps:
        text.write(f"- step: {step.name}{f', sha256 {step.sha256}' if step.of_the_vault else ''}\n")
    text.write(f"- documents changed: {len(plan.documents):,}\n")
    text.write(f"- documents left as they are: {len(plan.skipped):,}\n- snapshot: {layout.snapshot(snapshot)}\n")
    text.write("\n## The way back\n\n```sh\n")
    text.write(f"python -m atomic_agents.migrate --rollback {snapshot}\n```\n")
    for kind, groups in _grouped(plan).items():
        text.write(f"\n## {_TITLES.get(kind, kind.value.capitalize())}\n")
        for deed, paths in groups.items():
            text.write(f"\n{_said(deed)} ({len(paths):,}):\n\n")
            text.writelines(f"- {_code(name)}\n" for name in paths)
    if plan.skipped:
        text.write("\n## Left as they are\n\n")
        for problem in plan.skipped:
            hint = f" ({' '.join(problem.hint.split())})" if problem.hint else ""
            text.write(f"- {_code(problem.where)}: {' '.join(problem.message.split())}{hint}\n")
    return Put(path(snapshot), text.getvalue().encode(errors="backslashreplace"), expect=ABSENT)


def _grouped(plan: Plan) -> Mapping[Kind, Mapping[_Deed, Sequence[str]]]:
    """The paths of the changed documents by kind and by what was done to them, in order of path."""
    groups: dict[Kind, dict[_Deed, list[str]]] = {}
    known: dict[_Deed, _Deed] = {}
    for one in plan.documents:
        deed = _deed(one.done)
        groups.setdefault(one.kind, {}).setdefault(known.setdefault(deed, deed), []).append(one.path)
    return groups


def _deed(summaries: Sequence[Mapping[str, object]]) -> _Deed:
    """What the steps say they did to a document, all steps together: their words, and the keys each is said of."""
    found: dict[str, dict[str, None]] = {word: {} for word in _WORDS}
    for summary in summaries:
        for word, value in summary.items():
            found.setdefault(str(word), {}).update(dict.fromkeys(_keys(value)))
    return tuple((word, tuple(keys)) for word, keys in found.items() if keys)


def _keys(value: object) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{old} to {new}" for old, new in value.items()]
    return [str(key) for key in value] if isinstance(value, list | tuple | set) else [str(value)]


def _said(deed: _Deed) -> str:
    """`set schema_version, provenance; dropped supersedes_list`."""
    parts = (f"{_line(word)} {', '.join(_code(_line(key)) for key in keys)}" for word, keys in deed)
    return "; ".join(parts) or "rewritten by a step that does not say what it did"


def _line(text: str) -> str:
    return " ".join(text.split())


def _code(text: str) -> str:
    return f"`{text.replace('`', chr(39))}`"
