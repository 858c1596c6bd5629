import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from atomic_agents.core.model import Usage
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.deeds import put
from atomic_agents.testing.listeners import web
from atomic_agents.testing.servers import OpenAIServer, Reply
from atomic_agents.testing.shell import Shell
from atomic_agents.testing.workspaces import add_agent

AGENTS = 4
MODEL = "---\nschema_version: 2\nmodel: openai:gpt-5-mini\nmax_output_tokens: 300\n---\n"
PRICES = '["gpt-5-mini"]\ninput = 0\noutput = 1000.0\n'
POLICY = "---\nschema_version: 2\nalerts:\n  command: {0}\ncost_guardrails:\n  daily_cap_usd: 1.2\n---\n"


def plant(root: Path, *, command: list[str]) -> None:
    store = FolderStore(root)
    for number in range(AGENTS):
        add_agent(store, f"agent{number}", model=MODEL)
    put(store, **{"prices.toml": PRICES, "policy.md": POLICY.format(json.dumps(command))})


def record(root: Path) -> list[dict[str, str]]:
    return [json.loads(line) for path in root.glob("_alerts/*") for line in path.read_text().splitlines()]


def test_processes_that_reach_a_threshold_together_send_one_alert(tmp_path: Path) -> None:
    root, sent = tmp_path / "vault", tmp_path / "sent"
    plant(root, command=["sh", "-c", 'echo "$1" >> "$2"', "sh", "{text}", str(sent)])

    with OpenAIServer(lambda _: Reply("done", usage=Usage(0, 300))) as server:
        environ = os.environ | {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "k", "HOME": str(tmp_path)}
        arguments = ("run", "--root", str(root), "--work-item", "go")
        started = [
            subprocess.Popen(
                [sys.executable, "-m", "atomic_agents", *arguments, f"agent{number}"], env=environ,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            for number in range(AGENTS)
        ]  # fmt: skip
        said = [process.communicate(timeout=60)[1] for process in started]

    told = Counter(text.partition(": ")[2].partition(" is spent")[0] for text in sent.read_text().splitlines())
    assert [process.returncode for process in started] == [0] * AGENTS, said
    assert set(told.values()) == {1}
    assert "100% of the vault's daily cap of $1.20" in told
    assert sum(text.count("of the vault's daily cap") for text in said) == len(told)
    assert Counter(line["state"] for line in record(root)) == dict.fromkeys(("raised", "sending", "sent"), len(told))


@pytest.fixture
def failing(shell: Shell) -> Shell:
    """A vault whose agent cannot run, as there is no key."""
    add_agent(FolderStore(shell.root), "scout", model=MODEL)
    return shell


def cron(shell: Shell) -> int:
    process = shell.start("run", "scout", "--work-item", "go", "--trigger", "cron")
    process.communicate(timeout=60)
    return process.returncode


def test_a_process_that_dies_between_sending_and_noting_it_is_not_followed_by_a_second_alert(failing: Shell) -> None:
    sent = failing.root.parent / "sent"
    killing = ["sh", "-c", 'echo "$1" >> "$2"; kill -9 $PPID', "sh", "{text}", str(sent)]
    put(FolderStore(failing.root), **{"policy.md": POLICY.format(json.dumps(killing))})

    first, second = cron(failing), cron(failing)

    assert (first, second) == (-9, 7)
    assert len(sent.read_text().splitlines()) == 1
    assert [line["state"] for line in record(failing.root)] == ["raised", "sending"]
    (found,) = [result for result in failing("doctor", "--json").value["results"] if result["name"] == "alerts"]
    assert (found["status"], found["message"].partition(", ")[0]) == ("warn", "the last alert on command")
    assert found["message"].endswith("may not have arrived: the process that sent it died")


def test_a_run_that_fails_says_so_to_a_webhook_and_its_exit_code_stays(failing: Shell) -> None:
    with web() as heard:
        policy = f"---\nschema_version: 2\nalerts:\n  webhook: {{url: 'http://127.0.0.1:{heard.port}/x'}}\n---\n"
        put(FolderStore(failing.root), **{"policy.md": policy})
        codes = [cron(failing), cron(failing)]

    ((path, _, body),) = heard.requests
    found = json.loads(body)
    assert (codes, path) == ([7, 7], "/x")
    assert found["text"].startswith("scout: a run that cron started ended as error: openai:gpt-5-mini needs a key")
    assert found["facts"]["code"] == "credential-missing"
