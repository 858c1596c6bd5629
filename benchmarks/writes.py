"""`python -m benchmarks.writes`: how many notes a second are remembered, each durable before the next is begun.

A note is what a model's `remember` leads to: checked, held against older decisions, written with its line in INDEX.md.
"""

import argparse
import datetime
import json
import sys
import tempfile
import time
from pathlib import Path

from atomic_agents import bootstrap, config
from atomic_agents.core.change import ChangeSet
from atomic_agents.guard.paths import policy
from atomic_agents.memory.lifecycle import Captures
from atomic_agents.vault.settings import ToolSettings
from benchmarks.vaults import generate

AGENT = "agent0"
REACH = 150.0
"""Notes a second that are to be reached at each size."""


def measure(root: Path, notes: int) -> float:
    """Notes a second into the vault at `root`."""
    workspace = bootstrap.open_workspace(config.load(str(root)))
    paths = policy(AGENT, ToolSettings(write_paths=("memory/",)))

    def remember(number: int) -> None:
        captures = Captures(workspace.vault, AGENT, paths, datetime.date(2026, 11, 23), "")
        capture = {
            "type": ("decision", "user", "feedback")[number % 3], "name": f"Matter {number} of the harbour",
            "description": f"what matter {number} is about", "confidence": "high", "sources": ["conversation"],
            "body": f"Matter {number} was settled at the quay, {number * 7} days after it was raised.",
        }  # fmt: skip
        outcome = captures.add(capture)
        if outcome.became != "written":
            raise SystemExit(outcome.message)
        workspace.store.apply(ChangeSet("remember", captures.changes()))

    try:
        for number in range(5):
            remember(number)
        start = time.perf_counter()
        for number in range(5, notes + 5):
            remember(number)
        return notes / (time.perf_counter() - start)
    finally:
        workspace.close()


def main() -> int:
    """Print notes a second at each size; 1 where it is fewer than are to be reached."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.writes", description="Notes remembered a second.")
    parser.add_argument("--sizes", default="10,1000,10000", help="notes that are there already (%(default)s)")
    parser.add_argument("--writes", type=int, default=200, help="notes to write at each size (%(default)s)")
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    options = parser.parse_args()
    rates = {}
    for size in map(int, options.sizes.split(",")):
        with tempfile.TemporaryDirectory(prefix="writes-") as folder:
            root = generate(Path(folder) / "vault", size, version=2)
            rates[size] = measure(root, options.writes)
        if not options.json:
            print(f"{size:>7,} notes: {rates[size]:6.0f} a second, {1000 / rates[size]:.2f} ms each", flush=True)
    if options.json:
        print(json.dumps({"per_second": rates, "reach": REACH}, indent=2))
    return int(any(rate < REACH for rate in rates.values()))


if __name__ == "__main__":
    sys.exit(main())
