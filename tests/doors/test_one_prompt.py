"""Whichever door an agent is asked through, its model receives the same bytes."""

import asyncio
import io
import json
from collections.abc import Callable

import pytest

from atomic_agents import bootstrap
from atomic_agents.api import Vault
from atomic_agents.cli import main
from atomic_agents.config import Config
from atomic_agents.core.model import Request
from atomic_agents.operations.workspace import Workspace
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.testing.deeds import documents
from atomic_agents.testing.scripted import ScriptedModel
from atomic_agents.testing.servers import OpenAIServer
from atomic_agents.testing.shell import Shell
from atomic_agents.testing.workspaces import add_agent, scripted_workspace

ASKED = "Which wood?"
NOTE = "---\nname: Oak\ntype: decision\nlast_seen: 2026-11-20\nprovenance: operator\n---\n\nOak — ever since “1998”.\n"
EARLIER = (
    "---\nschema_version: 2\n---\n\n## 2026-11-22 11:00:00+00:00 — asked\n\nhello\n\n"
    "## 2026-11-22 11:00:00+00:00 — answered\n\nhi\n"
)


class House:
    """A vault that is as it was, each time a door opens it."""

    def __init__(self) -> None:
        self.model = ScriptedModel(lambda _request: "Oak.")
        self.before = MemoryStore()
        self.store = self.before
        add_agent(
            self.before, memory__decision_oak=NOTE, journal__2026_11="", wiki__INDEX="# Wiki\n\n- [Oak](oak.md)\n",
            persona__SOUL="Calm — always.\n", conversations__kitchen=EARLIER,
        )  # fmt: skip

    def open(self, _config: Config | None = None) -> Workspace:
        self.store = MemoryStore(documents(self.before))
        return scripted_workspace(self.store, self.model, root=None)

    def received(self) -> Request:
        return self.model.requests[-1]


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    house = House()
    monkeypatch.setattr(bootstrap, "open_workspace", house.open)
    return house


Door = Callable[..., str]


@pytest.fixture
def command(house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Door:
    def run(*arguments: str, stdin: str = "") -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        assert main._run(list(arguments), main.cli, "atomic-agents") == 0
        return capsys.readouterr().out

    assert house.model.requests == []
    return run


def test_what_is_shown_is_what_is_sent(house: House, command: Door) -> None:
    shown = json.loads(command("prompt", "caldwell", "--work-item", ASKED, "--json"))
    dry = json.loads(command("run", "caldwell", "--work-item", ASKED, "--dry-run", "--json"))
    words = command("run", "caldwell", "--work-item", ASKED, "--dry-run")
    assert house.model.requests == []
    command("run", "caldwell", "--work-item", ASKED)
    by_run = house.received()
    command("chat", "caldwell", stdin=f"{ASKED}\n")
    by_chat = house.received()

    assert by_run == by_chat
    assert tuple(shown["system"]) == tuple(dry["system"]) == by_run.system
    assert [(one["role"], one["text"]) for one in dry["messages"]] == [("user", ASKED)]
    assert dry["tools"] == [tool.name for tool in by_run.tools]
    assert words == "".join(f"{part}\n\n" for part in by_run.system) + f"[work item] {ASKED}\n"
    assert "Oak — ever since “1998”." in words


def test_a_conversation_is_shown_as_it_is_sent(house: House, command: Door) -> None:
    dry = json.loads(
        command("run", "caldwell", "--work-item", ASKED, "--conversation", "kitchen", "--dry-run", "--json")
    )
    command("run", "caldwell", "--work-item", ASKED, "--conversation", "kitchen")
    by_run = house.received()
    command("chat", "caldwell", "--conversation", "kitchen", stdin=f"{ASKED}\n")
    by_chat = house.received()

    assert by_run == by_chat
    assert tuple(dry["system"]) == by_run.system
    assert [one["text"] for one in dry["messages"]] == [message.text for message in by_run.messages]
    assert [message.text for message in by_run.messages] == ["hello", "hi", ASKED]


def test_python_sends_what_the_command_sends(house: House, command: Door) -> None:
    command("run", "caldwell", "--work-item", ASKED)
    by_command = house.received()
    Vault(house.open()).agent("caldwell").run(ASKED, trigger="manual")
    by_python = house.received()
    asyncio.run(Vault(house.open()).agent("caldwell").run_async(ASKED, trigger="manual"))
    by_async = house.received()
    shown = Vault(house.open()).agent("caldwell").preview(ASKED, trigger="manual")

    assert by_command == by_python == by_async == shown.request


def test_nothing_of_a_dry_run_is_written(house: House, command: Door) -> None:
    command("run", "caldwell", "--work-item", ASKED, "--dry-run", "--conversation", "kitchen")

    assert documents(house.store) == documents(house.before)


def test_the_most_a_dry_run_names_is_what_the_run_sets_aside(shell: Shell) -> None:
    assert shell("init", "scout", "--model", "openai:gpt-5-mini").code == 0
    with OpenAIServer("yes") as server:
        there = Shell(shell.root, shell.home, {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "k"})
        dry = there("run", "scout", "--work-item", ASKED, "--dry-run", "--json").value
        done = there("run", "scout", "--work-item", ASKED, "--json").value

    lines = [json.loads(line) for line in (shell.root / done["transcript"]).read_text().splitlines()]
    (asking,) = [line for line in lines if line["event"] == "asking"]
    assert float(asking["quote"]) == pytest.approx(dry["most_usd"])
