from collections.abc import Mapping

import pytest

from atomic_agents.core.errors import AgentMissing, SettingsInvalid, StorageFailed
from atomic_agents.core.store import Blob
from atomic_agents.core.values import Problem
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.vault.cascade import Cascade
from atomic_agents.vault.kinds import Kind
from atomic_agents.vault.vault import Vault

IDENTITY = "# IDENTITY\n"
WRITER = "s/projects/p/agents/writer"
ROLE_TOOLS = """## Write paths

- memory/

## Hard NOs

- Never guess.

## Tool classification

- send: high_risk
"""
OVERRIDE = """## Write paths

- journal/

## Tool classification

- send: external_side_effect
"""
LAYERS = {
    "s/roles/writer/PROMPT.md": "You write.",
    "s/roles/writer/tools.md": ROLE_TOOLS,
    "s/roles/writer/model.md": "## Default model\ngpt-5-mini\n\n## Fallback\ngpt-5-nano\n\nMax output: 900\n",
    "s/projects/p/canon.md": "Facts.",
    "s/projects/p/judges.md": "```yaml\ntimeout_ms: 9\n```\n",
    f"{WRITER}/persona/IDENTITY.md": IDENTITY,
}


def vault_of(documents: Mapping[str, str | bytes]) -> Vault:
    """A vault that holds these documents."""
    return Vault(
        MemoryStore({path: text.encode() if isinstance(text, str) else text for path, text in documents.items()})
    )


def messages(vault: Vault, name: str) -> list[tuple[str, str, str]]:
    """Severity, place and message of every problem."""
    found = vault.settings(vault.agent(name))
    return [(problem.severity, problem.where, problem.message) for problem in found.problems]


def test_an_agent_opens_by_name_or_slash_path() -> None:
    vault = vault_of({"a/persona/IDENTITY.md": IDENTITY, "x/b/persona/IDENTITY.md": IDENTITY})

    assert [vault.agent(name).name for name in ("a", "x/b", "/x/b/")] == ["a", "x/b", "x/b"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("caldwel", "did you mean caldwell"),
        ("writer", f"did you mean {WRITER}"),
        ("zzz", "atomic-agents list"),
        ("", "atomic-agents list"),
        ("../caldwell", "atomic-agents list"),
        ("_drafts/x", "atomic-agents list"),
    ],
)
def test_an_agent_that_is_not_there_has_near_names(name: str, hint: str) -> None:
    vault = vault_of({"caldwell/persona/IDENTITY.md": IDENTITY, "_drafts/x/persona/IDENTITY.md": IDENTITY, **LAYERS})

    with pytest.raises(AgentMissing) as caught:
        vault.agent(name)

    assert caught.value.hint == hint
    assert caught.value.context["agents"] == ["caldwell", WRITER]


def test_what_is_no_agent_in_a_list_does_not_open() -> None:
    vault = vault_of({"a/persona/IDENTITY.md": IDENTITY, "a/evals/fixture/persona/IDENTITY.md": IDENTITY})

    assert vault.survey().agents == ("a",)
    with pytest.raises(AgentMissing):
        vault.agent("a/evals/fixture")


def test_every_listed_agent_opens() -> None:
    names = ["@home", "(old) a", "a b", "memory", "日本", "x/memory/y"]
    vault = vault_of({f"{name}/persona/IDENTITY.md": IDENTITY for name in names})

    assert [vault.agent(name).name for name in vault.survey().agents] == sorted(names)


def test_an_instance_inherits_what_it_does_not_state() -> None:
    vault = vault_of(LAYERS)
    agent = vault.agent(WRITER)

    found = vault.settings(agent)

    assert agent.cascade == Cascade("s/projects/p", "writer", "s/roles/writer")
    assert {name: settings.path for name, settings in found.files.items()} == {
        "model.md": "s/roles/writer/model.md", "tools.md": "s/roles/writer/tools.md",
        "judges.md": "s/projects/p/judges.md",
    }  # fmt: skip
    assert (found.model.model, found.tools.write_paths, found.problems) == ("gpt-5-mini", ("memory/",), ())


def test_an_own_model_file_replaces_the_roles_wholesale() -> None:
    vault = vault_of({**LAYERS, f"{WRITER}/model.md": "## Default model\nclaude-opus-4-8\n"})

    found = vault.settings(vault.agent(WRITER)).model

    assert (found.model, found.fallback_model, found.max_output_tokens) == ("claude-opus-4-8", None, 4000)


def test_an_own_tools_file_replaces_the_roles() -> None:
    vault = vault_of({**LAYERS, f"{WRITER}/tools.md": "## Write paths\n\n- journal/\n"})

    found = vault.settings(vault.agent(WRITER)).tools

    assert (found.write_paths, found.hard_nos) == (("journal/",), ())


def test_an_override_adds_to_the_roles_tools_and_passes_over_the_own() -> None:
    vault = vault_of(
        {
            **LAYERS,
            f"{WRITER}/tools.md": "## Write paths\n\n- elsewhere/\n",
            f"{WRITER}/tools.override.md": OVERRIDE,
        }
    )

    found = vault.settings(vault.agent(WRITER))

    assert found.tools.write_paths == ("memory/", "journal/")
    assert (found.tools.hard_nos, found.tools.classes) == (("Never guess.",), {"send": "external_side_effect"})
    assert found.files["tools.md"].path == "s/roles/writer/tools.md"


def test_an_override_of_a_role_without_tools_stands_alone() -> None:
    documents = {path: text for path, text in LAYERS.items() if not path.endswith("tools.md")}
    vault = vault_of({**documents, f"{WRITER}/tools.override.md": "## Write paths\n\n- journal/\n"})

    assert vault.settings(vault.agent(WRITER)).tools.write_paths == ("journal/",)


def test_an_override_outside_a_cascade_grants_nothing_and_says_so() -> None:
    vault = vault_of({"a/persona/IDENTITY.md": IDENTITY, "a/tools.override.md": "## Write paths\n\n- memory/\n"})

    assert vault.settings(vault.agent("a")).tools.write_paths == ()
    assert messages(vault, "a") == [
        ("warning", "a/tools.override.md", "is not read: it adds to the tools.md of a role, and the agent has none")
    ]


def test_a_role_that_was_renamed_is_missed_and_the_project_still_holds() -> None:
    vault = vault_of({path.replace("roles/writer", "roles/author"): text for path, text in LAYERS.items()})
    agent = vault.agent(WRITER)

    found = messages(vault, WRITER)

    assert agent.cascade == Cascade("s/projects/p", "writer", "")
    assert found == [("error", "s/roles/writer", f"there is no role writer, so nothing of it holds for {WRITER}")]
    with pytest.raises(SettingsInvalid) as caught:
        vault.settings(agent).check()
    assert caught.value.hint == "rename s/roles/author or the agent's folder, so that both are called the same"


def test_an_agent_that_needs_no_role_is_only_warned() -> None:
    own = {
        f"{WRITER}/model.md": "## Default model\ngpt-5-mini\n",
        f"{WRITER}/tools.md": "## Write paths\n\n- memory/\n",
    }
    documents = {path.replace("roles/writer", "roles/author"): text for path, text in LAYERS.items()}

    assert [severity for severity, _, _ in messages(vault_of({**documents, **own}), WRITER)] == ["warning"]
    assert (
        messages(vault_of({path: text for path, text in {**LAYERS, **own}.items() if "/roles/" not in path}), WRITER)
        == []
    )


@pytest.mark.parametrize("shared", ["canon.md", "style_guide.md", "policy/x.md", "judges.md"])
def test_a_single_project_is_what_its_shared_documents_make_it(shared: str) -> None:
    vault = vault_of({"team/agents/editor/persona/IDENTITY.md": IDENTITY, f"team/{shared}": ""})

    assert vault.agent("team/agents/editor").cascade == Cascade("team", "editor", "")


@pytest.mark.parametrize("name", ["team/agents/editor", "agents/editor", "editor", "s/projects/p/agents/writer"])
def test_an_agent_alone_has_no_cascade(name: str) -> None:
    vault = vault_of(
        {
            f"{name}/persona/IDENTITY.md": IDENTITY,
            "team/notes.md": "",
            "team/agents/editor/canon.md": "",
            "canon.md": "",
        }
    )

    assert vault.agent(name).cascade is None


NAME_ONE = "write a line persona_id: and the name of a folder in .personas/"
LINK = "# Persona\n\n```yaml\nkind: shared\npersona_id: {}\n```\n"


def test_a_shared_persona_is_read_where_the_link_leads() -> None:
    vault = vault_of(
        {
            "a/persona.link.md": LINK.format("nell-2 # hers"),
            ".personas/nell-2/IDENTITY.md": "# Nell",
            ".personas/nell-2/SOUL.md": "s",
        }
    )

    found = vault.persona(vault.agent("a"))

    assert (vault.survey().agents, found.identity, found.soul, found.user) == (("a",), "# Nell", "s", "")
    assert messages(vault, "a") == []


def test_a_link_may_be_front_matter() -> None:
    vault = vault_of(
        {"a/persona.link.md": "---\nkind: shared\npersona_id: 'nell'\n---\n", ".personas/nell/IDENTITY.md": "# Nell"}
    )

    assert vault.persona(vault.agent("a")).identity == "# Nell"


@pytest.mark.parametrize(
    ("link", "where", "message", "hint"),
    [
        (LINK.format("nel"), "a/persona.link.md:5", "there is no .personas/nel/IDENTITY.md", "write persona_id: nell"),
        (LINK.format("../x"), "a/persona.link.md:5", "'../x' cannot be the name of a persona", NAME_ONE),
        (LINK.format(""), "a/persona.link.md:5", "'' cannot be the name of a persona", NAME_ONE),
        ("words", "a/persona.link.md", "names no persona", NAME_ONE),
        (b"\xff\xfe", "a/persona.link.md", "names no persona", NAME_ONE),
    ],
)
def test_a_link_that_leads_nowhere_is_an_error_and_nothing_falls(
    link: str | bytes, where: str, message: str, hint: str
) -> None:
    vault = vault_of({"a/persona.link.md": link, ".personas/nell/IDENTITY.md": "# Nell"})
    agent = vault.agent("a")

    (problem,) = vault.settings(agent).problems

    assert (problem.severity, problem.where, problem.message, problem.hint) == ("error", where, message, hint)
    assert vault.persona(agent).identity == ""


def test_two_personas_are_one_too_many() -> None:
    vault = vault_of(
        {"a/persona.link.md": LINK.format("n"), "a/persona/IDENTITY.md": IDENTITY, ".personas/n/IDENTITY.md": ""}
    )

    (problem,) = vault.settings(vault.agent("a")).problems

    assert problem.where == "a/persona.link.md:5"
    assert problem.message == "links to a shared persona, and a/persona/IDENTITY.md is a persona of its own"


def test_settings_that_cannot_be_read_are_a_problem_and_not_a_default() -> None:
    vault = vault_of(
        {"a/persona/IDENTITY.md": IDENTITY, "a/model.md": b"\xff", "a/tools.md": "---\nschema_version: 2\n"}
    )

    assert messages(vault, "a") == [
        ("error", "a/model.md:1", "is not UTF-8 text (byte 0xff)"),
        ("error", "a/tools.md:1", "front matter does not end"),
    ]  # fmt: skip


def test_notes_that_cannot_be_read_are_named_and_the_others_are_read() -> None:
    vault = vault_of({
        "a/persona/IDENTITY.md": IDENTITY,
        "a/memory/user_a.md": "---\nname: A\nhandler: x\ncontent: y\n---\n\nbody\n",
        "a/memory/2026/user_b.md": "plain",
        "a/memory/user_c.md": "---\nname: C\n",
        "a/memory/user_d.md": b"\xe9",
        "a/memory/user_e.md": b"x" * 9_000_000,
        "a/memory/INDEX.md": "# Index",
        "a/memory/INDEX_user.md": "# Index",
        "a/memory/._user_a.md": b"\x00\x05\x16\x07",
        "a/memory/.versions/user_a/1.md": b"\xff",
        "a/memory/picture.png": b"\x89PNG",
    })  # fmt: skip

    notes, unreadable = vault.notes("a")

    assert [(note.file, note.name) for note in notes] == [("2026/user_b.md", "2026/user_b"), ("user_a.md", "A")]
    assert [(problem.where, problem.message) for problem in unreadable] == [
        ("a/memory/user_c.md:1", "front matter does not end"),
        ("a/memory/user_d.md:1", "is not UTF-8 text (byte 0xe9)"),
        ("a/memory/user_e.md", "is 9 MiB; a document may hold 8 MiB"),
    ]


class OneBadSector(MemoryStore):
    def read(self, path: str) -> Blob | None:
        if path == "a/memory/user_bad.md":
            raise StorageFailed("the disk does not give a/memory/user_bad.md", hint="check the disk")
        return super().read(path)


def test_a_note_that_the_disk_does_not_give_is_named_and_the_others_are_read() -> None:
    vault = Vault(OneBadSector({"a/memory/user_bad.md": b"", "a/memory/user_good.md": b"text"}))

    notes, unreadable = vault.notes("a")

    assert [note.file for note in notes] == ["user_good.md"]
    assert unreadable == [
        Problem("a/memory/user_bad.md", 0, "the disk does not give a/memory/user_bad.md", "check the disk")
    ]


def test_a_survey_tells_documents_by_kind_and_agent() -> None:
    vault = vault_of(
        {
            "a/persona/IDENTITY.md": IDENTITY,
            "a/memory/x.md": "",
            "b/persona/IDENTITY.md": IDENTITY,
            "b/memory/y.md": "",
            "m/wiki/z.md": "",
        }
    )
    survey = vault.survey()

    assert [entry.path for entry in survey.of(Kind.NOTE)] == ["a/memory/x.md", "b/memory/y.md"]
    assert [entry.path for entry in survey.of(Kind.NOTE, Kind.PERSONA, agent="b")] == [
        "b/memory/y.md",
        "b/persona/IDENTITY.md",
    ]
    assert [entry.path for entry in survey.of(Kind.WIKI, agent="")] == ["m/wiki/z.md"]


def test_days_of_the_journal_come_newest_first_and_other_files_are_none() -> None:
    names = (
        "2026-05/2026-05-09.md",
        "2026-04/2026-04-30.md",
        "README.md",
        "2026-05/2026-05-10.txt",
        "2026-05/x 2026-05-11.md",
        "2026-99-99.md",
    )
    vault = vault_of({f"a/journal/{name}": "" for name in names})

    assert [path for _, path in vault.journal_days("a")] == [
        "a/journal/2026-05/2026-05-09.md",
        "a/journal/2026-04/2026-04-30.md",
    ]


def test_the_lowest_version_among_the_files_counts() -> None:
    vault = vault_of(
        {"a/persona/IDENTITY.md": IDENTITY, "a/model.md": "---\nschema_version: 2\nmodel: m\n---\n", "a/tools.md": ""}
    )

    assert vault.settings(vault.agent("a")).version == 1
