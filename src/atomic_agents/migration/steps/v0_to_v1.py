"""v0 to v1: every note and wiki page states its schema version."""

import datetime
import re

from atomic_agents.migration.unit import MigratableUnit
from atomic_agents.vault import note

FROM_VERSION = 0
TO_VERSION = 1


def applies_to(unit: MigratableUnit) -> bool:
    """Whatever is at v0: notes and pages without a version, and documents that state 0."""
    return unit.version == FROM_VERSION


def migrate(unit: MigratableUnit) -> dict[str, object]:
    """State the version; a document without front matter gets one made of what it says and when it was written."""
    if unit.document.has_front_matter:
        unit.write_frontmatter({**unit.read_frontmatter(), "schema_version": TO_VERSION})
        return {"set": ["schema_version"]}
    meta = _from_text(unit)
    unit.write_frontmatter(meta)
    return {"set": list(meta)}


def _from_text(unit: MigratableUnit) -> dict[str, object]:
    lines = [line.strip() for line in unit.read_body().splitlines() if line.strip()]
    title = next((line.lstrip("# ") for line in lines if re.match(r"#+\s+\S", line)), "")
    prose = next((line for line in lines if not line.startswith(("#", "---", "```", "<!--"))), "")
    stem = unit.file.rpartition("/")[2].removesuffix(".md")
    prefix = stem.partition("_")[0]
    written = datetime.datetime.fromtimestamp(unit.modified, datetime.UTC).date().isoformat()
    wiki = unit.unit_type == "wiki"
    meta: dict[str, object] = {
        "schema_version": TO_VERSION,
        "name": (title or stem.replace("_", " "))[: note.MAX_NAME],
        "description": (prose or title or stem.replace("_", " "))[: note.MAX_DESCRIPTION],
        "type": "wiki_page" if wiki else prefix if prefix in note.TYPES else "reference",
        "captured": written,
        "last_seen": written,
        "sources": [unit.file],
        "confidence": "low",
    }
    return meta
