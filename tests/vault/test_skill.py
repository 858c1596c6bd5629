import pytest

from atomic_agents.core.change import ChangeSet, Put
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.testing.workspaces import add_agent
from atomic_agents.vault import skill
from atomic_agents.vault.skill import Skill
from atomic_agents.vault.vault import Vault

AGENT = "s/projects/p/agents/writer"
TEXT = "---\nname: {name}\ndescription: From {where}.\nwhen_to_use: On Mondays.\n---\n\nDo it as {where} says.\n"


def vault(**skills: str) -> Vault:
    store = MemoryStore({})
    add_agent(store, AGENT)
    for path, text in {"s/roles/writer/tools.md": "---\nschema_version: 2\n---\n", **skills}.items():
        store.apply(ChangeSet("", (Put(path.replace("__", "/"), text.encode()),)))
    return Vault(store)


def at(home: str, name: str, **change: str) -> dict[str, str]:
    text = TEXT.format(name=name, where=home or "vault")
    for before, after in change.items():
        text = text.replace(before, after)
    return {f"{home}/skills/{name}/SKILL.md".lstrip("/"): text}


def found(**skills: str) -> list[Skill]:
    opened = vault(**skills)
    return skill.skills(opened, opened.agent(AGENT))


def test_skills_come_from_the_vault_the_role_and_the_agent() -> None:
    skills = found(**at("", "one"), **at("s/roles/writer", "two"), **at(AGENT, "three"), **at("other", "four"))

    assert [(each.name, each.sound) for each in skills] == [("one", True), ("three", True), ("two", True)]
    assert (skills[0].when, skills[0].body) == ("On Mondays.", "Do it as vault says.")


def test_the_nearest_of_equal_names_holds() -> None:
    (only,) = found(**at("", "one"), **at("s/roles/writer", "one"), **at(AGENT, "one"))

    assert only.folder == f"{AGENT}/skills/one/"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name: one": "name: One Two"}, "small letters"),
        ({"name: one\n": ""}, "has no name"),
        ({"description: From vault.\n": ""}, "has no description"),
        ({"---\n\nDo": "Do"}, "front matter does not end"),
    ],
)
def test_a_skill_that_cannot_be_offered_says_why(change: dict[str, str], said: str) -> None:
    (only,) = found(**at("", "one", **change))

    assert (only.sound, said in only.problems[0].message) == (False, True)


def test_agents_files_speak_from_the_widest_to_the_nearest() -> None:
    opened = vault(**{"AGENTS.md": "vault", "s/roles/writer/AGENTS.md": "role", f"{AGENT}/AGENTS.md": "own"})

    assert [text for _, text in skill.agents_files(opened, opened.agent(AGENT))] == ["vault", "role", "own"]
