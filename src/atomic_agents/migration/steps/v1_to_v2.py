"""v1 to v2: nothing is guessed.

Notes and pages say who vouches for them, `supersedes` is always a list, and settings files carry their settings in
typed front matter above the prose they had, byte for byte.
"""

from atomic_agents.core.errors import SettingsInvalid
from atomic_agents.migration.unit import MigratableUnit
from atomic_agents.vault import note, settings
from atomic_agents.vault.kinds import Kind

FROM_VERSION = 1
TO_VERSION = 2

_PROVENANCE = {"memory": "inference", "wiki": "document", "policy": "operator"}
"""Who vouches where v1 does not say: the agent wrote the note, a source the page, the operator the policy."""


def applies_to(unit: MigratableUnit) -> bool:
    """Notes, pages, policies and settings files at v1."""
    return unit.version == FROM_VERSION


def migrate(unit: MigratableUnit) -> dict[str, object]:
    """Bring one document to v2."""
    return _settings(unit) if unit.kind is Kind.SETTINGS else _note(unit)


def _note(unit: MigratableUnit) -> dict[str, object]:
    before = unit.read_frontmatter()
    after = {**before, "schema_version": TO_VERSION}
    if before.get("provenance") not in note.PROVENANCES:
        after["provenance"] = _PROVENANCE[unit.unit_type]
    replaced = (*note.texts(before.get("supersedes")), *note.texts(before.get("supersedes_list")))
    if replaced:
        after["supersedes"] = list(dict.fromkeys(replaced))
    elif "supersedes" in before:
        after["supersedes"] = []
    after.pop("supersedes_list", None)
    unit.write_frontmatter(after)
    return {
        "set": [key for key, value in after.items() if before.get(key) != value],
        "dropped": [key for key in before if key not in after],
    }


def _settings(unit: MigratableUnit) -> dict[str, object]:
    found = settings.read(unit.file, unit.document)
    errors = [problem for problem in found.problems if problem.severity == "error"]
    if errors:
        raise SettingsInvalid(errors)
    version = {"schema_version": TO_VERSION}
    unit.write_frontmatter(version | unit.read_frontmatter() | dict(found.values) | version)
    return {"set": ["schema_version", *found.values]}
