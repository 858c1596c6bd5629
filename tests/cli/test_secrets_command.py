import json
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from atomic_agents.testing.shell import Done, Shell

KEY = "quite-a-long-key-1234567890"
NO_KEYRING = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
needs_keyring = pytest.mark.skipif(find_spec("keyring") is None, reason="the extra keyring is not installed")
BACKEND = """
import json, os, time
from keyring.backend import KeyringBackend

class Ring(KeyringBackend):
    priority = 1
    path = os.path.join(os.environ["HOME"], "ring.json")

    def _items(self):
        if os.path.exists(self.path + ".locked"):
            time.sleep(60)
        try:
            with open(self.path) as file:
                return json.load(file)
        except FileNotFoundError:
            return {}

    def get_password(self, service, username):
        return self._items().get(f"{service}/{username}")

    def set_password(self, service, username, password):
        self._save(self._items() | {f"{service}/{username}": password})

    def delete_password(self, service, username):
        self._save({name: value for name, value in self._items().items() if name != f"{service}/{username}"})

    def _save(self, items):
        with open(self.path, "w") as file:
            json.dump(items, file)
"""


@pytest.fixture
def bare(shell: Shell) -> Shell:
    """A terminal on a machine without a keyring."""
    return replace(shell, environ=NO_KEYRING)


@pytest.fixture
def ringed(shell: Shell, tmp_path: Path) -> Shell:
    """A terminal on a machine whose keyring is a file `ring.json` in the home."""
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "our_ring.py").write_text(BACKEND)
    paths = f"{tmp_path / 'ours'}:{Path(__file__).parents[2] / 'src'}"
    return replace(shell, environ={"PYTHON_KEYRING_BACKEND": "our_ring.Ring", "PYTHONPATH": paths})


def said(done: Done) -> str:
    assert KEY not in done.out + done.err
    return done.out + done.err


def availability(shell: Shell, family: str) -> set[str]:
    return {
        offer["availability"] for offer in shell("models", "list", "--json").value if offer["id"].startswith(family)
    }


def test_a_key_that_is_kept_is_used_and_never_shown(bare: Shell) -> None:
    keys = bare.home / ".config" / "atomic_agents" / "keys.json"
    assert availability(bare, "anthropic:") == {"no-key"}

    kept = bare("secrets", "set", "anthropic", stdin=f"{KEY}\n")

    assert said(kept) == f"anthropic: kept in file:{keys}\n"
    assert said(bare("secrets", "which", "ANTHROPIC_API_KEY")) == f"file:{keys}\n"
    assert said(bare("secrets", "check", "anthropic")) == f"file:{keys}\n"
    assert said(bare("secrets", "list")).splitlines()[1].split() == ["anthropic", f"file:{keys}"]
    assert availability(bare, "anthropic:") == {"ready"}
    assert "with the model anthropic:" in said(bare("init", "scout"))
    assert json.loads(keys.read_text()) == {"anthropic": KEY}


def test_the_environment_goes_first_and_that_is_said(bare: Shell) -> None:
    full = replace(bare, environ={**NO_KEYRING, "OPENAI_API_KEY": "another"})

    kept = full("secrets", "set", "openai", stdin=KEY)

    assert "env:OPENAI_API_KEY has one too, and goes before it" in said(kept)
    assert said(full("secrets", "which", "openai")) == "env:OPENAI_API_KEY\n"


def test_a_key_on_the_command_line_is_refused_and_not_repeated(bare: Shell) -> None:
    for arguments in (("anthropic", KEY), ("sk-ant-" + KEY,), (f"anthropic={KEY}",), ("anthropic", "--value", KEY)):
        done = bare("secrets", "set", *arguments)

        assert done.code == 2, arguments
        assert said(done).startswith("error: ")


def test_there_is_nothing_to_keep(bare: Shell) -> None:
    assert bare("secrets", "set", "openai", stdin="\n").code == 2
    assert not (bare.home / ".config").exists()


def test_a_key_that_is_nowhere_is_said_with_the_command(bare: Shell) -> None:
    done = bare("secrets", "check", "groq")

    assert done.code == 1
    assert "hint: atomic-agents secrets set groq\n" in done.err
    assert bare("secrets", "which", "groq", "--json").value == {
        "name": "groq", "found": False, "where": None, "wanted_by": [], "troubles": []
    }  # fmt: skip


def test_a_key_is_taken_away(bare: Shell) -> None:
    bare("secrets", "set", "openai", stdin=KEY)

    planned, done, again = (
        bare("secrets", "delete", "openai", *more) for more in (("--dry-run",), (), ())
    )  # fmt: skip

    assert said(planned) == "openai: would be taken out of file\n"
    assert (said(done), done.code) == ("openai: taken out of file\n", 0)
    assert again.code == 1


def test_a_dry_run_keeps_nothing(bare: Shell) -> None:
    assert bare("secrets", "set", "openai", "--dry-run").out == "would keep openai in: file\n"
    assert not (bare.home / ".config").exists()


def test_a_command_is_run_for_a_run_that_needs_its_key_and_the_key_is_not_written_down(bare: Shell) -> None:
    keys = bare.home / ".config" / "atomic_agents" / "keys.json"
    keys.parent.mkdir(parents=True)
    keys.write_text(json.dumps({"openai": {"command": [sys.executable, "-c", f"print('{KEY}')"]}}))
    keys.chmod(0o600)
    closed = {**NO_KEYRING, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    bare("init", "scout", "--model", "openai:gpt-5-mini")

    done = replace(bare, environ=closed)("run", "scout", "--work-item", f"say {KEY}")

    assert done.code == 7
    said(done)
    assert [path for path in bare.root.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()] == []


TOOL = "---\nname: vane\ndescription: d\nclassification: read_only\nenv: [VANE_TOKEN, PLACE]\n---\n"
CODE = """import os
def handler(input):
    return os.environ["VANE_TOKEN"] + " at " + os.environ["PLACE"] + " and " + str(os.environ.get("BARN_TOKEN"))
"""


@pytest.fixture
def vane(bare: Shell) -> Shell:
    """A terminal with an agent whose tool names two variables, and a file that has a command for one."""
    bare("init", "scout", "--model", "embedded:quote")
    (bare.root / "scout" / "tools").mkdir(exist_ok=True)
    (bare.root / "scout" / "tools" / "vane.md").write_text(TOOL)
    (bare.root / "scout" / "tools" / "vane.py").write_text(CODE)
    keys = bare.home / ".config" / "atomic_agents" / "keys.json"
    keys.parent.mkdir(parents=True)
    says = {"command": [sys.executable, "-c", f"print('{KEY}')"]}
    keys.write_text(json.dumps({"VANE_TOKEN": says, "BARN_TOKEN": "another-long-key-1234"}))
    keys.chmod(0o600)
    return replace(bare, environ={**NO_KEYRING, "PLACE": "the barn"})


def test_a_tool_is_given_the_secrets_that_it_names_from_any_place_and_what_it_prints_is_redacted(vane: Shell) -> None:
    done = vane("tools", "test", "scout", "vane")

    assert (done.code, done.out) == (0, "[redacted] at the barn and None\n")
    said(done)
    assert [each for each in vane("doctor", "--json").value["results"] if each["status"] != "pass"
            and each["name"] == "tools"] == []  # fmt: skip


def test_a_tool_without_its_secret_fails_in_words_and_is_a_finding(vane: Shell) -> None:
    without = replace(vane, environ=NO_KEYRING)

    done = without("tools", "test", "scout", "vane")

    assert "PLACE is not set, and scout/tools/vane.md asks for it" in done.err
    assert "scout/tools/vane.md: it needs PLACE, which is not set" in without("doctor").out


def test_what_a_tool_asks_for_is_listed_and_a_wrong_name_is_met_with_the_nearest(vane: Shell) -> None:
    listed = {each["name"]: (each["where"], each["wanted_by"]) for each in vane("secrets", "list", "--json").value}
    wrong, where = vane("secrets", "check", "VANE_TOKN"), vane("secrets", "which", "PLACE")
    missing = replace(vane, environ=NO_KEYRING)("secrets", "which", "PLACE")

    assert listed["VANE_TOKEN"] == (f"command:{sys.executable}", ["scout/tools/vane.md"])
    assert (wrong.code, "did you mean VANE_TOKEN" in wrong.err) == (1, True)
    assert (where.code, where.out) == (0, "env:PLACE\n")
    assert "scout/tools/vane.md asks for it" in missing.err


@needs_keyring
def test_the_keyring_is_preferred_where_there_is_one(ringed: Shell) -> None:
    kept = ringed("secrets", "set", "openai", stdin=KEY)

    assert said(kept) == "openai: kept in keyring:atomic-agents-openai\n"
    assert said(ringed("secrets", "list")).splitlines()[1].split() == ["openai", "keyring:atomic-agents-openai"]
    assert availability(ringed, "openai:") == {"ready"}
    assert said(ringed("secrets", "delete", "openai")) == "openai: taken out of keyring\n"
    assert ringed("secrets", "list", "--json").value == []


@needs_keyring
def test_a_keyring_that_stays_locked_is_left_behind(ringed: Shell) -> None:
    (ringed.home / "ring.json.locked").touch()

    done = ringed("secrets", "check")

    assert "it did not answer in 5 s, and may be locked" in done.out
    assert done.code == 0


@needs_keyring
def test_a_keyring_that_cannot_be_used_is_said_and_the_file_is_used(bare: Shell) -> None:
    places = {place["place"]: place["trouble"] for place in bare("secrets", "check", "--json").value}

    assert places["keyring"].startswith("the system's keyring cannot be used: NoKeyringError")
    assert places["env"] is None
    assert bare("secrets", "set", "openai", "--to", "keyring", stdin=KEY).code == 7
