import os
import unicodedata
from pathlib import Path

import pytest

from atomic_agents import Vault, config
from atomic_agents.core.errors import UsageError
from atomic_agents.testing.shell import Shell

COMPOSED, APART = unicodedata.normalize("NFC", "josé"), unicodedata.normalize("NFD", "josé")
ADDRESSES = (
    "postgresql://ada:s3cret@db.example.org/vault", "postgres://ada:s3cret@[::1]:5432/vault?sslmode=require",
    "mysql://ada:s3cret@db/vault", "sqlite:////tmp/vault.db?key=s3cret", "s3://s3cret/vault", "FILE:///srv/s3cret",
    "https://ada:s3cret@example.org/vault", "postgresql:/ada:s3cret@db/vault", "./postgresql://ada:s3cret@db/v",
    "'postgresql://ada:s3cret@db/v'", "postgresql+psycopg://ada:s3cret/x@db/v", "sqlite:s3cret.db",
)  # fmt: skip


@pytest.mark.parametrize("name", ["-x", "--", "a/-x", ".x", "x.", " x", "con", "a\u202eb", "a\tb", "x\u200b"])
def test_an_agent_cannot_be_called_what_no_system_can_hold(name: str, shell: Shell) -> None:
    done = shell("init", "--yes", "--", name)

    assert (done.code, "cannot be the name of an agent" in done.err) == (2, True), done.err
    assert not shell.root.exists()


@pytest.mark.parametrize(("folder", "typed"), [(APART, COMPOSED), (COMPOSED, APART)])
def test_an_agent_is_opened_by_either_spelling_and_made_once(folder: str, typed: str, shell: Shell) -> None:
    assert shell("init", "ada", "--model", "embedded:quote").code == 0
    os.rename(shell.root / "ada", shell.root / folder)
    (shell.root / "policy.md").write_text(
        f"---\nschema_version: 2\nagents:\n  {typed}:\n    cost_caps:\n      daily_usd: 0.25\n---\n"
    )

    made = shell("init", typed, "--model", "embedded:quote")
    run = shell("run", typed, "--work-item", "hello")
    info = shell("info", typed, "--json")
    doctor = shell("doctor", "--agent", typed, "--json")

    assert (made.code, run.code, info.code, doctor.code) == (1, 0, 0, 0), (made.err, run.err, info.err, doctor.out)
    assert sorted(path.name for path in shell.root.iterdir() if path.name[0] not in "._p") == [folder]
    assert "0.25" in info.out
    assert "there is no agent" not in doctor.out


def test_a_new_agent_is_spelled_in_the_form_that_systems_agree_on(shell: Shell) -> None:
    done = shell("init", APART, "--model", "embedded:quote", "--json")

    assert done.value["agent"] == COMPOSED
    assert (shell.root / COMPOSED / "model.md").is_file()
    assert shell("init", COMPOSED.upper(), "--model", "embedded:quote").code == 1


def test_a_folder_that_no_agent_can_have_is_named_by_doctor_and_not_run(shell: Shell) -> None:
    assert shell("init", "ada", "--model", "embedded:quote").code == 0
    os.rename(shell.root / "ada", shell.root / "-ada")

    doctor = shell("doctor")
    run = shell("run", "--work-item", "x", "--", "-ada")

    assert "'-ada' is no agent, as it begins with -" in doctor.out
    assert (run.code, "'-ada' cannot be the name of an agent: it begins with -" in run.err) == (1, True)


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_never_a_folder_and_its_password_is_never_shown(address: str) -> None:
    for root, environ in ((address, {}), (None, {"ATOMIC_AGENTS_ROOT": address})):
        with pytest.raises(UsageError, match="is an address") as refused:
            config.load(root, environ)

        assert "s3cret" not in refused.value.message + refused.value.hint + str(refused.value.context)


@pytest.mark.parametrize(
    "folder", ["C:/vault", "/srv/a:b/c", "~/docs/agents", "a b", "http", "/srv/2026-12-01T10:00/x"]
)
def test_a_folder_is_no_address(folder: str) -> None:
    config.check_folder(folder, "--root")


def test_the_variable_and_the_option_before_a_command_are_refused(shell: Shell) -> None:
    variable = Shell(shell.root, shell.home, {"ATOMIC_AGENTS_ROOT": ADDRESSES[0]})

    for done in (variable("list"), shell("--agents-root", ADDRESSES[0], "list")):
        assert (done.code, "is an address, postgresql://…, and" in done.err) == (2, True), done.err
        assert "s3cret" not in done.err + done.out
    assert list(shell.home.iterdir()) == []


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("atomic_agents.migrate", ("--status",)), ("atomic_agents.dashboard", ("render",)),
        ("atomic_agents", ("init", "x")),
        ("atomic_agents", ("doctor", "--json")), ("atomic_agents", ("serve", "--port", "0")),
        ("atomic_agents", ("rnu", "x")),
    ],
)  # fmt: skip
def test_no_door_takes_an_address_or_repeats_it(module: str, arguments: tuple[str, ...], shell: Shell) -> None:
    done = shell(*arguments, "--root", ADDRESSES[0], module=module)

    assert done.code == 2, done.err
    assert "s3cret" not in done.err + done.out
    assert list(shell.home.iterdir()) == []


@pytest.mark.parametrize("root", [ADDRESSES[0], Path(ADDRESSES[0])])
def test_the_python_door_refuses_one_too(root: "str | Path", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UsageError) as refused:
        Vault.open(root)

    assert "s3cret" not in str(refused.value) + refused.value.hint
    assert list(tmp_path.iterdir()) == []


def test_config_show_of_a_folder_goes_on_where_the_variable_holds_an_address(shell: Shell) -> None:
    assert shell("init", "ada", "--model", "embedded:quote").code == 0
    other = Shell(shell.root, shell.home, {"ATOMIC_AGENTS_ROOT": ADDRESSES[0]})

    done = other("config", "show", "--root", str(shell.root))

    assert (done.code, "s3cret" in done.out + done.err) == (0, False), done.err
