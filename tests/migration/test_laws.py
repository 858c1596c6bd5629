"""What holds for every vault, whatever is in it."""

import datetime
import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atomic_agents import config
from atomic_agents.bootstrap import open_workspace
from atomic_agents.core.document import parse
from atomic_agents.core.errors import DocumentUnreadable, MigrationRefused
from atomic_agents.operations import upkeep
from atomic_agents.operations.workspace import Workspace
from atomic_agents.testing.shell import tree

PRIVATE = (".atomic", "_migrations")
NOW = datetime.datetime(2026, 5, 1, 12, 0, 0, tzinfo=datetime.UTC)

stems = st.text(st.characters(categories=["L", "N"], include_characters=" _-'&"), min_size=1, max_size=20)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
plain = words.map(lambda text: text.replace("\n", " ").replace("\r", " ").strip() or "x")
entries = st.one_of(
    st.sampled_from(
        [
            "schema_version: 0",
            "schema_version: 1  # kept",
            "'schema_version': 1",
            "supersedes: [a.md,b.md]",
            "supersedes:   reference_x.md",
            "supersedes_list:\n  - y.md",
            "provenance: distilled",
            "provenance: operator",
            "# a comment",
            "",
            "name: |\n  a\n  b",
            "? complex\n: value",
            "tags: &t [a]",
            "again: *t",
            "captured: 2026-05-01",
            "flow: {a: 1, b: [2, 3]}",
            "<<: {merged: 1}",
        ]
    ),
    plain.map(lambda text: f"name: {text}"),
    plain.map(lambda text: "description: '" + text.replace("'", "''") + "'"),
)
heads = st.lists(entries, max_size=6).map("\n".join)
fences = st.sampled_from(["---", "---  ", "----"])
headed = st.builds(lambda fence, head, body: f"{fence}\n{head}\n{fence}\n{body}", fences, heads, words)
endings = st.sampled_from(["\n", "\r\n"])
marks = st.sampled_from(["", "\ufeff"])
documents = st.one_of(
    st.builds(lambda text, end, bom: (bom + text.replace("\n", end)).encode(), headed, endings, marks),
    words.map(str.encode),
    st.binary(max_size=40),
)  # fmt: skip
folders = st.sampled_from(
    ["scout/memory", "scout/wiki", "scout/memory/archive", "a/b/c/wiki", "policy", "scout/journal"]
)
vaults = st.dictionaries(
    st.builds(lambda folder, stem: f"{folder}/{stem.strip() or 'x'}.md", folders, stems), documents, max_size=6
)
modes = st.sampled_from([0o644, 0o600, 0o640])
often = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def write(root: Path, vault: Mapping[str, bytes], mode: int = 0o644) -> Workspace:
    for path, data in {"scout/persona/IDENTITY.md": b"# Scout\n", **vault}.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        file.chmod(mode)
        os.utime(file, (1_760_000_000, 1_760_000_000))
    opened = open_workspace(config.load(str(root), {}))
    opened.clock = lambda: NOW
    return opened


def without_gap(body: str) -> str:
    """The body without the empty line that a new front matter is set off by."""
    return body.removeprefix("\r\n") if body.startswith("\r\n") else body.removeprefix("\n")


def migrated(opened: Workspace) -> str:
    """Migrate whatever can be; "" where there is nothing to do."""
    try:
        return upkeep.migrate(opened, 2, skip_unreadable=True).snapshot
    except MigrationRefused as refused:
        if "Forward-only" not in refused.message:
            raise
        return ""


@often
@given(vaults, modes)
def test_a_rollback_is_the_identity_on_bytes_and_modes(vault: dict[str, bytes], mode: int) -> None:
    with TemporaryDirectory() as folder:
        opened = write(Path(folder), vault, mode)
        before = tree(Path(folder))

        name = migrated(opened)
        if name:
            upkeep.roll_back(opened, name)

        assert tree(Path(folder), without=PRIVATE) == before


@often
@given(vaults)
def test_a_migrated_vault_is_current_and_a_second_migration_has_nothing_to_do(vault: dict[str, bytes]) -> None:
    with TemporaryDirectory() as folder:
        opened = write(Path(folder), vault)
        unreadable = {problem.path for problem in upkeep.status(opened).unreadable}

        migrated(opened)

        status = upkeep.status(opened)
        assert set(status.by_version) <= {2}
        assert {problem.path for problem in status.unreadable} == unreadable
        assert migrated(opened) == ""


@often
@given(vaults)
def test_a_migration_keeps_every_body_and_every_key_that_is_not_its_own(vault: dict[str, bytes]) -> None:
    with TemporaryDirectory() as folder:
        opened = write(Path(folder), vault)
        versioned = {path for path in vault if not path.startswith(("scout/journal", "policy"))}

        migrated(opened)

        for path in versioned:
            try:
                before = parse(path, vault[path])
            except DocumentUnreadable:
                assert (Path(folder) / path).read_bytes() == vault[path]
                continue
            after = parse(path, (Path(folder) / path).read_bytes())
            ours = {"schema_version", "provenance", "supersedes", "supersedes_list"}
            assert without_gap(after.body) == without_gap(before.body)
            assert {k: v for k, v in before.meta.items() if k not in ours}.items() <= after.meta.items()
            assert [line for line in before.head.splitlines() if line.startswith("#")] == [
                line for line in after.head.splitlines() if line.startswith("#")
            ]


@often
@given(vaults)
def test_a_dry_run_tells_what_a_migration_does(vault: dict[str, bytes]) -> None:
    with TemporaryDirectory() as folder:
        opened = write(Path(folder), vault)
        before = tree(Path(folder))
        try:
            plan = upkeep.plan_migration(opened, 2, skip_unreadable=True)
        except MigrationRefused:
            assert tree(Path(folder)) == before
            return
        assert tree(Path(folder)) == before

        migrated(opened)

        after = tree(Path(folder), without=PRIVATE)
        assert {path for path in before if after[path] != before[path]} == set(plan.changes.paths)
