import pytest

from atomic_agents.stores.memory import MemoryStore
from atomic_agents.vault import tool_file

GOOD = "---\nname: t\ndescription: d\nclassification: read_only\ninput_schema:\n  type: object\n---\nFor people.\n"


def problems(descriptor: str, name: str = "t", code: str = "def handler(input): ...") -> list[str]:
    files = {f"a/tools/{name}.md": descriptor.encode(), f"a/tools/{name}.py": code.encode()}
    return [problem.message for each in tool_file.read_all(MemoryStore(files), "a") for problem in each.problems]


def test_a_sound_tool_is_what_its_file_says() -> None:
    (found,) = tool_file.read_all(MemoryStore({"a/tools/t.md": GOOD.encode(), "a/tools/t.py": b"x"}), "a")

    assert (found.name, found.description, found.kind, found.seconds) == ("t", "d", "read_only", 30.0)
    assert (found.sound, found.schema, found.sources) == (True, {"type": "object"}, {"t.py": "x"})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("name: t", "name: u"), "name is 'u' and the file is t.md"),
        (("description: d\n", ""), "has no description"),
        (("read_only", "readonly"), 'classification is "readonly"'),
        (("type: object", "type: array"), "is not of type object"),
        (("  type: object\n", "  type: object\n  properties: {n: {type: integr}}\n"), "is no JSON Schema"),
        (("  type: object\n", "  properties: {n: {$ref: 'http://x/'}}\n"), "nothing is fetched for it"),
        (("description: d", "description: d\ntimeout: 3"), "timeout is not a setting"),
        (("---\nFor", "For"), "front matter does not end"),
    ],
)
def test_what_is_wrong_is_said(change: tuple[str, str], said: str) -> None:
    assert said in " ".join(problems(GOOD.replace(*change)))


@pytest.mark.parametrize("name", ["a__b", "1t", "t t", "t.x"])
def test_a_name_that_no_model_can_call_is_refused(name: str) -> None:
    assert "cannot be the name of a tool" in " ".join(problems(GOOD.replace("name: t", f"name: {name}"), name))


def test_half_a_tool_is_said_to_be_one() -> None:
    files = {"a/tools/t.md": GOOD.encode(), "a/tools/u.py": b"x", "a/tools/_helper.py": b"x", "a/tools/.x.md": b"x"}

    found = tool_file.read_all(MemoryStore(files), "a")

    assert [(each.name, each.sound) for each in found] == [("t", False), ("u", False)]
    assert "has no t.py beside it" in found[0].problems[0].message
    assert "has no u.md beside it" in found[1].problems[0].message
