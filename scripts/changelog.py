"""Move the fragments in changes/ into CHANGELOG.md, below the heading of the version to come."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KINDS = {
    "breaking": "BREAKING", "removed": "Removed", "deprecated": "Deprecated", "added": "Added", "changed": "Changed",
    "fixed": "Fixed",
}  # fmt: skip
UNRELEASED = "Unreleased"


def merged(changelog: str, fragments: dict[str, list[str]], version: str = UNRELEASED) -> str:
    """The changelog with `fragments`, texts by kind, added to the sections of a version; what stands there stays.

    Raises:
        ValueError: the changelog has no heading for that version.
    """
    heading = _heading(version).search(changelog)
    if heading is None:
        raise ValueError(f"CHANGELOG.md has no heading ## [{version}]")
    before, rest = changelog[: heading.end()], changelog[heading.end() :]
    ours, next_heading, others = rest.partition("\n## [")
    sections = dict.fromkeys(KINDS.values(), "")
    intro, *parts = ours.split("\n### ")
    for part in parts:
        name, _, text = part.partition("\n")
        sections[name] = text.strip()
    for kind, texts in fragments.items():
        name = KINDS[kind]
        sections[name] = "\n".join([part for part in (sections[name],) if part] + [_bullet(text) for text in texts])
    body = "".join(f"\n\n### {name}\n\n{text}" for name, text in sections.items() if text)
    return f"{before}{intro.rstrip()}{body}\n{next_heading}{others}"


def target(changelog: str, version: str) -> str:
    """The heading that fragments go below: that of `version`, where the changelog has one, else what is unreleased."""
    return version if _heading(version).search(changelog) else UNRELEASED


def _heading(version: str) -> re.Pattern[str]:
    return re.compile(rf"^## \[{re.escape(version)}\][^\n]*$", re.MULTILINE)


def _bullet(text: str) -> str:
    return "- " + "\n  ".join(line.strip() for line in text.strip().splitlines())


def _package_version() -> str:
    text = (ROOT / "src" / "atomic_agents" / "_version.py").read_text(encoding="utf-8")
    return text.partition('__version__ = "')[2].partition('"')[0]


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
    before = changelog.read_text(encoding="utf-8")
    version = target(before, _package_version())
    changelog.write_text(merged(before, fragments, version), encoding="utf-8")
    for path in paths:
        path.unlink()
    print(f"{len(paths)} fragments are in CHANGELOG.md below [{version}]")
    return 0


if __name__ == "__main__":
    sys.exit(main())
