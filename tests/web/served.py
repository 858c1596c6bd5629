"""A server in a process of its own, over a vault whose models are on loopback."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import openai

from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.servers import OpenAIServer, Reply
from atomic_agents.testing.workspaces import add_agent

AGENTS = ("ada", "bo", "cy", "di", "ed", "flo")


@dataclass
class Door:
    """A server that runs, over a vault whose models are `model`."""

    root: Path
    url: str
    process: "subprocess.Popen[str]"
    environ: dict[str, str]

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        line = [sys.executable, "-m", "atomic_agents", *arguments]
        return subprocess.run(line, check=False, env=self.environ, capture_output=True, text=True, timeout=60)

    def log(self, agent: str) -> list[dict[str, object]]:
        files = sorted((self.root / agent / "log").rglob("*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]

    def client(self, key: str = "none") -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0)


def say(body: dict[str, object]) -> Reply:
    asked = json.dumps(body["messages"])
    if "fail" in asked.rpartition('"role"')[2]:
        return Reply("no such luck", status=400)
    if "slowly" in asked:
        return Reply("word " * 60, pause=0.02)
    return Reply("hello from the agent")


@contextlib.contextmanager
def served(folder: Path, *arguments: str) -> Iterator[Door]:
    """A server over a new vault below `folder`, which is told to end."""
    root = folder / "vault"
    root.mkdir()
    for name in AGENTS:
        add_agent(FolderStore(root), name, model="---\nschema_version: 2\nmodel: openai:gpt-5-mini\n---\n")
    with OpenAIServer(say) as model:
        environ = {**os.environ, "HOME": str(folder), "ATOMIC_AGENTS_ROOT": str(root), "NO_COLOR": "1"}
        environ |= {"OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "sk-made-up-key"}
        started = opened(root, environ, "serve", "--port", "0", *arguments)
        try:
            yield started
        finally:
            ended(started.process)


@contextlib.contextmanager
def scripted(folder: Path, door: str = "serve", *, auth: bool = False) -> Iterator[Door]:
    """A door over a new vault below `folder`, whose models do what the work item says."""
    root = folder / "vault"
    root.mkdir()
    for name in AGENTS:
        add_agent(FolderStore(root), name, model="---\nschema_version: 2\nmodel: scripted:model\n---\n")
    environ = {**os.environ, "HOME": str(folder), "ATOMIC_AGENTS_ROOT": str(root), "NO_COLOR": "1"}
    script = str(Path(__file__).with_name("scripted_door.py"))
    started = _opened(root, environ, [sys.executable, script, door, "yes" if auth else "no"])
    try:
        yield started
    finally:
        ended(started.process)


def opened(root: Path, environ: dict[str, str], *arguments: str) -> Door:
    return _opened(root, environ, [sys.executable, "-m", "atomic_agents", *arguments])


def _opened(root: Path, environ: dict[str, str], line: list[str]) -> Door:
    process = subprocess.Popen(line, env=environ, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = ""
    for text in process.stderr:  # notices may come first
        said += text
        if found := re.search(r"http://\S+?:\d+", text):
            return Door(root, found[0], process, environ)
    raise AssertionError(said)


def ended(process: "subprocess.Popen[str]") -> int:
    process.send_signal(signal.SIGTERM)
    code = process.wait(60)  # more than it gives runs to end
    assert process.stderr is not None
    process.stderr.close()
    return code
