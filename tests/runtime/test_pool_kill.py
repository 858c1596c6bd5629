"""A process that dies with money set aside neither keeps it for ever nor lets the cap of all agents be passed."""

import datetime
import json
import os
import signal
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path

import pytest

from atomic_agents.core.model import Answer, Usage
from atomic_agents.operations.workspace import Workspace
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.deeds import put
from atomic_agents.testing.scripted import ScriptedModel
from atomic_agents.testing.servers import OpenAIServer, Reply
from atomic_agents.testing.workspaces import add_agent, run, scripted_workspace

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no such signal")

CAP, COST = Decimal("0.5"), Decimal("0.1")
MODEL = "---\nschema_version: 2\nmodel: {model}\nmax_output_tokens: 1000\n---\n"
DYING = """
import os, signal, sys
from pathlib import Path
from atomic_agents.core.model import Answer, Usage
from atomic_agents.stores import disk
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.scripted import ScriptedModel
from atomic_agents.testing.workspaces import run, scripted_workspace
root, event = Path(sys.argv[1]), sys.argv[2].encode()
append = disk.append_bytes
def dying(*arguments, **named):
    if any(isinstance(each, bytes) and b'"event": "' + event + b'"' in each for each in arguments):
        os.kill(os.getpid(), signal.SIGKILL)
    return append(*arguments, **named)
disk.append_bytes = dying
model = ScriptedModel(lambda _: Answer("done", (), Usage(0, 1000)), local=False)
run(scripted_workspace(FolderStore(root), model, root=root), "go", "ann")
"""
ASKING = """
import sys
from atomic_agents.bootstrap import open_workspace
from atomic_agents.config import load
from atomic_agents.operations import runs
from atomic_agents.runtime.order import Order
workspace = open_workspace(load(sys.argv[1]))
runs.run(workspace, sys.argv[2], Order("go"), model_id=None, on_text=lambda _: None, on_notice=lambda _: None)
"""


def plant(root: Path, *names: str, model: str) -> FolderStore:
    store = FolderStore(root)
    for name in names:
        add_agent(store, name, model=MODEL.format(model=model))
    policy = f"---\nschema_version: 2\ncost_guardrails:\n  daily_cap_usd: {CAP}\n---\n"
    prices = "".join(f'["{each}"]\ninput = 0\noutput = 100\n' for each in ("scripted:model", "gpt-5-mini"))
    put(store, **{"prices.toml": prices, "policy.md": policy})
    return store


def spent(root: Path) -> dict[str, Decimal]:
    """What each agent's log says, agents without a log left out."""
    found: dict[str, Decimal] = {}
    for path in root.glob("*/log/*/*.jsonl"):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            found[record["agent_name"]] = found.get(record["agent_name"], Decimal(0)) + Decimal(str(record["cost_usd"]))
    return found


def run_until_refused(workspace: Workspace, name: str) -> int:
    """How many runs of an agent the cap lets pass."""
    return next(number for number in range(20) if run(workspace, "go", name).ending == "skipped")


@pytest.mark.parametrize(("event", "charged"), [("reserved", Decimal(0)), ("asking", Decimal(0)), ("answered", COST)])
def test_what_a_process_set_aside_that_dies_is_charged_only_where_it_may_have_been_spent(
    tmp_path: Path, event: str, charged: Decimal
) -> None:
    root = tmp_path / "vault"
    store = plant(root, "ann", "bob", model="scripted:model")
    died = subprocess.run([sys.executable, "-c", DYING, root, event], check=False, timeout=60)
    model = ScriptedModel(lambda _: Answer("done", (), Usage(0, 1000)), local=False)

    passed = run_until_refused(scripted_workspace(store, model, root=root), "bob")

    assert died.returncode == -signal.SIGKILL
    assert passed * COST == CAP - charged
    assert spent(root) == {"ann": charged, "bob": CAP - charged}
    assert not list((root / "_runs").iterdir())


def test_what_dying_processes_set_aside_counts_before_and_after_it_is_known_that_they_died(tmp_path: Path) -> None:
    root, names = tmp_path / "vault", ("ann", "bob", "cem", "dan")
    store = plant(root, *names, model="openai:gpt-5-mini")
    add_agent(store, "eve", model=MODEL.format(model="scripted:model"))
    all_asked, answer = threading.Barrier(len(names) + 1), threading.Event()

    def reply(_: object) -> Reply:
        all_asked.wait(60)
        answer.wait(60)
        return Reply("done", usage=Usage(0, 300))

    with OpenAIServer(reply) as server:
        environ = os.environ | {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "k", "HOME": str(tmp_path)}
        command = [sys.executable, "-c", ASKING, str(root)]
        asking = [subprocess.Popen([*command, name], env=environ) for name in names]
        all_asked.wait(60)
        for process in asking[:2]:
            process.kill()
            process.wait(60)
        model = ScriptedModel(lambda _: Answer("done", (), Usage(0, 1000)), local=False)
        workspace = scripted_workspace(store, model, root=root, clock=lambda: datetime.datetime.now().astimezone())
        during = run_until_refused(workspace, "eve")
        answer.set()
        codes = [process.wait(60) for process in asking]

    after = run_until_refused(workspace, "eve")

    assert codes == [-signal.SIGKILL, -signal.SIGKILL, 0, 0]
    assert (during, after) == (1, 1)  # two that answered for $0.03 instead of $0.10 leave room for one more
    living = {"cem": Decimal("0.03"), "dan": Decimal("0.03")}
    assert spent(root) == {"ann": COST, "bob": COST, "eve": 2 * COST, **living}
    assert sum(spent(root).values()) <= CAP
    assert not list((root / "_runs").iterdir())
