import datetime
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from atomic_agents.core.errors import UsageError
from atomic_agents.operations import foreign
from atomic_agents.testing.shell import Shell, tree

DAY = datetime.date(2026, 11, 22)
LAYOUTS: Mapping[str, Mapping[str, str]] = {
    "claude-code": {
        "CLAUDE.md": "# House rules\n\nPrefer short answers.\n",
        "CLAUDE.local.md": "My own machine is called fig.\n",
        "docs/CLAUDE.md": "In docs/, write in the present tense.\n",
        ".claude/agents/gardener.md": "---\nname: gardener\ndescription: knows trees\ntools: Read\n---\n\nPrune.\n",
        ".claude/commands/prune.md": "Prune $ARGUMENTS.\n",
        ".claude/rules/tone.md": "Never shout.\n",
        ".claude/skills/graft/SKILL.md": "---\nname: graft\ndescription: Graft a tree.\n---\n\nCut on the slant.\n",
        ".claude/skills/graft/table.csv": "tree,month\nfig,March\n",
        ".claude/settings.json": '{"permissions": {"allow": ["Read"]}}\n',
    },
    "openclaw": {
        "AGENTS.md": "# Workspace\n\nRead SOUL.md first.\n",
        "SOUL.md": "# Soul\n\nWarm, brief.\n",
        "IDENTITY.md": "- Name: Fig\n- Creature: tree\n",
        "USER.md": "Ann keeps an orchard.\n",
        "TOOLS.md": "The camera is called porch.\n",
        "HEARTBEAT.md": "Look at the weather.\n",
        "MEMORY.md": "# Memory\n\n- Ann drinks tea at four.\n",
        "memory/2026-05-01.md": "Planted the second row.\n",
        "memory/2026-05-01-frost.md": "Frost came at night.\n",
        "memory/people.md": "---\ntype: person\nsources: book\ndescription: [a, b]\n---\n\nBen is the neighbour.\n",
        "memory/Torn.md": "---\nname: [\n---\nNot YAML at all.\n",
        "skills/water/SKILL.md": "---\nname: water\ndescription: Water the row.\n---\n\nTen litres.\n",
        "notes.txt": "plain text\n",
    },
    "letta": {
        "system/persona.md": "---\ndescription: who I am\nlimit: 5000\n---\n\nI am Fig.\n",
        "system/human.md": "---\ndescription: who they are\n---\n\nAnn, who grows figs.\n",
        "system/projects.md": "---\ndescription: what is under way\nlimit: 900\n---\n\nThe north wall.\n",
        "archive/2025.md": "Last year the crop was small.\n",
    },
    "obsidian": {
        "Figs.md": "---\ntags: [tree]\ncreated: 2024-05-01\n---\n\nSee [[Walls and light]].\n",
        "Garden/Walls and light.md": "South walls are warm.\r\nNorth walls are not.\r\n",
        "Garden/INDEX.md": "- [[Figs]]\n",
        "garden/walls and light.md": "Another one, in lower case.\n",
        "Inbox/What now?.md": "A question in a name.\n",
        "img/plan.svg": "<svg/>\n",
    },
}


@pytest.fixture(params=LAYOUTS)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder: Path = tmp_path / str(request.param)
    for path, text in LAYOUTS[str(request.param)].items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text.encode())
    return folder


def test_every_text_of_the_source_is_found_in_the_agent(source: Path, shell: Shell) -> None:
    before = tree(source)

    made = shell("init", "fig", "--from", str(source), "--json").value

    assert made["layout"] == source.name
    went = {each["source"]: each["target"] for each in made["imported"]}
    assert set(went) == set(LAYOUTS[source.name])
    for path, text in LAYOUTS[source.name].items():
        there = (shell.root / "fig" / went[path]).read_bytes().decode()
        body = (
            re.sub(r"\A---\n.*?^---\n", "", text, flags=re.DOTALL | re.MULTILINE) if path != "memory/Torn.md" else text
        )
        assert body.rstrip("\n") in there, path
        for word in re.findall(r"[A-Za-z]{4,}", text):
            assert word in there, (path, word)
    assert tree(source) == before


def test_what_is_imported_is_ready_and_remembered(source: Path, shell: Shell) -> None:
    shell("init", "fig", "--from", str(source))

    done = shell("doctor")

    assert (done.code, done.out.count("\n")) == (0, 1)
    assert shell("run", "fig", "--work-item", "what is there?").code == 0


@pytest.mark.parametrize("name", LAYOUTS)
def test_each_file_goes_where_it_means_the_same(name: str, tmp_path: Path) -> None:
    for path, text in LAYOUTS[name].items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(text.encode())

    made = foreign.read(tmp_path, {}, DAY)

    went = {each.source: each.target for each in made.moved}
    for source, target in PLACES[name].items():
        assert went[source] == target


PLACES = {
    "claude-code": {
        "CLAUDE.md": "AGENTS.md",
        ".claude/skills/graft/SKILL.md": "skills/graft/SKILL.md",
        ".claude/agents/gardener.md": "memory/reference_gardener.md",
        ".claude/settings.json": "raw/imported/.claude/settings.json",
    },
    "openclaw": {
        "IDENTITY.md": "persona/IDENTITY.md",
        "HEARTBEAT.md": "AGENTS.md",
        "MEMORY.md": "memory/reference_memory.md",
        "memory/2026-05-01.md": "journal/2026-05/2026-05-01.md",
        "memory/2026-05-01-frost.md": "memory/reference_2026_05_01_frost.md",
        "memory/Torn.md": "raw/imported/memory/Torn.md",
    },
    "letta": {"system/human.md": "persona/USER.md", "system/projects.md": "memory/reference_projects.md"},
    "obsidian": {"Figs.md": "wiki/Figs.md", "garden/walls and light.md": "wiki/Garden/walls and light-2.md"},
}


def test_keys_of_its_own_are_kept_aside_where_they_mean_something_else(tmp_path: Path) -> None:
    (tmp_path / "MEMORY.md").write_text("---\ntype: person\nlimit: 5\n---\n\nBen.\n")

    text = foreign.read(tmp_path, {}, DAY).files["memory/reference_memory.md"].decode()

    assert text.startswith("---\ntype: reference\nlimit: 5\nimported_type: person\n")
    assert text.endswith("---\n\nBen.\n")


def test_keys_and_the_project_stay_behind_and_are_told(tmp_path: Path) -> None:
    for path in ("CLAUDE.md", ".env", "src/main.py"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("x\n")

    made = foreign.read(tmp_path, {}, DAY)

    assert {each.source for each in made.moved if not each.target} == {".env", "src/main.py"}


def test_a_folder_of_nothing_known_is_refused(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("x\n")

    with pytest.raises(UsageError, match="holds none of what can be imported"):
        foreign.read(tmp_path, {}, DAY)
    with pytest.raises(UsageError, match="there is no folder"):
        foreign.read(tmp_path / "gone", {}, DAY)
