import asyncio
import inspect
import json
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path

import pytest

import atomic_agents
from atomic_agents import AtomicAgentsError, BudgetExceeded, ProviderFailed, Vault
from atomic_agents.api import Agent
from atomic_agents.core.errors import AgentMissing, UsageError, VaultMissing
from atomic_agents.core.model import Answer, Request
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.scripted import Script, ScriptedModel
from atomic_agents.testing.workspaces import add_agent, scripted_workspace


def vault(root: Path, script: Script | ScriptedModel, **files: str) -> Vault:
    store = FolderStore(root)
    add_agent(store, **files)
    return Vault(scripted_workspace(store, script, root=root))


def test_a_run_is_a_call_and_its_result_a_value(tmp_path: Path) -> None:
    with vault(tmp_path, ["forty-two"]) as opened:
        result = opened.agent("caldwell").run("the question")

    assert (result.text, result.ending, result.failure, result.cost) == ("forty-two", "ok", None, Decimal(0))
    with pytest.raises(AttributeError):
        result.text = "else"  # type: ignore[misc]  # what is frozen
    assert (tmp_path / result.transcript).exists()


def test_an_answer_is_streamed(tmp_path: Path) -> None:
    heard: list[str] = []

    with vault(tmp_path, ["forty-two, more or less"]) as opened:
        result = opened.agent("caldwell").run("the question", on_text=heard.append)

    assert len(heard) > 1
    assert "".join(heard) == result.text


def test_a_conversation_goes_on_between_calls(tmp_path: Path) -> None:
    with vault(tmp_path, lambda request: f"{len(request.messages)}") as opened:
        caldwell = opened.agent("caldwell")
        caldwell.run("one", conversation="k")
        result = caldwell.run("two", conversation="k")
        (found,) = caldwell.conversations()

    assert result.text == "3"
    assert [turn.asked for turn in found.turns] == ["one", "two"]


def test_what_ends_a_run_is_in_its_result(tmp_path: Path) -> None:
    with vault(tmp_path, [ProviderFailed("overloaded")]) as opened:
        result = opened.agent("caldwell").run("hello")

    assert result.ending == "error"
    assert isinstance(result.failure, ProviderFailed)
    assert isinstance(result.failure, AtomicAgentsError)


def test_a_cap_is_a_failure_too(tmp_path: Path) -> None:
    model = ScriptedModel(["never"], local=False)

    with vault(tmp_path, model) as opened:
        result = opened.agent("caldwell").run("hello", max_cost=Decimal(0))

    assert isinstance(result.failure, BudgetExceeded)
    assert model.requests == []


def test_what_keeps_a_run_from_beginning_is_raised(tmp_path: Path) -> None:
    with vault(tmp_path, ["never"]) as opened:
        with pytest.raises(AgentMissing):
            opened.agent("cladwell")
        with pytest.raises(UsageError):
            opened.agent("caldwell").run("  ")
    with pytest.raises(VaultMissing):
        Vault.open(tmp_path / "nowhere")


def test_a_key_is_answered_once(tmp_path: Path) -> None:
    with vault(tmp_path, ["once"]) as opened:
        caldwell = opened.agent("caldwell")
        first = caldwell.run("hello", idempotency_key="k")
        again = caldwell.run("hello", idempotency_key="k")

    assert (first.text, again.text, again.replayed) == ("once", "once", True)


def test_async_callers_wait_without_holding_the_loop_up(tmp_path: Path) -> None:
    here = threading.get_ident()
    heard: list[int] = []
    threads: list[int] = []

    def answer(_request: Request) -> Answer:
        threads.append(threading.get_ident())
        return Answer("forty-two, more or less")

    async def both(opened: Vault) -> list[str]:
        caldwell = opened.agent("caldwell")
        on_text = lambda _text: heard.append(threading.get_ident())  # noqa: E731 - a listener
        results = await asyncio.gather(caldwell.run_async("one", on_text=on_text), caldwell.run_async("two"))
        return [result.text for result in results]

    with vault(tmp_path, answer) as opened:
        texts = asyncio.run(both(opened))

    assert texts == ["forty-two, more or less"] * 2
    assert here not in threads
    assert set(heard) == {here}
    logged = [line for path in tmp_path.glob("caldwell/log/*/*.jsonl") for line in path.read_text().splitlines()]
    assert [json.loads(line)["status"] for line in logged] == ["ok", "ok"]


def test_waiting_takes_what_calling_takes() -> None:
    assert list(inspect.signature(Agent.run).parameters) == list(inspect.signature(Agent.run_async).parameters)


def test_a_vault_says_what_is_in_it(tmp_path: Path) -> None:
    note = "---\nname: Oak\ntype: decision\n---\n\nOak it is.\n"

    with vault(tmp_path, [], memory__decision_oak=note) as opened:
        found = opened.agent("caldwell").search("oak")
        info = opened.agent("caldwell").info()

    assert opened.agents() == ("caldwell",)
    assert [passage.path for passage in found] == ["caldwell/memory/decision_oak.md"]
    assert info.notes == 1


def test_every_name_at_the_front_door_is_there() -> None:
    assert all(getattr(atomic_agents, name) is not None for name in atomic_agents.__all__)
    with pytest.raises(AttributeError):
        atomic_agents.nothing  # noqa: B018 - looked for


def test_the_front_door_opens_nothing_by_itself() -> None:
    script = "import sys, atomic_agents; print(*sorted(n for n in sys.modules if n.startswith('atomic_agents')))"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["atomic_agents", "atomic_agents._version"]
