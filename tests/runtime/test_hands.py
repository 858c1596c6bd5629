"""What a scripted model can do with everything an agent has hands for, through whole runs."""

import json
import sys
from pathlib import Path

import pytest

from atomic_agents.core.change import ChangeSet, Put
from atomic_agents.core.model import Answer, Request, ToolCall, Usage
from atomic_agents.operations import mcp, tools
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.scripted import ScriptedModel
from atomic_agents.testing.workspaces import add_agent, run, scripted_workspace

SHED = Path(__file__).parents[1] / "tools" / "mcp_shed.py"
TOOLS = "---\nschema_version: 2\nread_paths: [out/]\nwrite_paths: [memory/, out/]\n---\n"
TIDE = "---\nname: tide\ndescription: The tide.\nclassification: {}\n---\n"


class House:
    def __init__(self, folder: Path) -> None:
        self.root = folder / "vault"
        self.store = FolderStore(self.root)
        add_agent(self.store, tools=TOOLS)
        self.model = ScriptedModel([])

    def put(self, path: str, text: str) -> None:
        self.store.apply(ChangeSet("", (Put(path, text.encode()),)))

    def run(self, *calls: tuple[str, dict[str, object]]) -> tuple[list[str], tuple[str, ...], str]:
        """What each call was answered, the warnings, and the path of the transcript."""
        each = [ToolCall(f"c{n}", name, json.dumps(arguments)) for n, (name, arguments) in enumerate(calls)]
        self.model = ScriptedModel([Answer("", tuple(each), Usage(1, 1), "tool_calls"), "done"] if each else ["done"])
        workspace = scripted_workspace(self.store, self.model, root=self.root)
        result = run(workspace, "go")
        workspace.close()
        assert result.failure is None
        texts = [message.text for message in self.model.requests[-1].messages if message.role == "tool"]
        return texts, result.warnings, result.transcript

    @property
    def first(self) -> Request:
        return self.model.requests[0]

    def offered(self) -> set[str]:
        return {tool.name for tool in self.first.tools}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_what_a_run_writes_stands_in_its_transcript_and_is_taken_back_by_one_command(house: House) -> None:
    texts, _, transcript = house.run(
        ("write_file", {"path": "out/x.md", "text": "one\n"}),
        ("edit_file", {"path": "out/x.md", "old": "one", "new": "two"}),
        ("write_file", {"path": "persona/IDENTITY.md", "text": "PWNED"}),
    )

    assert texts[:2] == ["wrote caldwell/out/x.md (+1 -0 lines)", "edited caldwell/out/x.md (+1 -1 lines)"]
    assert texts[2].startswith("error: PathRefused: you may not write caldwell/persona/IDENTITY.md")
    events = [json.loads(line) for line in (house.root / transcript).read_text().splitlines()]
    assert [event["event"] for event in events if event["event"] in ("wrote", "called")] == ["wrote", "called"] * 2 + [
        "called"
    ]
    assert (house.root / "caldwell/out/x.md").read_text() == "two\n"
    workspace = scripted_workspace(house.store, [], root=house.root)
    tools.undo(workspace, "caldwell:last", apply=True)
    assert not (house.root / "caldwell/out/x.md").exists()


def test_a_tool_on_disk_is_called_and_its_fingerprint_recorded(house: House) -> None:
    house.put("caldwell/tools/tide.md", TIDE.format("read_only"))
    house.put("caldwell/tools/tide.py", "def handler(input):\n    return 'at noon'\n")

    texts, warnings, transcript = house.run(("tide", {}))

    assert "at noon" in texts[0]
    assert warnings == ()
    called = next(
        event for line in (house.root / transcript).read_text().splitlines()
        if (event := json.loads(line))["event"] == "called"
    )  # fmt: skip
    assert called["fingerprint"].startswith("sha256:")
    assert (called["class"], called["origin"]) == ("read_only", "caldwell/tools/tide.md")


def test_what_cannot_be_offered_is_said_and_the_run_goes_on(house: House) -> None:
    for name, text in {
        "broken": TIDE.format("read_only"),
        "recall": TIDE.replace("tide", "recall").format("read_only"),
    }.items():
        house.put(f"caldwell/tools/{name}.md", text)
        house.put(f"caldwell/tools/{name}.py", "def handler(input):\n    return 'ran'\n")
    house.put("caldwell/mcp.md", "---\nschema_version: 2\nservers:\n  shed: {command: python3, env: {K: $NOT_SET}}\n"
              "  barn: {command: python3}\n---\n")  # fmt: skip

    _, warnings, _ = house.run()

    assert "broken" not in house.offered()
    assert [warning.partition("; ")[0].partition(": name is")[0] for warning in warnings] == [
        "caldwell/tools/broken.md:2",
        "caldwell/tools/recall.md: recall is the name of a built-in tool",
        "caldwell/mcp.md:4: shed needs NOT_SET, which is not set",
        "caldwell/mcp.md:5: barn is not accepted yet",
    ]


def test_skills_are_listed_and_read_when_they_are_needed(house: House) -> None:
    house.put(
        "caldwell/skills/list/SKILL.md", "---\nname: list\ndescription: The Monday list.\n---\n\nAsk Moira first.\n"
    )
    house.put("caldwell/skills/list/form.txt", "Date, sum, name.")
    house.put("AGENTS.md", "Write British English.")

    texts, _, _ = house.run(
        ("read_skill", {"name": "list"}), ("read_skill", {"name": "list", "file": "form.txt"}),
        ("read_skill", {"name": "list", "file": "../../model.md"}),
    )  # fmt: skip

    system = "\n".join(house.first.system)
    assert "- **list**: The Monday list." in system
    assert "Ask Moira" not in system
    assert "# AGENTS.md\n\nWrite British English." in system
    assert texts[:2] == ["Ask Moira first.\n\nFiles of this skill: form.txt", "Date, sum, name."]
    assert texts[2].startswith("error: FileNotFoundError")


def test_fetching_is_offered_only_where_hosts_are_named(house: House) -> None:
    house.run()
    without = house.offered()
    house.put("caldwell/tools.md", TOOLS.replace("read_paths", "fetch_hosts: ['*']\nread_paths"))

    texts, _, _ = house.run(("fetch_url", {"url": "http://127.0.0.1/"}))

    assert "fetch_url" not in without
    assert "which is no public address" in texts[0]


def test_a_server_is_used_once_it_is_accepted_and_its_state_lasts_for_the_run(house: House) -> None:
    pytest.importorskip("mcp")
    shed = {"command": sys.executable, "args": [str(SHED)]}
    workspace = scripted_workspace(house.store, [], root=house.root)
    mcp.add(workspace, "caldwell", {"shed": shed}, apply=True)
    before = house.run()[1]

    (seen,) = mcp.check(workspace, "caldwell", accept=True)
    texts, warnings, _ = house.run(("shed__count", {}), ("shed__count", {}))

    assert "shed is not accepted yet" in before[0]
    assert (seen.state, len(seen.tools)) == ("new", 8)
    assert ["\n1\n" in texts[0], "\n2\n" in texts[1]] == [True, True]
    assert warnings == ()


def test_what_was_accepted_is_never_the_models_to_write(house: House) -> None:
    house.put("caldwell/tools.md", TOOLS.replace("out/]\n---", "out/, ./]\n---"))

    paths = ("mcp.pins.json", "MCP.Pins.JSON", ".mcp.json", "mcp.md")
    calls: list[tuple[str, dict[str, object]]] = [("write_file", {"path": path, "text": "{}"}) for path in paths]

    texts, _, _ = house.run(*calls)

    assert [text.startswith("error: PathRefused") for text in texts] == [True] * 4
