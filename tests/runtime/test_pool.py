import json
import os
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path

import pytest

from atomic_agents.core.change import Append, ChangeSet
from atomic_agents.core.model import Answer, Usage
from atomic_agents.runtime.order import Order, Result
from atomic_agents.stores.files import FolderStore
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.testing.deeds import put
from atomic_agents.testing.scripted import ScriptedModel
from atomic_agents.testing.servers import OpenAIServer, Reply
from atomic_agents.testing.workspaces import add_agent, run, scripted_workspace
from atomic_agents.vault import layout

MODEL = "---\nschema_version: 2\nmodel: scripted:model\nmax_output_tokens: 1000\n---\n"
PRICES = '["scripted:model"]\ninput = 0\noutput = 100\n'
DONE = Answer("done", (), Usage(700, 1000))
"""Costs ten cents, as much as was reserved for it."""
DAY = "log/2026-11/2026-11-22.jsonl"


class Vault:
    """Two agents that share what `policy.md` lets them spend together."""

    def __init__(self, caps: str, *, model: str = MODEL, prices: str = PRICES) -> None:
        self.store = MemoryStore()
        for name in ("ann", "bob"):
            add_agent(self.store, name, model=model)
        guardrails = "".join(f"  {line}\n" for line in caps.splitlines())
        policy = f"---\nschema_version: 2\ncost_guardrails:\n{guardrails}---\n"
        put(self.store, **{"prices.toml": prices, "policy.md": policy})
        self.workspace = scripted_workspace(self.store, ScriptedModel(lambda _: DONE, local=False))

    def spent(self, name: str, usd: float | str) -> None:
        put(self.store, **{f"{name}/{DAY}".replace("/", "__"): json.dumps({"cost_usd": usd}) + "\n"})

    def run(self, name: str, *, critical: bool = False) -> Result:
        return run(self.workspace, "go", name, order=Order("go", critical=critical))


@pytest.mark.parametrize("caps", ["daily_cap_usd: 1", "monthly_cap_usd: 1"])
def test_what_one_agent_spent_counts_for_the_others_too(caps: str) -> None:
    vault = Vault(caps)
    vault.spent("bob", 0.85)

    first, second = vault.run("ann"), vault.run("ann")

    assert [first.ending, second.ending] == ["ok", "skipped"]
    assert "the vault's" in second.reason
    assert "$0.9500 is spent" in second.reason


def test_what_a_run_has_set_aside_counts_until_it_ends() -> None:
    vault = Vault("daily_cap_usd: 1")
    lines = [{"event": "started", "agent": "bob"}, {"event": "reserved", "quote": "0.95"}]
    raw = tuple(Append(layout.open_run("run-of-bob"), json.dumps(line)) for line in lines)
    vault.store.apply(ChangeSet("bob is at it", raw))

    with vault.store.lock("agent/bob", wait=0):
        during = vault.run("ann")
    after = vault.run("ann")

    assert (during.ending, after.ending) == ("skipped", "ok")


def test_a_cap_of_nothing_freezes_every_agent() -> None:
    vault = Vault("daily_cap_usd: 0")

    assert [vault.run(name).ending for name in ("ann", "bob")] == ["skipped", "skipped"]


@pytest.mark.parametrize("cost", ["NaN", -1.0, "much"])
def test_a_line_of_any_agent_that_cannot_be_read_as_money_blocks(cost: float | str) -> None:
    vault = Vault("daily_cap_usd: 1")
    vault.spent("bob", float("nan") if cost == "NaN" else cost)

    result = vault.run("ann")

    assert result.ending == "skipped"
    assert f"bob/{DAY}:1" in result.reason


def test_a_vault_whose_caps_are_off_is_not_capped() -> None:
    assert Vault("enabled: false\ndaily_cap_usd: 0").run("ann").ending == "ok"


def test_critical_passes_the_vaults_day_and_not_its_month() -> None:
    assert Vault("daily_cap_usd: 0").run("ann", critical=True).ending == "ok"
    assert Vault("monthly_cap_usd: 0").run("ann", critical=True).ending == "skipped"


def test_a_threshold_is_said_once_a_day_whoever_reaches_it() -> None:
    vault = Vault("daily_cap_usd: 1")
    vault.spent("bob", 0.45)

    said = [vault.run(name).warnings for name in ("ann", "bob", "ann", "bob", "ann")]

    assert said == [
        ("50% of the vault's daily cap of $1.00 is spent: $0.5500",), (), (),
        ("80% of the vault's daily cap of $1.00 is spent: $0.8500",), (),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("stated", "ending", "cost"),
    [("block", "skipped", "0"), ("free", "ok", "0"), ("assume-max", "ok", "0.73125")],
)
def test_a_price_that_nobody_knows_is_what_the_vault_says(stated: str, ending: str, cost: str) -> None:
    caps = f"daily_cap_usd: 5\n  unknown_price: {stated}"
    model = MODEL.replace("max_output", f"cost_guardrails:\n  enabled: true\n  {caps}\nmax_output")
    vault = Vault(f"daily_cap_usd: 5\nunknown_price: {stated}", model=model, prices="")

    result = vault.run("ann")

    assert (result.ending, result.cost) == (ending, Decimal(cost))
    assert any(f"unknown_price is {stated}" in warning for warning in result.warnings) == (ending == "ok")


PROCESSES, RUNS, AGENTS = 8, 2, 4
CAP = 0.5
WORKER = f"""
import sys
from atomic_agents.bootstrap import open_workspace
from atomic_agents.config import load
from atomic_agents.operations import runs
from atomic_agents.runtime.order import Order
for number in range({RUNS}):
    workspace = open_workspace(load(sys.argv[1]))
    result = runs.run(workspace, sys.argv[2], Order("go"), model_id=None, on_text=lambda _: None,
                      on_notice=lambda _: None)
    workspace.close()
    print(result.ending, float(result.cost), flush=True)
"""


def test_processes_of_many_agents_that_race_for_the_vaults_cap_never_pass_it(tmp_path: Path) -> None:
    root = tmp_path / "vault"
    store = FolderStore(root)
    for number in range(AGENTS):
        add_agent(store, f"agent{number}", model=MODEL.replace("scripted:model", "openai:gpt-5-mini"))
    put(store, **{
        "prices.toml": '["gpt-5-mini"]\ninput = 0\noutput = 100.0\n',
        "policy.md": f"---\nschema_version: 2\ncost_guardrails:\n  daily_cap_usd: {CAP}\n---\n",
    })  # fmt: skip
    at_once, most_at_once, guard = 0, 0, threading.Lock()

    def reply(_: object) -> Reply:
        nonlocal at_once, most_at_once
        with guard:
            at_once += 1
            most_at_once = max(most_at_once, at_once)
        threading.Event().wait(0.2)
        with guard:
            at_once -= 1
        return Reply("done", usage=Usage(700, 300))

    with OpenAIServer(reply) as server:
        environ = os.environ | {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "k", "HOME": str(tmp_path)}
        started = [
            subprocess.Popen(
                [sys.executable, "-c", WORKER, root, f"agent{number % AGENTS}"], stdout=subprocess.PIPE, text=True,
                env=environ,
            )
            for number in range(PROCESSES)
        ]  # fmt: skip
        said = [line.split() for process in started for line in process.communicate(timeout=120)[0].splitlines()]

    lines = [json.loads(line) for path in root.glob("*/log/*/*.jsonl") for line in path.read_text().splitlines()]
    spent = sum(Decimal(str(line.get("cost_usd", 0))) for line in lines)
    assert [process.returncode for process in started] == [0] * PROCESSES
    assert len(said) == len(lines) == PROCESSES * RUNS
    assert {line["ending"] for line in lines} == {"ok", "skipped"}
    assert Decimal("0.2") < spent <= Decimal(str(CAP))
    assert most_at_once > 1
    assert not list((root / "_runs").iterdir())
