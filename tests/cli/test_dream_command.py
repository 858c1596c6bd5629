import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from atomic_agents.testing.servers import OpenAIServer, Reply
from atomic_agents.testing.shell import Shell

MODEL = "openai:gpt-5-mini"
DECISIONS = {
    "decisions": [
        {"kind": "merge", "files": ["user_tea.md", "user_scones.md"], "into": "user_tea.md", "name": "Tea",
         "description": "tea and scones", "body": "Tea at 4, with scones for £3.", "reason": "one tea"},
        {"kind": "stale", "file": "user_plan.md", "reason": "it was for March"},
    ]
}  # fmt: skip


def note(name: str, body: str) -> str:
    head = f"schema_version: 2\nname: {name}\ndescription: h\ntype: user"
    dates = "captured: '2026-03-01'\nlast_seen: '2026-03-01'"
    rest = "sources: [operator]\nconfidence: high\nprovenance: operator"
    return f"---\n{head}\n{dates}\n{rest}\n---\n\n{body}\n"


@pytest.fixture
def scout(shell: Shell) -> Path:
    assert shell("init", "scout", "--model", MODEL).code == 0
    agent = shell.root / "scout"
    for name, body in (("Tea", "Tea at 4."), ("Scones", "With tea, £3."), ("Plan", "March.")):
        (agent / "memory" / f"user_{name.lower()}.md").write_text(note(name, body))
    return agent


@pytest.fixture
def online(scout: Path, shell: Shell) -> Iterator[Shell]:
    assert scout.is_dir()
    with OpenAIServer([Reply(json.dumps(DECISIONS))]) as server:
        yield Shell(shell.root, shell.home, {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "k"})


def test_a_dream_from_its_price_to_its_way_back(online: Shell, scout: Path) -> None:
    plan = online("dream", "scout", "--plan")
    had = online("dream", "scout")
    reviewed = online("dream", "review", "scout", "--accept", "1", "--reject", "2")
    applied = online("dream", "apply", "scout")
    listed = online("dream", "list", "scout", "--json").value
    reverted = online("dream", "revert", "scout")

    assert plan.out.startswith("3 notes and 0 days of the journal in 1 part, whole\n")
    assert "openai:gpt-5-mini; at most $0.0" in plan.out
    assert ": completed, 2 hunks (2 open), $0.0005\n" in had.out
    assert ": completed, 2 hunks (1 accepted, 1 rejected), $0.0005\n" in reviewed.out
    assert applied.out.endswith(": 1 hunk applied, 0 refused\n")
    assert [(one["applied"], one["rejected"]) for one in listed["dreams"]] == [(1, 1)]
    assert reverted.out.endswith(": 1 hunk taken back, 0 refused\n")
    assert (scout / "memory" / "user_tea.md").read_text() == note("Tea", "Tea at 4.")
    assert [done.code for done in (plan, had, reviewed, applied, reverted)] == [0] * 5


def test_the_hunks_are_shown_as_a_diff_and_in_full(online: Shell) -> None:
    online("dream", "scout")

    shown = online("dream", "show", "scout")
    full = online("dream", "show", "scout", "--full")

    assert "1. merge user_tea.md, user_scones.md  (open)\n  one tea\n--- scout/memory/user_tea.md\n" in shown.out
    assert "-Tea at 4.\n+Tea at 4, with scones for £3.\n" in shown.out
    assert f"=== user_tea.md, before\n{note('Tea', 'Tea at 4.')}" in full.out


def test_the_json_is_the_same_value(online: Shell) -> None:
    had = online("dream", "start", "scout", "--json").value
    shown = online("dream", "show", "scout", had["id"], "--json").value

    assert shown["hunks"] == had["hunks"]
    assert [change["file"] for change in had["hunks"][0]["changes"]] == ["user_tea.md", "user_scones.md"]
    assert (had["open"], len(had["runs"])) == (2, 1)


def test_a_refused_hunk_is_said_and_the_exit_says_so(online: Shell, scout: Path) -> None:
    online("dream", "scout")
    online("dream", "review", "scout", "--accept", "1")
    (scout / "memory" / "user_tea.md").write_text(note("Tea", "Tea at 5."))

    done = online("dream", "apply", "scout")

    assert (done.code, done.out.partition(": ")[2]) == (5, "0 hunks applied, 1 refused\n")
    assert "hunk 1 is refused: user_tea.md has changed since" in done.err


def test_nobody_is_asked_without_a_terminal(online: Shell) -> None:
    online("dream", "scout")

    review = online("dream", "review", "scout")
    discard = online("dream", "discard", "scout", "drm_")
    both = online("dream", "review", "scout", "--accept", "1,2", "--reject", "2")
    none = online("dream", "review", "scout", "--accept", "9")

    assert [done.code for done in (review, discard, both, none)] == [2, 2, 2, 2]
    assert "--accept 1 --reject 2" in review.err
    assert "--yes" in discard.err
    assert "hunk 2 is both accepted and rejected" in both.err
    assert "it has 1 to 2" in none.err
    assert online("dream", "discard", "scout", "drm_", "--yes").out == "deleted 2 documents\n"


def test_a_word_that_is_no_verb_and_no_agent_is_said(online: Shell) -> None:
    assert "no such command 'lst'" in online("dream", "lst", "scout").err.lower()
    assert "there is no agent scot" in online("dream", "scot", "--plan").err


def test_an_agent_whose_model_only_quotes_is_told_what_it_needs(online: Shell) -> None:
    done = online("dream", "scout", "--model", "embedded:quote")

    assert (done.code, done.err.splitlines()[0]) == (
        7, "error: a dream needs a model that writes, and embedded:quote only quotes",
    )  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals")
def test_in_a_terminal_each_hunk_is_a_question(online: Shell) -> None:
    import pty

    online("dream", "scout")
    master, slave = pty.openpty()
    environ = {**os.environ, "HOME": str(online.home), "ATOMIC_AGENTS_ROOT": str(online.root), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "atomic_agents", "dream", "review", "scout"]
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environ, cwd=online.home)
    os.close(slave)
    heard = _until(master, "stop (q): ")
    os.write(master, b"y\n")
    heard += _until(master, "stop (q): ")
    os.write(master, b"n\n")
    heard += _until(master, "1 rejected")
    process.wait(timeout=30)
    os.close(master)

    assert heard.count("accept (y), reject (n), later (l), stop (q): ") == 2
    assert [hunk["state"] for hunk in online("dream", "show", "scout", "--json").value["hunks"]] == [
        "accepted",
        "rejected",
    ]


def _until(master: int, wanted: str) -> str:
    heard, end = "", time.monotonic() + 30
    while wanted not in heard:
        assert time.monotonic() < end, heard
        if select.select([master], [], [], 1)[0]:
            heard += os.read(master, 4096).decode(errors="replace")
    return heard
