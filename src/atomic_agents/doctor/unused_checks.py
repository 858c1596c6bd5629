"""A check of what is left of features that this program does not have."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from atomic_agents.doctor.check import Examination, Finding
from atomic_agents.vault import unused
from atomic_agents.vault.unused import Unused
from atomic_agents.vault.vault import Survey


def features(examination: Examination) -> Iterator[Finding]:
    """Nothing in the vault is of a feature that this version does not have.

    Such files are counted by kind; they are kept byte for byte and not used.
    """
    found = find(examination.survey, examination.root)
    if found:
        kinds = [{"kind": one.feature.plural, "count": len(one.paths), "paths": list(one.paths)} for one in found]
        counted = ", ".join(one.words for one in found)
        hint = "nothing needs to be done; atomic-agents doctor --json names each"
        yield Finding("warn", f"{counted}: {unused.KEPT}", hint, {"kinds": kinds})


def find(survey: Survey, root: Path) -> Sequence[Unused]:
    """What nothing here reads, the hidden databases of backends too, which a listing leaves out."""
    hidden = [path for home in ("", *survey.agents) for path in _databases(root, home)]
    return unused.find(survey, hidden)


def _databases(root: Path, home: str) -> Iterator[str]:
    try:
        names = sorted(os.listdir(root / home))
    except OSError:  # told by the check of permissions
        return
    for name in names:
        if name.startswith(".") and name.endswith((".db", ".sqlite", ".sqlite3")):
            yield f"{home}/{name}".lstrip("/")
