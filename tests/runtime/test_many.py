import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from atomic_agents.core.model import Usage
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.deeds import put
from atomic_agents.testing.servers import OpenAIServer, Reply
from atomic_agents.testing.workspaces import add_agent

PROCESSES, RUNS = 8, 3
CAP = 3.0
MODEL = f"""---
schema_version: 2
model: openai:gpt-5-mini
max_output_tokens: 100
cost_guardrails:
  enabled: true
  daily_cap_usd: {CAP}
---
"""
WORKER = f"""
import sys
from atomic_agents.bootstrap import open_workspace
from atomic_agents.config import load
from atomic_agents.operations import runs
from atomic_agents.runtime.runner import Order
for number in range({RUNS}):
    workspace = open_workspace(load(sys.argv[1]))
    result = runs.run(workspace, "caldwell", Order("go"), model_id=None, on_text=lambda _: None,
                      on_notice=lambda _: None)
    workspace.close()
    print(result.ending, float(result.cost), flush=True)
"""


def test_processes_that_race_for_one_cap_never_pass_it(tmp_path: Path) -> None:
    root = tmp_path / "vault"
    store = FolderStore(root)
    add_agent(store, model=MODEL)
    put(store, **{"prices.toml": '["gpt-5-mini"]\ninput = 1000.0\noutput = 1000.0\n'})
    at_once, most_at_once, guard = 0, 0, threading.Lock()

    def reply(_: object) -> Reply:
        nonlocal at_once, most_at_once
        with guard:
            at_once += 1
            most_at_once = max(most_at_once, at_once)
        threading.Event().wait(0.05)
        with guard:
            at_once -= 1
        return Reply("done", usage=Usage(100, 100))

    with OpenAIServer(reply) as server:
        environ = os.environ | {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "k", "HOME": str(tmp_path)}
        started = [
            subprocess.Popen([sys.executable, "-c", WORKER, root], stdout=subprocess.PIPE, text=True, env=environ)
            for _ in range(PROCESSES)
        ]
        said = [line.split() for process in started for line in process.communicate(timeout=120)[0].splitlines()]

    lines = [json.loads(line) for path in root.glob("caldwell/log/*/*.jsonl") for line in path.read_text().splitlines()]
    spent = sum(line.get("cost_usd", 0) for line in lines)
    statuses = [line["status"] for line in lines]
    assert [process.returncode for process in started] == [0] * PROCESSES
    assert len(said) == len(lines) == len({line["run_id"] for line in lines}) == PROCESSES * RUNS
    assert sorted(statuses) == sorted(ending for ending, _ in said)
    assert set(statuses) == {"ok", "skipped"}
    assert 0 < spent <= CAP
    assert most_at_once == 1
    assert not list((root / "_runs").iterdir())
