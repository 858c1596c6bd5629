"""Move the fragments in changes/ into CHANGELOG.md, below its heading for what is not released."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KINDS = {
    "breaking": "BREAKING", "removed": "Removed", "deprecated": "Deprecated", "added": "Added", "changed": "Changed",
    "fixed": "Fixed",
}  # fmt: skip
_HEADING = "## [Unreleased]"


def merged(changelog: str, fragments: dict[str, list[str]]) -> str:
    """The changelog with `fragments`, texts by kind, added to the sections of what is not released.

    Raises:
        ValueError: the changelog has no heading for what is not released.
    """
    before, heading, rest = changelog.partition(_HEADING)
    if not heading:
        raise ValueError(f"CHANGELOG.md has no heading {_HEADING}")
    unreleased, released_heading, released = rest.partition("\n## [")
    sections = dict.fromkeys(KINDS.values(), "")
    for part in unreleased.split("\n### ")[1:]:
        name, _, text = part.partition("\n")
        sections[name] = text.strip()
    for kind, texts in fragments.items():
        name = KINDS[kind]
        sections[name] = "\n".join([part for part in (sections[name],) if part] + [_bullet(text) for text in texts])
    body = "".join(f"\n\n### {name}\n\n{text}" for name, text in sections.items() if text)
    return f"{before}{heading}{body}\n{released_heading}{released}"


def _bullet(text: str) -> str:
    return "- " + "\n  ".join(line.strip() for line in text.strip().splitlines())


def main() -> int:
    """Write the changelog and take the fragments away."""
    fragments: dict[str, list[str]] = {}
    paths = sorted(path for path in (ROOT / "changes").glob("*.md") if path.name != "README.md")
    for path in paths:
        kind = path.stem.rpartition(".")[2]
        if kind not in KINDS:
            print(f"error: {path.name} names no kind\n  hint: {path.stem.partition('.')[0]}.added.md", file=sys.stderr)
            return 1
        fragments.setdefault(kind, []).append(path.read_text(encoding="utf-8"))
    changelog = ROOT / "CHANGELOG.md"
    changelog.write_text(merged(changelog.read_text(encoding="utf-8"), fragments), encoding="utf-8")
    for path in paths:
        path.unlink()
    print(f"{len(paths)} fragments are in CHANGELOG.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
