"""What a migration step sees of a document: front matter, body and kind; every write stays in memory."""

from collections.abc import Mapping

from atomic_agents.core.document import REMOVE, Document
from atomic_agents.core.errors import DocumentUnreadable
from atomic_agents.vault import settings
from atomic_agents.vault.kinds import Kind

_TYPES = {Kind.NOTE: "memory", Kind.WIKI: "wiki"}
UNIT_TYPES = ("memory", "wiki", "settings", "policy")
UNVERSIONED = (Kind.PERSONA, Kind.GOAL, Kind.EVAL)
"""Documents that need no version: a script that names their type in `UNIT_TYPES` is offered all of them."""


class MigratableUnit:
    """One document on its way to another version.

    Scripts in `<vault>/_migrations/` get the same object as the packaged steps. Writing changes only this object; the
    document on disk changes when the whole migration is applied.
    """

    dry_run = False
    """Kept for scripts that ask: writes stay in memory here, so a plan of several steps sees each step's result."""

    def __init__(self, document: Document, kind: Kind, name: str, modified: float) -> None:
        self._document = document
        self.kind = kind
        self.file = name
        self.modified = modified
        """When the document was last written, in seconds since 1970, UTC."""

    @property
    def unit_id(self) -> str:
        """The document's path in the vault."""
        return self._document.path

    @property
    def unit_type(self) -> str:
        """`memory` for a note, `wiki` for a page; otherwise the kind: `settings`, `policy`, `persona`, `goal`..."""
        return _TYPES.get(self.kind, self.kind.value)

    @property
    def document(self) -> Document:
        """The document as the steps so far have made it."""
        return self._document

    @property
    def has_version(self) -> bool:
        """Whether a step must leave it at the version that the step leads to."""
        return self.kind not in UNVERSIONED

    @property
    def version(self) -> int:
        """The schema version it states; without one, 0 for a note or page and 1 for a settings file.

        Raises:
            DocumentUnreadable: `schema_version` is not a whole number.
        """
        if self.kind is Kind.SETTINGS and "schema_version" not in self._document.meta:
            return settings.version_of(self._document)
        stated = self._document.meta.get("schema_version", 0)
        if isinstance(stated, bool) or not isinstance(stated, int) or stated < 0:
            line = self._document.line_of("schema_version")
            message = f"schema_version is {stated!r}; a whole number is needed"
            context = {"path": self.unit_id, "line": line, "message": message}
            raise DocumentUnreadable(
                f"{self.unit_id}:{line}: {message}", hint="write schema_version: 1", context=context
            )
        return stated

    def read_frontmatter(self) -> dict[str, object]:
        """A copy of the front matter's values."""
        return dict(self._document.meta)

    def write_frontmatter(self, meta: Mapping[str, object]) -> None:
        """Replace the front matter: keys that `meta` lacks go, lines of values that stay the same are kept."""
        gone = {key: REMOVE for key in self._document.meta if key not in meta}
        self._document = self._document.edit({**gone, **meta})

    def read_body(self) -> str:
        """Everything below the front matter."""
        return self._document.body

    def write_body(self, body: str) -> None:
        """Replace everything below the front matter."""
        self._document = self._document.with_body(body)
