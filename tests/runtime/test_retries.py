import datetime
import email.utils
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from atomic_agents.core.model import Usage
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime import turn
from atomic_agents.runtime.order import Result
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.deeds import put
from atomic_agents.testing.servers import ModelServer, Reply
from atomic_agents.testing.wires import COMPATIBLE, OPENAI, WIRES
from atomic_agents.testing.workspaces import add_agent, run, scripted_workspace

NAMES = [name for wire in WIRES.values() for name in (wire.model, wire.fallback)]
PRICES = "".join(f'["{name}"]\ninput = 0\noutput = 1000\n' for name in NAMES)
DONE = Reply("All is well.", usage=Usage(0, 20))
BUSY = Reply("Overloaded", status=529, error_type="overloaded_error")
EVERY = pytest.mark.parametrize("family", WIRES)


class House:
    """An agent whose model is a real server on loopback; waits are written down instead of waited for."""

    def __init__(self, folder: Path, server: ModelServer, family: str, *, fallback: bool, cap: str) -> None:
        self.root, self.server, self.waits = folder / "vault", server, list[float]()
        self.store = FolderStore(self.root)
        lines = f"model: {WIRES[family].model}\nmax_output_tokens: 100\n"
        lines += f"fallback_model: {WIRES[family].fallback}\n" if fallback else ""
        lines += f"cost_guardrails:\n  enabled: true\n  daily_cap_usd: {cap}\n" if cap else ""
        add_agent(self.store, model=f"---\nschema_version: 2\n{lines}---\n")
        put(self.store, **{"prices.toml": PRICES})
        self.family = family

    def workspace(self) -> Workspace:
        workspace = scripted_workspace(self.store, [], root=self.root)
        provider = WIRES[self.family].provider(self.server)
        workspace.make_providers = lambda _search: (provider,)
        workspace.sleep = self.waits.append
        return workspace

    def run(self, on_text: Callable[[str], None] = lambda _: None) -> Result:
        workspace = self.workspace()
        result = run(workspace, "what is up?", on_text=on_text)
        workspace.close()
        return result

    def events(self, result: Result) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.root / result.transcript).read_text(encoding="utf-8").splitlines()]

    def names(self, result: Result) -> list[str]:
        return [event["event"] for event in self.events(result)]

    def line(self) -> dict[str, Any]:
        (path,) = self.root.glob("caldwell/log/*/*.jsonl")
        (line,) = path.read_text(encoding="utf-8").splitlines()
        found: dict[str, Any] = json.loads(line)
        return found

    def usd(self, amount: str) -> Decimal:
        """A sum; nothing where the model is on this machine."""
        return Decimal(amount) * (self.family != COMPATIBLE.family)

    @property
    def models(self) -> list[str]:
        return [request["model"] for request in self.server.requests]


Build = Callable[..., House]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Build]:
    servers: list[ModelServer] = []

    def build(family: str, *replies: Reply, fallback: bool = False, cap: str = "") -> House:
        if not WIRES[family].is_installed:
            pytest.skip(f"needs the extra [{family}]")
        server = WIRES[family].server(replies)
        servers.append(server.__enter__())
        return House(tmp_path, server, family, fallback=fallback, cap=cap)

    with closing(servers):
        yield build


@contextmanager
def closing(servers: list[ModelServer]) -> Iterator[None]:
    yield
    for server in servers:
        server.__exit__(None, None, None)


@EVERY
@pytest.mark.parametrize("status", [429, 500, 502, 503, 529])
def test_a_failure_that_passes_is_asked_again_and_written_down(house: Build, family: str, status: int) -> None:
    found = house(family, Reply("busy", status=status, error_type="x"), Reply("busy", status=status), DONE)

    result = found.run()

    assert (result.text, result.ending, result.failure) == ("All is well.", "ok", None)
    assert found.names(result) == [
        "started", "asking", "failed", "waiting", "asking", "failed", "waiting", "asking", "answered", "closed",
    ]  # fmt: skip
    assert [event.get("attempt") for event in found.events(result)[1:8]] == [None, 1, 2, 2, 2, 3, 3]
    assert len(found.server.requests) == 3
    assert result.cost == found.usd("0.02")
    assert any("was asked again" in warning for warning in result.warnings)


@EVERY
@pytest.mark.parametrize("status", [400, 401])
def test_a_failure_that_will_not_pass_is_asked_once_and_is_exit_7(house: Build, family: str, status: int) -> None:
    found = house(family, Reply("the key is no good", status=status), fallback=True)

    result = found.run()

    assert result.failure is not None
    assert result.failure.exit_status == 7
    assert "the key is no good" in result.failure.message
    assert (len(found.server.requests), found.waits, result.cost) == (1, [], Decimal(0))
    assert found.line()["status"] == "error"


@EVERY
def test_the_seconds_that_a_provider_asks_for_are_waited(house: Build, family: str) -> None:
    found = house(family, Reply("slow down", status=429, retry_after="7"), DONE)

    result = found.run()

    assert result.ending == "ok"
    (wait,) = found.waits
    assert 7 <= wait <= 7 * 1.25


@EVERY
def test_a_provider_may_ask_for_a_point_in_time(house: Build, family: str) -> None:
    then = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=30)
    found = house(family, Reply("slow down", status=429, retry_after=email.utils.format_datetime(then)), DONE)

    found.run()

    (wait,) = found.waits
    assert 20 <= wait <= 30 * 1.25


def test_a_provider_that_asks_for_an_hour_is_not_waited_for(house: Build) -> None:
    found = house("openai", Reply("slow down", status=429, retry_after="3600"), DONE)

    result = found.run()

    assert result.failure is not None
    assert (len(found.server.requests), found.waits) == (1, [])
    assert re.fullmatch(r"run it again after (\d{4}-\d\d-\d\d )?\d\d:\d\d", result.failure.hint)


@EVERY
def test_a_model_that_keeps_failing_is_replaced_by_the_fallback(house: Build, family: str) -> None:
    found = house(family, *[BUSY] * turn.MOST_TRIES, DONE, fallback=True)

    result = found.run()

    first, second = (name.partition(":")[2] for name in (WIRES[family].model, WIRES[family].fallback))
    assert found.models == [first] * turn.MOST_TRIES + [second]
    assert (result.text, result.model) == ("All is well.", WIRES[family].fallback)
    assert f"{WIRES[family].model} kept failing; {WIRES[family].fallback} answers instead" in result.warnings
    assert found.line()["fallback"] is True


def test_a_model_that_keeps_failing_ends_in_the_words_of_its_provider(house: Build) -> None:
    found = house("anthropic", BUSY)

    result = found.run()

    assert result.failure is not None
    assert (result.failure.exit_status, result.failure.code) == (7, "provider-failed")
    assert result.failure.message == "anthropic:claude-haiku-4-5 answered 529: Overloaded"
    assert (len(found.server.requests), len(found.waits)) == (turn.MOST_TRIES, turn.MOST_TRIES - 1)
    assert found.line()["error"] == "provider-failed: anthropic:claude-haiku-4-5 answered 529: Overloaded"


@EVERY
def test_a_connection_that_drops_before_a_word_is_asked_again_and_counted(house: Build, family: str) -> None:
    found = house(family, Reply(silent=True), DONE, cap="10")

    result = found.run()

    assert result.text == "All is well."
    failed = next(event for event in found.events(result) if event["event"] == "failed")
    assert result.cost == found.usd("0.02") + Decimal(str(failed["cost"]))
    assert result.cost == Decimal(str(found.line()["cost_usd"]))


@EVERY
def test_a_connection_that_drops_in_the_middle_is_not_asked_again(house: Build, family: str) -> None:
    found, said = house(family, Reply("So far so good, and then", breaks=True), DONE), list[str]()

    result = found.run(said.append)

    assert result.failure is not None
    assert result.failure.exit_status == 7
    assert "".join(said).startswith("So far")
    assert (len(found.server.requests), found.waits) == (1, [])
    assert result.cost == found.usd("0.1")


@EVERY
def test_a_slow_trickle_is_no_failure(house: Build, family: str) -> None:
    found = house(family, Reply("All is well.", pause=0.05, usage=Usage(0, 20)))

    result = found.run()

    assert (result.text, found.waits) == ("All is well.", [])


def test_a_cap_holds_for_what_is_asked_again(house: Build) -> None:
    found = house("openai", Reply(silent=True), cap="0.15")

    result = found.run()

    assert (result.ending, len(found.server.requests), result.cost) == ("skipped", 1, Decimal("0.1"))


def test_a_fallback_that_a_cap_forbids_is_not_asked(house: Build) -> None:
    found = house("openai", Reply("slow down", status=429, retry_after="3600"), cap="0.15", fallback=True)
    cheap = f'["{OPENAI.fallback}"]\ninput = 0\noutput = '
    prices = PRICES.replace(f"{cheap}1000", f"{cheap}9000")
    put(found.store, **{"prices.toml": prices})

    result = found.run()

    assert (result.ending, len(found.server.requests)) == ("error", 1)
    assert "the fallback model is not asked" in result.reason
