import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from atomic_agents.core.model import Usage
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.deeds import put
from atomic_agents.testing.servers import OpenAIServer, Reply
from atomic_agents.testing.workspaces import add_agent

MODEL = """---
schema_version: 2
model: openai:gpt-5-mini
max_output_tokens: 300
cost_guardrails:
  enabled: true
  daily_cap_usd: {cap}
---
"""
WORKER = """
import sys
from atomic_agents.bootstrap import open_workspace
from atomic_agents.config import load
from atomic_agents.operations import runs
from atomic_agents.runtime.order import Order
for number in range(3):
    workspace = open_workspace(load(sys.argv[1]))
    result = runs.run(workspace, "caldwell", Order("go"), model_id=None, on_text=lambda _: None,
                      on_notice=lambda _: None)
    workspace.close()
    print(result.ending, float(result.cost), flush=True)
"""
RUNS = 3
COST = Decimal("0.03")
ANSWERED = Usage(0, 300)


class AtOnce:
    """How many questions a server has at the same moment."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self._guard = threading.Lock()

    def __enter__(self) -> None:
        with self._guard:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        with self._guard:
            self.now -= 1


class Race:
    """Processes that each run one agent three times, and what they leave behind."""

    def __init__(self, folder: Path, *, processes: int, cap: str, reply: Callable[[object], Reply]) -> None:
        self.root = folder / "vault"
        store = FolderStore(self.root)
        add_agent(store, model=MODEL.format(cap=cap))
        put(store, **{"prices.toml": '["gpt-5-mini"]\ninput = 0\noutput = 100.0\n'})
        with OpenAIServer(reply) as server:
            environ = os.environ | {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "k", "HOME": str(folder)}
            command = [sys.executable, "-c", WORKER, str(self.root)]
            started = [
                subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) for _ in range(processes)
            ]
            said = [process.communicate(timeout=240)[0].splitlines() for process in started]
        self.codes = [process.returncode for process in started]
        self.endings = sorted(line.split()[0] for lines in said for line in lines)
        logs = self.root.glob("caldwell/log/*/*.jsonl")
        self.log: list[dict[str, Any]] = [json.loads(line) for path in logs for line in path.read_text().splitlines()]

    @property
    def spent(self) -> Decimal:
        return sum((Decimal(str(line.get("cost_usd", 0))) for line in self.log), Decimal(0))


@pytest.mark.parametrize(
    ("processes", "cap", "most"), [(8, "0.5", 16), pytest.param(16, "1", 33, marks=pytest.mark.soak)]
)
def test_processes_that_race_for_one_cap_spend_all_of_it_and_never_pass_it(
    tmp_path: Path, processes: int, cap: str, most: int
) -> None:
    at_once = AtOnce()

    def reply(_: object) -> Reply:
        with at_once:
            threading.Event().wait(0.02)
        return Reply("done", usage=ANSWERED)

    race = Race(tmp_path, processes=processes, cap=cap, reply=reply)

    assert race.codes == [0] * processes
    assert len({line["run_id"] for line in race.log}) == len(race.log) == processes * RUNS
    assert sorted(line["ending"] for line in race.log) == race.endings
    assert (race.spent, race.endings.count("ok")) == (most * COST, most)
    assert race.endings.count("skipped") == processes * RUNS - most
    assert at_once.most == 1
    assert not list((race.root / "_runs").iterdir())


def test_nothing_that_many_processes_remember_is_lost(tmp_path: Path) -> None:
    numbers, guard = count(1), threading.Lock()

    def reply(_: object) -> Reply:
        with guard:
            blocks = [block(next(numbers)) for _ in range(2)]
        return Reply("\n".join(["Noted.", *blocks]), usage=ANSWERED)

    race = Race(tmp_path, processes=8, cap="100", reply=reply)

    assert (race.codes, race.endings) == ([0] * 8, ["ok"] * 24)
    assert len({line["run_id"] for line in race.log}) == len(race.log) == 24
    captured = sorted(file for line in race.log for file in line["captures"])
    notes = sorted(path.name for path in race.root.glob("caldwell/memory/user_*.md"))
    index = (race.root / "caldwell/memory/INDEX.md").read_text()
    assert len(captured) == 48
    assert captured == notes
    assert [file for file in notes if index.count(f"({file})") != 1] == []
    assert len(list(race.root.glob("caldwell/runs/*/*.jsonl"))) == 24


def block(number: int) -> str:
    said = f"The drawer with the label {number * 7919} is number {number}."
    capture = {"type": "user", "name": f"Fact {number}", "description": f"fact {number}", "confidence": "high",
               "sources": ["operator"], "body": said}  # fmt: skip
    return f"```atomic_capture\n{json.dumps(capture)}\n```"
