import datetime
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomic_agents.core.store import check_new_path
from atomic_agents.vault import layout
from atomic_agents.vault.kinds import Kind, Layout, Place

DAY = datetime.date(2026, 5, 9)
SEGMENTS = (
    "a", "b", "memory", "wiki", "policy", "dreams", "drm_1", "log", "runs", "journal", "persona", "roles",
    "projects", "agents", ".versions", "_x", "evals", "memory.archived-1", "tools", "node_modules", "日本", "@home",
    "caldwell", "snapshots",
)  # fmt: skip
paths = st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=5).map("/".join)


def identities(*agents: str) -> list[str]:
    return [f"{agent}/persona/IDENTITY.md" for agent in agents]


@pytest.mark.parametrize(
    "agent",
    ["caldwell", "memory", "wiki", "snapshots", "log", "roles", "muse/projects/p/agents/writer", "日本", "@home"],
)
def test_a_folder_with_an_identity_is_an_agent_whatever_it_is_called(agent: str) -> None:
    found = Layout(layout.agents(identities(agent)))

    assert found.agents == (agent,)
    assert found.place(f"{agent}/memory/user_x.md") == Place(Kind.NOTE, agent, "user_x.md")
    assert found.place(f"{agent}/tools.md") == Place(Kind.SETTINGS, agent, "tools.md")


def test_agents_are_found_at_any_depth_in_order_of_name() -> None:
    found = layout.agents(
        [*identities("b", "a/deep/c", "a"), "linked/persona.link.md", "no/persona/SOUL.md", "persona/IDENTITY.md"]
    )

    assert found == ("a", "a/deep/c", "b", "linked")


@pytest.mark.parametrize(
    "path",
    [
        "_drafts/a",
        ".obsidian/a",
        "a/_x/b",
        "a/.x/b",
        "caldwell/evals/golden/x",
        "caldwell/dreams/drm_1/memory",
        "caldwell/persona",
        "caldwell/memory/old",
        "caldwell/tools/x",
        "bad.",
    ],
)
def test_private_folders_and_an_agents_own_hold_no_agents(path: str) -> None:
    assert layout.agents(identities("caldwell", path)) == ("caldwell",)


def test_an_agent_may_stand_in_the_folder_of_another() -> None:
    found = Layout(layout.agents(identities("a", "a/b", "a/projects/p/agents/memory")))

    assert found.agents == ("a", "a/b", "a/projects/p/agents/memory")
    assert found.place("a/b/wiki/x.md") == Place(Kind.WIKI, "a/b", "x.md")
    assert found.place("a/projects/p/agents/memory/memory/x.md") == Place(
        Kind.NOTE, "a/projects/p/agents/memory", "x.md"
    )
    assert found.place("a/projects/p/agents/memory/model.md").kind is Kind.SETTINGS


@pytest.mark.parametrize(
    ("path", "kind", "agent", "name"),
    [
        ("a/persona/IDENTITY.md", Kind.PERSONA, "a", "IDENTITY.md"),
        ("a/persona.link.md", Kind.OTHER, "a", "persona.link.md"),
        ("a/memory/INDEX.md", Kind.INDEX, "a", "INDEX.md"),
        ("a/memory/INDEX_user.md", Kind.INDEX, "a", "INDEX_user.md"),
        ("a/memory/INDEXES.md", Kind.NOTE, "a", "INDEXES.md"),
        ("a/memory/2026/user_x.md", Kind.NOTE, "a", "2026/user_x.md"),
        ("a/memory/.versions/user_x/1_2.md", Kind.OTHER, "a", "1_2.md"),
        ("a/memory/._user_x.md", Kind.OTHER, "a", "._user_x.md"),
        ("a/memory/_drafts/user_x.md", Kind.OTHER, "a", "user_x.md"),
        ("a/memory/picture.png", Kind.OTHER, "a", "picture.png"),
        ("a/memory.archived-20260101_ab/user_x.md", Kind.ARCHIVE, "a", "user_x.md"),
        ("a/wiki/x.md", Kind.WIKI, "a", "x.md"),
        ("a/wiki/INDEX.md", Kind.INDEX, "a", "INDEX.md"),
        ("a/raw/x.md", Kind.OTHER, "a", "x.md"),
        ("a/journal/2026-05/2026-05-09.md", Kind.JOURNAL, "a", "2026-05-09.md"),
        ("a/log/2026-05/2026-05-09.jsonl", Kind.LOG, "a", "2026-05-09.jsonl"),
        ("a/runs/2026-05/run-1.jsonl", Kind.RUN, "a", "run-1.jsonl"),
        ("a/dreams/drm_1/memory/user_x.md", Kind.NOTE, "a", "user_x.md"),
        ("a/dreams/drm_1/report.md", Kind.OTHER, "a", "report.md"),
        ("a/dreams/.staging-1/memory/user_x.md", Kind.OTHER, "a", "user_x.md"),
        ("a/evals/golden/memory/user_x.md", Kind.EVAL, "a", "user_x.md"),
        ("a/evals/roles/x/tools.md", Kind.EVAL, "a", "tools.md"),
        ("a/model.md", Kind.SETTINGS, "a", "model.md"),
        ("a/tools.override.md", Kind.SETTINGS, "a", "tools.override.md"),
        ("a/goal.md", Kind.GOAL, "a", "goal.md"),
        ("a/README.md", Kind.OTHER, "a", "README.md"),
        ("a/skills/x/model.md", Kind.OTHER, "a", "model.md"),
        ("policy.md", Kind.SETTINGS, "", "policy.md"),
        ("model.md", Kind.OTHER, "", "model.md"),
        ("elsewhere/policy.md", Kind.OTHER, "", "policy.md"),
        ("s/roles/writer/tools.md", Kind.SETTINGS, "", "tools.md"),
        ("s/roles/memory/tools.md", Kind.SETTINGS, "", "tools.md"),
        ("s/roles/memory/PROMPT.md", Kind.OTHER, "", "PROMPT.md"),
        ("_s/roles/writer/tools.md", Kind.OTHER, "", "tools.md"),
        ("s/projects/p/canon.md", Kind.OTHER, "", "canon.md"),
        ("s/projects/p/judges.md", Kind.SETTINGS, "", "judges.md"),
        ("s/projects/p/policy.md", Kind.SETTINGS, "", "policy.md"),
        ("s/projects/p/goal.md", Kind.GOAL, "", "goal.md"),
        ("s/projects/p/policy/sub/x.md", Kind.POLICY, "", "x.md"),
        ("s/projects/p/memory/x.md", Kind.NOTE, "", "x.md"),
        ("team/judges.md", Kind.SETTINGS, "", "judges.md"),
        ("team/policy/x.md", Kind.POLICY, "", "x.md"),
        ("a/shared/memory/x.md", Kind.NOTE, "", "x.md"),
        (".personas/p/IDENTITY.md", Kind.OTHER, "", "IDENTITY.md"),
        ("_migrations/v1_to_v2.py", Kind.OTHER, "", "v1_to_v2.py"),
        ("x/node_modules/memory/y.md", Kind.OTHER, "", "y.md"),
        ("README.md", Kind.OTHER, "", "README.md"),
    ],
)
def test_a_place_is_told_by_its_path(path: str, kind: Kind, agent: str, name: str) -> None:
    found = Layout(("a", "team/agents/editor")).place(path)

    assert found == Place(kind, agent, name)


@given(
    st.lists(paths, max_size=3),
    paths,
    st.sampled_from(("x.md", "INDEX.md", "model.md", "policy.md", "x.jsonl", ".x.md")),
)
def test_every_path_has_one_place_and_private_ones_mean_nothing(agents: list[str], folder: str, name: str) -> None:
    found = Layout(layout.agents(identities(*agents)))

    place = found.place(f"{folder}/{name}")

    private = re.search(r"(^|/)[._]", f"{folder}/{name}")
    assert (place.kind is Kind.OTHER) if private else place.name.endswith(name)
    assert place.agent == "" or f"{folder}/".startswith(f"{place.agent}/")
    assert place == found.place(f"{folder}/{name}")


@pytest.mark.parametrize("agent", ["a", "memory", "s/projects/p/agents/writer"])
def test_every_path_function_spells_what_a_place_reads(agent: str) -> None:
    place = Layout([agent]).place
    run = "run-20260509-101500-abc"
    spelt = {
        layout.identity(agent): (Kind.PERSONA, "IDENTITY.md"),
        layout.persona(agent, "SOUL.md"): (Kind.PERSONA, "SOUL.md"),
        layout.persona_link(agent): (Kind.OTHER, "persona.link.md"),
        layout.settings(agent, "mcp.md"): (Kind.SETTINGS, "mcp.md"),
        layout.memory(agent) + "user_x.md": (Kind.NOTE, "user_x.md"),
        layout.note(agent, "user_x.md"): (Kind.NOTE, "user_x.md"),
        layout.wiki(agent) + "x.md": (Kind.WIKI, "x.md"),
        layout.memory_index(agent): (Kind.INDEX, "INDEX.md"),
        layout.wiki_index(agent): (Kind.INDEX, "INDEX.md"),
        layout.journal(agent) + "x.md": (Kind.JOURNAL, "x.md"),
        layout.journal_day(agent, DAY): (Kind.JOURNAL, "2026-05-09.md"),
        layout.log(agent) + "x.jsonl": (Kind.LOG, "x.jsonl"),
        layout.log_month(agent, DAY) + "x.jsonl": (Kind.LOG, "x.jsonl"),
        layout.log_day(agent, DAY): (Kind.LOG, "2026-05-09.jsonl"),
        layout.runs(agent) + "x.jsonl": (Kind.RUN, "x.jsonl"),
        layout.run_transcript(agent, run): (Kind.RUN, f"{run}.jsonl"),
        layout.note_versions(agent, "user_x.md") + "v.md": (Kind.OTHER, "v.md"),
        layout.goal(agent): (Kind.GOAL, "goal.md"),
    }

    assert {path: (place(path).kind, place(path).name) for path in spelt} == spelt
    assert {place(path).agent for path in spelt} == {agent}
    assert [check_new_path(path) for path in spelt] == list(spelt)


def test_what_belongs_to_the_vault_belongs_to_no_agent() -> None:
    place = Layout(["a"]).place
    paths = (
        layout.settings("", "policy.md"),
        layout.shared_persona("p", "SOUL.md"),
        layout.open_run("run-1"),
        layout.HISTORY,
        layout.snapshot("x.tar.gz"),
        layout.INDEX_DATABASE,
    )

    assert [place(path).agent for path in paths] == [""] * 6
    assert [place(path).kind for path in paths] == [Kind.SETTINGS, *[Kind.OTHER] * 5]


def test_a_migration_script_is_told_by_its_name() -> None:
    names = ("v1_to_v2.py", "v10_to_v11.py", "_v1_to_v2.py", "v1_to_v2.pyc", "sub/v1_to_v2.py")

    found = [layout.migration_script(f"_migrations/{name}") for name in names]

    assert found == [(1, 2), (10, 11), None, None, None]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("user_x.md", True),
        ("2026/x.md", True),
        ("INDEX.md", False),
        ("INDEX_a.md", False),
        ("INDEXES.md", True),
        (".x.md", False),
        (".versions/x/1.md", False),
        ("sub/.trash/x.md", False),
        ("_d/x.md", False),
        ("_x.md", True),
        ("x.txt", False),
    ],
)
def test_what_is_a_note_for_one_reader_is_one_for_all(file: str, expected: bool) -> None:
    place = Layout(["a"]).place(f"a/memory/{file}")

    assert layout.is_note(file) == (place.kind is Kind.NOTE) == expected
