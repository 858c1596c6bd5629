import pytest

from atomic_agents.core.change import ChangeSet, Put
from atomic_agents.core.values import Problem
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.vault import misplaced_skills, skill
from atomic_agents.vault.vault import Vault

RIGHT = "---\nname: list\ndescription: The list.\n---\n\nDo it.\n"


def found(*paths: str) -> list[Problem]:
    store = MemoryStore()
    texts = {"a/persona/IDENTITY.md": "# A\n", **dict.fromkeys(paths, RIGHT)}
    store.apply(ChangeSet("", tuple(Put(path, text.encode()) for path, text in texts.items())))
    vault = Vault(store)
    return misplaced_skills.find(vault, vault.agent("a"))


@pytest.mark.parametrize(
    ("path", "message", "hint"),
    [
        ("a/skills/list/skill.md", "must be called skills/list/SKILL.md",
         "mv a/skills/list/skill.md a/skills/list/SKILL.md"),
        ("a/skills/list/Skill.MD", "must be called", "mv a/skills/list/Skill.MD a/skills/list/SKILL.md"),
        ("a/skills/list/SKILL.markdown", "must be called", "mv a/skills/list/SKILL.markdown a/skills/list/SKILL.md"),
        ("a/skills/list/SKILL.txt", "must be called", "mv a/skills/list/SKILL.txt a/skills/list/SKILL.md"),
        ("a/skills/Due List.md", "each has a folder of its own",
         "mkdir -p a/skills/due-list && mv 'a/skills/Due List.md' a/skills/due-list/SKILL.md"),
        ("a/skills/SKILL.md", "each has a folder of its own",
         "mkdir -p a/skills/NAME && mv a/skills/SKILL.md a/skills/NAME/SKILL.md"),
        ("a/skills/due/list/SKILL.md", "stands deeper than skills/NAME/",
         "mkdir -p a/skills/due-list && mv a/skills/due/list/SKILL.md a/skills/due-list/SKILL.md"),
        ("a/skills/due/list/skill.md", "stands deeper", "mv a/skills/due/list/skill.md a/skills/due-list/SKILL.md"),
        ("a/skills/x/y/z/SKILL.md", "stands deeper", "mkdir -p a/skills/x-y-z"),
        ("a/skills/list/README.md", "has no SKILL.md", "write a/skills/list/SKILL.md"),
        ("a/Skills/list/SKILL.md", "must be called skills/list/SKILL.md",
         "mkdir -p a/skills/list && mv a/Skills/list/SKILL.md a/skills/list/SKILL.md"),
        ("a/skill/list/SKILL.md", "must be called skills/list/SKILL.md", "mkdir -p a/skills/list"),
        ("skills/list/skill.md", "must be called", "mv skills/list/skill.md skills/list/SKILL.md"),
        ("skills/list.md", "each has a folder of its own", "mv skills/list.md skills/list/SKILL.md"),
    ],
)  # fmt: skip
def test_a_skill_of_another_name_or_place_is_named_with_the_command_that_puts_it_right(
    path: str, message: str, hint: str
) -> None:
    (problem,) = found(path)

    place = path if "has no SKILL.md" not in message else "a/skills/list/"
    assert (problem.path, message in problem.message, hint in problem.hint) == (place, True, True), problem


@pytest.mark.parametrize(
    "paths",
    [
        ("a/skills/list/SKILL.md",), ("a/skills/list/SKILL.md", "a/skills/list/form.txt", "a/skills/list/deep/x.md"),
        ("a/skills/README.md",), ("a/skills/.draft/skill.md",), ("a/skills/_old/skill.md",), ("a/skills/_draft.md",),
        ("a/skills/list/SKILL.md", "a/skills/list/skill.md"), ("a/skills/LICENSE.txt",), ("a/skills/logo.png",),
        ("a/out/skills/list/skill.md",), ("a/skills/list/SKILL.md", "a/skills/list/examples/skill.md"),
    ],
)  # fmt: skip
def test_what_is_right_or_no_skill_at_all_is_left_alone(paths: tuple[str, ...]) -> None:
    assert [problem for problem in found(*paths) if problem.severity == "error"] == []


def test_a_skill_inside_another_is_a_warning_as_the_outer_one_has_it_as_a_file() -> None:
    problems = found("a/skills/due/SKILL.md", "a/skills/due/list/SKILL.md")

    assert [(problem.path, problem.severity) for problem in problems] == [("a/skills/due/list/SKILL.md", "warning")]


def test_those_that_are_right_are_still_there() -> None:
    store = MemoryStore()
    for path in ("a/persona/IDENTITY.md", "a/skills/list/SKILL.md", "a/skills/other/skill.md"):
        store.apply(ChangeSet("", (Put(path, RIGHT.encode()),)))
    vault = Vault(store)

    assert [each.name for each in skill.skills(vault, vault.agent("a"))] == ["list"]
