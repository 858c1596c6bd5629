from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from atomic_agents.testing.shell import Shell, tree

MakeVault = Callable[[Mapping[str, str | bytes]], Path]
PRIVATE = (".atomic", "_migrations")
A, B = "scout/memory/user_a.md", "scout/memory/user_b.md"
NOTE = "---\n{0}name: a\ndescription: d\ntype: user\nconfidence: high\nsources: [s]\n---\n\na\n"
VAULT = {"scout/persona/IDENTITY.md": "# Scout\n", A: NOTE.format(""), B: NOTE.format("schema_version: 1\n")}
SCRIPT = """
FROM_VERSION, TO_VERSION = {0}, {0} + 1
def applies_to(unit): return True
def migrate(unit): {1}
"""
UP = 'unit.write_frontmatter({**unit.read_frontmatter(), "schema_version": TO_VERSION})'


def snapshots(root: Path) -> list[str]:
    folder = root / "_migrations/snapshots"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_each_version_has_a_snapshot_to_go_back_to(make_vault: MakeVault, shell: Shell) -> None:
    root = make_vault(VAULT)
    before = tree(root, without=PRIVATE)

    done = shell("migrate", "--to", "v2", "--each")

    first, second = snapshots(root)
    assert (done.code, [first[17:], second[17:]]) == (0, ["_pre_v1_migration.tar.gz", "_pre_v2_migration.tar.gz"])
    assert done.out.splitlines() == [
        f"snapshot {first}", f"snapshot {second}", "migrated from v0 to v2: v1 1 note; v2 2 notes",
    ]  # fmt: skip
    assert f"back to v1: python -m atomic_agents.migrate --rollback {second}\n" in done.err
    assert shell("migrate", "--rollback", second).code == 0
    assert shell("migrate", "--status", "--json").value["by_version"] == {"v1": 2}
    assert shell("migrate", "--rollback", first).code == 0
    assert tree(root, without=PRIVATE) == before


def test_it_ends_where_one_migration_does(make_vault: MakeVault, shell: Shell) -> None:
    root = make_vault(VAULT)
    assert shell("migrate", "--to", "v2").code == 0
    at_once = tree(root, without=PRIVATE)
    make_vault(VAULT)

    value = shell("migrate", "--to", "head", "--each", "--json").value

    assert tree(root, without=PRIVATE) == at_once
    assert (value["from"], value["to"]) == (0, 2)
    assert [(one["from"], one["to"], one["counts"]) for one in value["each"]] == [
        (0, 1, {"note": 1}),
        (1, 2, {"note": 2}),
    ]
    assert [one["snapshot"] for one in value["each"]] == snapshots(root)[-2:]
    assert shell("migrate", "--verify").code == 0


def test_a_dry_run_says_the_restore_points_and_writes_nothing(make_vault: MakeVault, shell: Shell) -> None:
    root = make_vault(VAULT)
    before = tree(root)

    done = shell("migrate", "--to", "v2", "--each", "--dry-run")

    assert done.out.splitlines()[-3:] == [
        "restore point at v0: …_pre_v1_migration.tar.gz",
        "restore point at v1: …_pre_v2_migration.tar.gz",
        "dry run: v0 to v2 by v0_to_v1 > v1_to_v2 would change 2 notes; nothing was written",
    ]
    assert shell("migrate", "--to", "v2", "--each", "--dry-run", "--json").value["restore_points"] == [0, 1]
    assert tree(root) == before


def test_a_version_that_fails_says_where_the_vault_is_and_how_to_go_back(make_vault: MakeVault, shell: Shell) -> None:
    root = make_vault({**VAULT, "_migrations/v2_to_v3.py": SCRIPT.format(2, "raise KeyError('x')")})

    done = shell("migrate", "--to", "v3", "--each")

    first, second = snapshots(root)
    assert done.code == 1
    assert "error: v2_to_v3 failed on scout/memory/user_a.md: KeyError: 'x'\n" in done.err
    assert f"the vault is at v2; its snapshots: {first}, {second}\n" in done.err
    assert f"back to v0: python -m atomic_agents.migrate --rollback {first}\n" in done.err
    assert shell("migrate", "--status", "--json").value["by_version"] == {"v2": 2}
    assert shell("migrate", "--verify").code == 0


def test_a_missing_step_is_found_before_the_first_writes(make_vault: MakeVault, shell: Shell) -> None:
    root = make_vault({**VAULT, "_migrations/v3_to_v4.py": SCRIPT.format(3, UP)})
    before = tree(root, without=(".atomic",))

    done = shell("migrate", "--to", "v4", "--each")

    assert (done.code, done.err.splitlines()[0]) == (1, "error: No migration script for v2 to v3")
    assert tree(root, without=(".atomic",)) == before


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_a_version_that_the_vault_has_is_refused_in_the_words_of_the_guide(
    more: list[str], make_vault: MakeVault, shell: Shell
) -> None:
    make_vault(VAULT | {A: NOTE.format("schema_version: 2\n"), B: NOTE.format("schema_version: 2\n")})

    done = shell("migrate", "--to", "v2", "--each", *more)

    assert done.code == 1
    assert "Target version v2 is not above current v2. Forward-only migrations." in done.err
    assert shell("migrate", "--to", "head", "--each").out == "already at v2\n"


def test_each_goes_with_to(make_vault: MakeVault, shell: Shell) -> None:
    make_vault(VAULT)

    done = shell("migrate", "--status", "--each")

    hint = "  hint: python -m atomic_agents.migrate --to head --each\n"
    assert (done.code, done.err) == (2, f"error: --each goes with --to vN\n{hint}")
