from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from atomic_agents.testing.shell import Shell, tree

MakeVault = Callable[[Mapping[str, str | bytes]], Path]
PRIVATE = (".atomic", "_migrations")
NOTE = "---\n{0}name: a\ndescription: d\ntype: user\nconfidence: high\nsources: [s]\n---\n\na\n"
V0, V1, V2 = (NOTE.format(f"schema_version: {version}\n") for version in (0, 1, 2))
MODEL = "## Default model\nembedded:quote\n"
AGENT = {"scout/persona/IDENTITY.md": "# Scout\n", "scout/memory/user_a.md": V0, "scout/model.md": MODEL}
SCRIPT = """from atomic_agents.migration import MigratableUnit

FROM_VERSION = {old}
TO_VERSION = {new}


def applies_to(unit: MigratableUnit) -> bool:
    return unit.read_frontmatter().get("schema_version") == {old}


def migrate(unit: MigratableUnit) -> dict:
    meta = unit.read_frontmatter()
    meta["schema_version"] = {new}
    meta["by_script"] = unit.unit_type
    unit.write_frontmatter(meta)
    return {{"changes": ["schema_version"]}}
"""
V0_TO_V1, V1_TO_V2, V2_TO_V3 = (SCRIPT.format(old=version, new=version + 1) for version in (0, 1, 2))


def note(root: Path) -> str:
    return (root / "scout/memory/user_a.md").read_text()


def test_a_script_of_the_published_contract_works_unchanged(make_vault: MakeVault, shell: Shell) -> None:
    root = make_vault({**AGENT, "_migrations/v0_to_v1.py": V0_TO_V1})

    done = shell("--to", "v1", module="atomic_agents.migrate")

    assert done.code == 0
    assert note(root) == V0.replace("schema_version: 0", "schema_version: 1").replace(
        "sources: [s]\n", "sources: [s]\nby_script: memory\n"
    )


def test_what_a_script_leaves_out_the_package_does(make_vault: MakeVault, shell: Shell) -> None:
    root = make_vault({**AGENT, "scout/memory/user_b.md": NOTE.format(""), "_migrations/v0_to_v1.py": V0_TO_V1})

    done = shell("migrate", "--to", "v2", "--json")

    assert [step["name"] for step in done.value["steps"]] == ["v0_to_v1", "v0_to_v1", "v1_to_v2"]
    assert "by_script: memory" in note(root)
    assert "by_script" not in (root / "scout/memory/user_b.md").read_text()
    assert shell("migrate", "--status", "--json").value["by_version"] == {"v2": 3}


def test_what_a_script_brings_to_a_version_of_the_package_is_made_complete(make_vault: MakeVault, shell: Shell) -> None:
    root = make_vault({**AGENT, "_migrations/v1_to_v2.py": V1_TO_V2})

    shell("migrate", "--to", "v2")

    assert "by_script: memory\nprovenance: inference\n" in note(root)
    assert "by_script" not in (root / "scout/model.md").read_text()


def test_a_script_is_offered_settings_where_it_asks_for_them(make_vault: MakeVault, shell: Shell) -> None:
    asks = V2_TO_V3 + 'UNIT_TYPES = ("memory", "settings")\n'
    root = make_vault({**AGENT, "_migrations/v2_to_v3.py": asks})

    shell("migrate", "--to", "v3")

    assert "by_script: settings" in (root / "scout/model.md").read_text()


def test_a_script_is_offered_documents_without_a_version_where_it_asks_for_them(
    make_vault: MakeVault, shell: Shell
) -> None:
    script = """FROM_VERSION = 1
TO_VERSION = 2
UNIT_TYPES = ("persona", "goal", "eval")
def applies_to(unit): return True
def migrate(unit):
    unit.write_body(unit.read_body() + f"seen as {unit.unit_type}\\n")
    return {"changes": ["body"]}
"""
    texts = {"persona/SOUL.md": "# Soul\n", "goal.md": "---\nschema_version: 1\n---\n", "evals/rubric.md": "# Rubric\n"}
    root = make_vault(
        {**AGENT, **{f"scout/{name}": text for name, text in texts.items()}, "_migrations/v1_to_v2.py": script}
    )

    done = shell("migrate", "--to", "v2")

    assert done.code == 0, done.err
    seen = {name: (root / "scout" / name).read_text().splitlines()[-1] for name in texts}
    assert seen == {"persona/SOUL.md": "seen as persona", "goal.md": "seen as goal", "evals/rubric.md": "seen as eval"}


def test_archived_copies_are_counted_and_stay_as_they_were_written(make_vault: MakeVault, shell: Shell) -> None:
    old = "scout/memory.archived-20260501T120000Z_0a1b2c3d/user_a.md"
    root = make_vault({**AGENT, old: "---\nname: a\n---\n\nas it was\n"})

    status, done = shell("migrate", "--status"), shell("migrate", "--to", "v2")

    assert "archived   1, kept as they were written" in status.out
    assert (done.code, (root / old).read_text()) == (0, "---\nname: a\n---\n\nas it was\n")


class TestAVersionAboveThePackages:
    def test_is_reached_by_a_script_with_a_warning(self, make_vault: MakeVault, shell: Shell) -> None:
        root = make_vault({**AGENT, "_migrations/v2_to_v3.py": V2_TO_V3})

        done = shell("migrate", "--to", "v3")

        assert (done.code, "schema_version: 3" in note(root)) == (0, True)
        assert "this package writes v2 and only reads what is at v3" in done.err

    def test_is_read_and_no_longer_migrated(self, make_vault: MakeVault, shell: Shell) -> None:
        root = make_vault({**AGENT, "_migrations/v2_to_v3.py": V2_TO_V3})
        shell("migrate", "--to", "v3")
        before = tree(root)

        status, again = shell("migrate", "--status"), shell("migrate", "--to", "v3")

        assert status.code == 0
        assert status.out.splitlines()[-1] == "newer than this package, which reads v3 and does not write it"
        assert (again.code, tree(root, without=(".atomic",))) == (
            6,
            {path: found for path, found in before.items() if not path.startswith(".atomic/")},
        )

    def test_is_left_by_a_rollback(self, make_vault: MakeVault, shell: Shell) -> None:
        root = make_vault({**AGENT, "_migrations/v2_to_v3.py": V2_TO_V3})
        before = tree(root, without=PRIVATE)
        name = str(shell("migrate", "--to", "v3", "--json").value["snapshot"])

        done = shell("migrate", "--rollback", name)

        assert (done.code, tree(root, without=PRIVATE)) == (0, before)

    def test_needs_a_script(self, make_vault: MakeVault, shell: Shell) -> None:
        root = make_vault(AGENT)
        before = tree(root)

        done = shell("migrate", "--to", "v3")

        assert done.code == 1
        assert done.err.startswith("error: No migration script for v2 to v3\n  hint: put v2_to_v3.py into _migrations/")
        assert tree(root, without=(".atomic",)) == before


RAISES = V0_TO_V1.replace('meta["by_script"]', 'raise RuntimeError("no"); meta["by_script"]')
BAD = {
    "paths by name": (
        "FROM_VERSION = 0\nTO_VERSION = 1\ndef applies_to(path): return True\ndef migrate(path, dry_run): return {}\n",
        "_migrations/v0_to_v1.py: applies_to takes a path, as scripts did before units",
    ),
    "paths by their type": (
        V0_TO_V1.replace("unit: MigratableUnit) -> bool", "p: 'Path') -> bool").replace("unit.read", "p.read"),
        "_migrations/v0_to_v1.py: applies_to takes a path, as scripts did before units",
    ),
    "a second argument": (
        V0_TO_V1.replace("migrate(unit: MigratableUnit)", "migrate(unit, dry_run)"),
        "_migrations/v0_to_v1.py: migrate takes a path, as scripts did before units",
    ),
    "no contract": ("print('x')\n", "_migrations/v0_to_v1.py lacks FROM_VERSION, TO_VERSION, applies_to, migrate"),
    "not functions": (
        "FROM_VERSION = 0\nTO_VERSION = 1\napplies_to = migrate = 5\n",
        "_migrations/v0_to_v1.py lacks applies_to, migrate",
    ),
    "another version": (
        V0_TO_V1.replace("TO_VERSION = 1", "TO_VERSION = 2"),
        "_migrations/v0_to_v1.py says v0 to v2, which is not what its name says",
    ),
    "not Python": ("def", "_migrations/v0_to_v1.py cannot be imported: SyntaxError"),
    "an exit": ("raise SystemExit(0)", "_migrations/v0_to_v1.py cannot be imported: SystemExit"),
    "raises": (RAISES, "v0_to_v1 failed on scout/memory/user_a.md: RuntimeError: no"),
    "exits in a step": (
        RAISES.replace('RuntimeError("no")', "SystemExit(0)"),
        "v0_to_v1 failed on scout/memory/user_a.md: SystemExit: 0",
    ),
    "opens the unit": (
        V0_TO_V1.replace("meta = unit", "open(unit); meta = unit"),
        "v0_to_v1 failed on scout/memory/user_a.md: TypeError",
    ),
    "another unit type": (V0_TO_V1 + "UNIT_TYPES = ('log',)\n", "_migrations/v0_to_v1.py: there is no unit type log"),
    "leaves the version": (
        V0_TO_V1.replace('meta["schema_version"] = 1', "pass"),
        "v0_to_v1 left scout/memory/user_a.md at v0 instead of v1",
    ),
    "writes what YAML cannot hold": (
        V0_TO_V1.replace('meta["by_script"] = unit.unit_type', 'meta["x"] = object()'),
        "v0_to_v1 failed on scout/memory/user_a.md: RepresenterError",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_script_that_is_not_right_is_refused_and_nothing_changes(
    what: str, make_vault: MakeVault, shell: Shell
) -> None:
    script, message = BAD[what]
    root = make_vault({**AGENT, "_migrations/v0_to_v1.py": script})
    before = tree(root)

    done = shell("migrate", "--to", "v2")

    assert done.code == 1
    assert f"error: {message}" in done.err
    assert tree(root, without=(".atomic",)) == before


@pytest.mark.parametrize("what", ["paths by name", "opens the unit"])
def test_a_script_for_paths_is_told_how_it_is_rewritten(what: str, make_vault: MakeVault, shell: Shell) -> None:
    make_vault({**AGENT, "_migrations/v0_to_v1.py": BAD[what][0]})

    done = shell("migrate", "--to", "v2", "--dry-run")

    assert "write it for a unit instead of a path:" in done.err
    assert "          migrate(path, dry_run)       migrate(unit); every write is in memory" in done.err


def test_a_script_that_leaves_out_a_version_is_refused_when_it_is_needed(make_vault: MakeVault, shell: Shell) -> None:
    make_vault({**AGENT, "_migrations/v0_to_v2.py": V0_TO_V1})

    status, done = shell("migrate", "--status"), shell("migrate", "--to", "v2")

    assert (status.code, done.code) == (0, 1)
    assert done.err == (
        "error: _migrations/v0_to_v2.py leaves out a version\n"
        "  hint: write one script for each version, such as v0_to_v1.py\n"
    )


def test_only_a_migration_that_needs_a_script_runs_it_and_says_so_before(
    tmp_path: Path, make_vault: MakeVault, shell: Shell
) -> None:
    trace = tmp_path / "imported"
    script = f"open({str(trace)!r}, 'a').write('x')\n{V0_TO_V1}"
    make_vault({**AGENT, "_migrations/v0_to_v1.py": script, "_migrations/v7_to_v8.py": script})

    for command in (["migrate", "--status"], ["migrate", "--list-snapshots"], ["doctor"], ["list"]):
        shell(*command)
    before = trace.exists()
    dry = shell("migrate", "--to", "v1", "--dry-run")

    assert (before, trace.read_text()) == (False, "x")
    assert dry.err.startswith("warning: _migrations/v0_to_v1.py (sha256 ")
    assert "…) is code of this vault and is run\n" in dry.err
    assert "v7_to_v8" not in dry.err


def test_a_script_may_use_dataclasses_and_a_future(make_vault: MakeVault, shell: Shell) -> None:
    head = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n\n@dataclass\nclass A:\n    x: int\n\n"
    )
    make_vault({**AGENT, "_migrations/v0_to_v1.py": head + V0_TO_V1})

    assert shell("migrate", "--to", "v1").code == 0


def test_a_script_can_change_a_body(make_vault: MakeVault, shell: Shell) -> None:
    script = V0_TO_V1.replace("    return {", "    unit.write_body(unit.read_body().upper())\n    return {")
    root = make_vault({**AGENT, "_migrations/v0_to_v1.py": script})

    shell("migrate", "--to", "v1")

    assert note(root).endswith("---\n\nA\n")
