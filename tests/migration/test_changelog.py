import pytest

from atomic_agents.migration import changelog

TEXT = """# Changelog

## [Unreleased]

### Removed

- The oldest thing.

## [2.10.0] - 2026-10-01

### Added

- Something.

### BREAKING

- A word means something else.
  Write the other one.

```text
## not a release
### Removed
```

### Deprecated

- A flag.

## 2.9.0

### Fixed

- Nothing that matters.

### BREAKING

- Two ninths.

## [2.9.0rc1] - 2026-08-01

### Removed

- What came back.

[2.10.0]: https://example.invalid/2.10.0
"""


def told(last: str | None, installed: str) -> list[tuple[str, str]]:
    return [(one.release, one.kind) for one in changelog.between(changelog.read(TEXT), last, installed)]


def test_every_release_in_between_is_told_the_oldest_first() -> None:
    assert told("2.8.3", "2.10.0") == [
        ("2.9.0rc1", "Removed"),
        ("2.9.0", "BREAKING"),
        ("2.10.0", "BREAKING"),
        ("2.10.0", "Deprecated"),
    ]


@pytest.mark.parametrize(
    ("last", "installed", "releases"),
    [
        ("2.9.0", "2.10.0", ["2.10.0", "2.10.0"]),
        ("2.9.0rc1", "2.9.0", ["2.9.0"]),
        ("2.9.0rc1", "2.9.5", ["2.9.0", "Unreleased"]),
        ("2.10.0", "2.10.0", []),
        ("3.0.0", "2.10.0", []),
    ],
)
def test_only_what_lies_between_is_told(last: str, installed: str, releases: list[str]) -> None:
    assert [release for release, _ in told(last, installed)] == releases


def test_what_is_not_released_counts_as_the_version_that_is_installed() -> None:
    assert told("2.10.0", "3.0.0") == [("Unreleased", "Removed")]


def test_without_a_last_package_the_installed_release_is_told_alone() -> None:
    assert told(None, "2.10.0") == [("2.10.0", "BREAKING"), ("2.10.0", "Deprecated")]
    assert told(None, "3.0.0") == [("Unreleased", "Removed")]


def test_a_section_has_its_whole_text_and_code_is_no_heading() -> None:
    breaking = changelog.between(changelog.read(TEXT), "2.9.0", "2.10.0")[0]

    assert (breaking.date, breaking.text) == (
        "2026-10-01",
        "- A word means something else.\n  Write the other one.\n\n```text\n## not a release\n### Removed\n```",
    )


def test_versions_sort_as_people_count() -> None:
    versions = ["3.0.0", "2.10.0", "2.9.0", "3.0.0rc1", "3.0.0.dev2", "v2.9", "nonsense"]

    assert sorted(versions, key=changelog.order) == [
        "nonsense", "2.9.0", "v2.9", "2.10.0", "3.0.0.dev2", "3.0.0rc1", "3.0.0",
    ]  # fmt: skip


def test_the_changelog_of_this_package_is_found_and_read() -> None:
    text = changelog.packaged()

    assert text is not None
    assert next(release.version for release in changelog.read(text)) == "Unreleased"


def test_a_changelog_of_something_else_tells_nothing() -> None:
    assert changelog.between(changelog.read("nothing\n## \n### BREAKING\n- x\n"), "1.0.0", "3.0.0") == ()
