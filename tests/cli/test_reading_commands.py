from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from atomic_agents.testing.shell import Shell, tree

VaultCopy = Callable[[str], Path]
MakeVault = Callable[[Mapping[str, str | bytes]], Path]
READING = (
    ["list"],
    ["info", "caldwell"],
    ["prompt", "caldwell"],
    ["memory", "list", "caldwell"],
    ["memory", "search", "caldwell", "oak"],
    ["models", "list"],
    ["snapshots", "list"],
    ["migrate", "--status"],
    ["migrate", "--list-snapshots"],
    ["doctor"],
    ["runs", "list"],
    ["runs", "show", "last"],
    ["runs", "show", "caldwell", "--at", "2026-05-15"],
    ["runs", "verify"],
    ["cost", "--month", "2026-05"],
)


@pytest.fixture
def samples(vault_copy: VaultCopy, shell: Shell) -> Path:
    root = vault_copy("samples")
    assert shell("migrate", "--to", "v2").code == 0
    return root


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_a_reading_command_changes_no_document_and_has_json(command: list[str], samples: Path, shell: Shell) -> None:
    before = tree(samples, without=(".atomic",))

    said, value = shell(*command), shell(*command, "--json").value

    assert (said.code, tree(samples, without=(".atomic",))) == (0, before)
    assert said.out
    assert value


def test_an_old_vault_is_read_as_it_is(vault_copy: VaultCopy, shell: Shell) -> None:
    root = vault_copy("v0")
    before = tree(root)

    agents = {agent["name"]: agent for agent in shell("list", "--json").value}
    info = shell("info", "memory", "--json").value

    assert {name: agent["notes"] for name, agent in agents.items()} == {"crew/night/keeper": 1, "memory": 9}
    assert (info["model"], info["settings"]["model.md"]["version"]) == ("claude-sonnet-4-6", 1)
    assert tree(root, without=(".atomic",)) == before


def test_list_names_what_cannot_be_read(samples: Path, shell: Shell) -> None:
    (samples / "caldwell/memory/user_x.md").write_bytes(b"\0")

    done = shell("list")

    assert done.code == 0
    assert done.err == (
        "warning: caldwell/memory/user_x.md: is binary: it holds NUL bytes\n  hint: move it out of the vault\n"
    )


def test_list_of_an_empty_vault_says_how_to_begin(make_vault: MakeVault, shell: Shell) -> None:
    root = make_vault({})

    done = shell("list")

    assert (done.code, done.out) == (0, "")
    assert done.err == f"no agents in {root}\n  hint: atomic-agents init my-agent\n"


def test_info_says_where_each_setting_comes_from(samples: Path, shell: Shell) -> None:
    assert samples.is_dir()

    own = shell("info", "caldwell").out
    inherited = shell("info", "press/projects/spring-catalogue/agents/editor").out

    assert "model        embedded:quote\n" in own
    assert "settings     caldwell/model.md (v2), caldwell/tools.md (v2), caldwell/roster.md (v2)\n" in own
    assert "press/roles/editor/model.md (v2)" in inherited
    assert "project      press/projects/spring-catalogue\n" in inherited


def test_info_of_an_agent_with_wrong_settings_shows_them_all_and_fails(samples: Path, shell: Shell) -> None:
    (samples / "caldwell/model.md").write_text(
        '---\nschema_version: 2\nmodel: embedded:quote\nmax_output_tokens: "2k"\ntemprature: 1\n---\n'
    )

    done = shell("info", "caldwell")

    assert done.code == 1
    assert 'error: caldwell/model.md:4: max_output_tokens is "2k"; a whole number is needed\n' in done.err
    assert "error: caldwell/model.md:5: temprature is not a setting\n  hint: write temperature\n" in done.err


@pytest.mark.parametrize("command", ["info", "prompt", "memory list"])
def test_an_agent_that_is_not_there_is_an_error_with_the_nearest(command: str, samples: Path, shell: Shell) -> None:
    assert samples.is_dir()

    done = shell(*command.split(), "caldwel")

    assert (done.code, done.out, done.err) == (
        1, "", "error: there is no agent caldwel\n  hint: did you mean caldwell\n",
    )  # fmt: skip


def test_prompt_is_what_a_run_sends(samples: Path, shell: Shell) -> None:
    assert samples.is_dir()

    prompt, dry = shell("prompt", "caldwell", "--json"), shell("run", "caldwell", "--work-item", "oak?", "--dry-run")

    assert prompt.value["model"] == "embedded:quote"
    assert [section for section in prompt.value["sections"] if section["text"].split("\n")[0] not in dry.out] == []
    assert dry.out.rstrip().endswith("[work item] oak?")
    assert dry.err.splitlines()[-1].endswith("embedded:quote; one request can cost at most $0.0000")


def test_memory_search_finds_and_says_where(samples: Path, shell: Shell) -> None:
    assert samples.is_dir()

    found = shell("memory", "search", "caldwell", "deposit", "--json").value
    nothing = shell("memory", "search", "caldwell", "xyzzy")

    assert "decision_2026_deposit_policy.md" in found[0]["path"]
    assert (nothing.code, nothing.out, nothing.err) == (0, "", "nothing matches\n")


def test_a_passage_is_shown_with_its_place_and_score(samples: Path, shell: Shell) -> None:
    assert samples.is_dir()

    (first, *_), said = shell("memory", "search", "caldwell", "deposit", "--json").value, shell(
        "memory", "search", "caldwell", "deposit", "--limit", "1"
    )  # fmt: skip

    assert said.out == f"{first['path']}:{first['line']}  {first['score']:.2f}\n{first['text']}\n\n"


def test_wiki_and_journal_are_searched_for_themselves(samples: Path, shell: Shell) -> None:
    written = shell("journal", "add", "caldwell", "A narwhal came.").out.split()[-1]
    (samples / "caldwell/wiki/narwhal.md").write_text("# Narwhal\n\nIts horn.\n")

    journal, wiki = (shell(group, "search", "caldwell", "narwhal", "--json").value for group in ("journal", "wiki"))

    assert [(hit["path"], hit["text"]) for hit in journal] == [(written, "A narwhal came.")]
    assert [hit["path"] for hit in wiki] == ["caldwell/wiki/narwhal.md"]


def test_a_day_of_the_journal_is_shown_and_one_without_any_says_so(samples: Path, shell: Shell) -> None:
    before = {path: path.read_bytes() for path in samples.rglob("*.md")}

    planned = shell("journal", "add", "caldwell", "The roof is mended.", "--dry-run")
    unchanged = before == {path: path.read_bytes() for path in samples.rglob("*.md")}
    shell("journal", "add", "caldwell", "The roof is mended.")
    shown, missing, wrong = (shell("journal", "show", "caldwell", *day) for day in ((), ("1999-01-01",), ("soon",)))

    assert unchanged
    assert "+The roof is mended." in planned.out
    assert "The roof is mended." in shown.out
    assert (missing.code, wrong.code) == (1, 2)
    assert "journal show caldwell 2" in missing.err


def test_models_are_listed_with_what_each_needs(shell: Shell) -> None:
    models = {model["id"]: model for model in shell("models", "list", "--json").value}

    assert models["embedded:quote"]["availability"] == "ready"
    assert {model["availability"] for name, model in models.items() if name.startswith("openai:")} == {"no-key"}
    assert not shell.root.exists()


def test_snapshots_are_listed_newest_first(samples: Path, shell: Shell) -> None:
    (first,) = shell("snapshots", "list", "--json").value
    shell("migrate", "--rollback", first["name"])

    names = [snapshot["name"] for snapshot in shell("migrate", "--list-snapshots", "--json").value]

    assert len(names) == 2
    assert names[1] == first["name"]
    assert (samples / "_migrations/snapshots" / names[0]).stat().st_size > 0
