"""Documents of features that this program does not have: told by their paths, counted, and never touched."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from atomic_agents.vault.vault import Survey


class Feature(NamedTuple):
    """A feature of the published format: what one and several of its things are called, and where they stand.

    `where` matches from the folder of an agent, or of the vault, on; what it matches is one thing, of however many
    files. `means` is what an operator loses as long as nothing reads them, "" where that is plain.
    """

    noun: str
    plural: str
    where: re.Pattern[str]
    means: str = ""


class Unused(NamedTuple):
    """How many things of a feature there are, and the paths at which they begin, in order."""

    feature: Feature
    paths: tuple[str, ...]

    @property
    def words(self) -> str:
        """`12 evals`, and what that means."""
        count = len(self.paths)
        counted = f"{count:,} {self.feature.noun if count == 1 else self.feature.plural}"
        return f"{counted} ({self.feature.means})" if self.feature.means else counted


def _feature(noun: str, where: str, *, plural: str = "", means: str = "") -> Feature:
    return Feature(noun, plural or f"{noun}s", re.compile(where), means)


_QUEUES = "queued|claimed|done|dead-letter|pending|in_progress|completed|dead_letter|failed"
FEATURES = (
    _feature("further goal", r"goals/[^/]+", means="an agent has one goal here, its goal.md"),
    _feature("goal history", r"goal_history\.jsonl", plural="goal histories"),
    _feature("archived goal", r"goal_archive/.+\.md"),
    _feature("outcome", r"outcomes/(?:runs/)?[^/]+"),
    _feature("eval", r"evals/(?:golden|regressions|judges)/.+\.md"),
    _feature("eval rubric or judge", r"evals/[^/]+\.md", plural="eval rubrics and judges"),
    _feature("eval run", r"evals/runs/(?:responses/.+|[^/]+\.jsonl)"),
    _feature("tuning report", r"evals/tuning_reports/.+\.md"),
    _feature("tuning history", r"evals/tuning_history\.jsonl", plural="tuning histories"),
    _feature("queue item", rf"(?:.+/)?queue/(?:{_QUEUES})/(?!.*(?:\.lease\.json|\.reason\.txt)$).+",
             means="no agent is started by them"),
    _feature("playbook", r"(?:.+/)?skills/.+/PLAYBOOK\.md"),
    _feature("governance file", r"(?:.+/)?governance\.md", means="what it says of pausing an agent does not hold"),
    _feature("file of audits", r"(?:.+/)?audits\.md", plural="files of audits"),
    _feature("file of directives", r"(?:.+/)?directives(?:\.md|/.+)", plural="files of directives"),
    _feature("file of targets", r"(?:.+/)?targets(?:\.override)?\.md", plural="files of targets"),
    _feature("principal", r"(?:.+/)?principals/.+"),
    _feature("idempotency record", r"idempotency/.+\.json", means="a key that was used before asks again"),
    _feature("bundle", r"bundle\.md"),
    _feature("persona snapshot", r"\.personas/[^/]+/\.snapshots/[^/]+"),
    _feature("page of a console", r"(?:_console|_manage)/.+", plural="pages of a console"),
    _feature("database of a backend", r"(?!Thumbs)[^/]+\.(?:db|sqlite3?)$", plural="databases of backends",
             means="what is in them alone is not seen; export it with the package that wrote it"),
)  # fmt: skip
"""In the order in which they are told; the first that matches a path has it."""

KEPT = "kept byte for byte, and not used by this version"


def find(survey: Survey, hidden: Sequence[str] = ()) -> tuple[Unused, ...]:
    """The documents of a vault that nothing here reads, by feature; `hidden` are paths that a listing leaves out."""
    found: dict[str, dict[str, None]] = {}
    features = {feature.plural: feature for feature in FEATURES}
    for path in (*(entry.path for entry in survey.entries), *hidden):
        if (one := _of(survey, path)) is not None:
            found.setdefault(one[0], {})[one[1]] = None
    return tuple(Unused(feature, tuple(found[name])) for name, feature in features.items() if name in found)


def _of(survey: Survey, path: str) -> tuple[str, str] | None:
    """The feature that a path is of, and the path at which the thing begins."""
    if not _MAYBE.search(path):
        return None
    agent = survey.layout.place(path).agent
    home = f"{agent}/" if agent else ""
    inner = path.removeprefix(home)
    for feature in FEATURES:
        if matched := feature.where.match(inner):
            return feature.plural, f"{home}{matched[0]}"
    return None


_MAYBE = re.compile(
    r"(?:^|/)(?:goals/|goal_history|goal_archive/|outcomes/|evals/|idempotency/|bundle\.md|\.personas/|_console/|_manage/"
    r"|queue/|principals/|PLAYBOOK\.md|governance\.md|audits\.md|directives|targets)|\.(?:db|sqlite3?)$"
)
"""What any of them has; nearly no path has it, and one look tells."""
