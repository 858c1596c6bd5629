import datetime
import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from atomic_agents.testing.servers import OpenAIServer, Reply
from atomic_agents.testing.shell import Shell, tree

VaultCopy = Callable[[str], Path]
MODEL = "openai:gpt-5-mini"


@pytest.fixture
def scout(shell: Shell) -> Path:
    assert shell("init", "scout", "--model", MODEL).code == 0
    return shell.root / "scout"


def with_server(shell: Shell, server: OpenAIServer) -> Shell:
    return Shell(shell.root, shell.home, {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "k"})


def log(agent: Path) -> list[dict[str, object]]:
    return [json.loads(line) for path in sorted(agent.glob("log/*/*.jsonl")) for line in path.read_text().splitlines()]


def test_without_a_key_the_ways_out_are_listed_and_nothing_is_written(scout: Path, shell: Shell) -> None:
    before = tree(shell.root, without=(".atomic",))

    done = shell("run", scout.name, "--work-item", "hello")

    assert (done.code, done.out) == (7, "")
    assert done.err.splitlines() == [
        f"error: {MODEL} needs a key; set ATOMIC_AGENTS_OPENAI_KEY or OPENAI_API_KEY",
        "  hint: atomic-agents secrets set openai",
        "  hint: export OPENAI_API_KEY=…",
        "  hint: --model embedded:quote  (needs nothing; quotes the vault)",
        "  hint: atomic-agents models list",
    ]
    assert tree(shell.root, without=(".atomic",)) == before


def test_the_answer_goes_to_stdout_and_the_rest_to_stderr(scout: Path, shell: Shell) -> None:
    with OpenAIServer("forty-two") as server:
        done = with_server(shell, server)("run", "scout", "--work-item", "the question")

    assert (done.code, done.out) == (0, "forty-two\n")
    assert done.err.startswith(f"scout: ok, {MODEL}, 1,200 tokens in, 3 out, $0.0003, ")
    (line,) = log(scout)
    assert (line["ending"], line["model"], line["trigger"]) == ("ok", "gpt-5-mini", "manual")


def test_json_says_the_same(scout: Path, shell: Shell) -> None:
    with OpenAIServer("forty-two") as server:
        done = with_server(shell, server)("run", "scout", "--work-item", "the question", "--json", "--trigger", "cron")

    value = done.value
    assert (value["status"], value["text"], value["input_tokens"]) == ("ok", "forty-two", 1200)
    assert (shell.root / value["transcript"]).exists()
    assert [line["run_id"] for line in log(scout)] == [value["run_id"]]


def test_a_work_item_comes_from_standard_input(scout: Path, shell: Shell) -> None:
    with OpenAIServer("yes") as server:
        done = with_server(shell, server)("run", "scout", "--work-item", "-", stdin="line one\nline two\n")

    assert done.code == 0
    assert server.requests[0]["messages"][-1]["content"] == "line one\nline two"
    assert log(scout)[0]["summary"]


def test_a_cap_that_could_be_passed_skips_before_anything_is_sent(scout: Path, shell: Shell) -> None:
    today = datetime.datetime.now().astimezone()
    spent = scout / f"log/{today:%Y-%m}/{today:%Y-%m-%d}.jsonl"
    spent.parent.mkdir(parents=True)
    spent.write_text(json.dumps({"ts": today.isoformat(), "cost_usd": 0.9999}) + "\n")

    with OpenAIServer("yes") as server:
        done = with_server(shell, server)("run", "scout", "--work-item", "hello")

    assert (done.code, done.out, server.requests) == (3, "", [])
    assert "--critical" in done.err
    assert [line.get("status") for line in log(scout)] == [None, "skipped"]


def test_a_run_may_be_given_a_cap_of_its_own(scout: Path, shell: Shell) -> None:
    with OpenAIServer("yes") as server:
        done = with_server(shell, server)("run", "scout", "--work-item", "hello", "--max-cost", "0.000001")

    assert (done.code, server.requests) == (3, [])
    assert len(log(scout)) == 1


def test_a_dry_run_sends_and_writes_nothing(scout: Path, shell: Shell) -> None:
    before = tree(scout)

    with OpenAIServer("yes") as server:
        done = with_server(shell, server)("run", "scout", "--work-item", "hello", "--dry-run", "--json")

    assert (done.code, server.requests, tree(scout)) == (0, [], before)
    assert done.value["work_item"] == "hello"
    assert 0 < done.value["most_usd"] < 1


@pytest.mark.parametrize("model", ["nobody-knows", "house:blend"])
def test_a_model_that_nobody_has_is_an_error(model: str, scout: Path, shell: Shell) -> None:
    before = tree(scout)

    done = shell("run", "scout", "--work-item", "hello", "--model", model)

    assert (done.code, done.out, tree(scout)) == (7, "", before)
    assert done.err.startswith("error: ")
    assert "  hint: atomic-agents models list\n" in done.err


def test_a_model_that_fails_leaves_one_log_line(scout: Path, shell: Shell) -> None:
    with OpenAIServer([Reply("no such model", status=404)]) as server:
        done = with_server(shell, server)("run", "scout", "--work-item", "hello")

    assert (done.code, done.out) == (7, "")
    assert done.err.startswith("error: ")
    assert [line["ending"] for line in log(scout)] == ["error"]


def test_an_agent_that_is_not_there_is_an_error_with_the_nearest(scout: Path, shell: Shell) -> None:
    done = shell("run", "scot", "--work-item", "hello")

    assert (done.code, done.err) == (1, "error: there is no agent scot\n  hint: did you mean scout\n")
    assert log(scout) == []


def test_a_missing_vault_is_not_made(shell: Shell) -> None:
    done = shell("run", "scout", "--work-item", "hello")

    assert done.code == 1
    assert done.err.startswith(f"error: there is no vault at {shell.root}\n")
    assert not shell.root.exists()


def test_wrong_settings_are_all_told_before_anything_is_sent(scout: Path, shell: Shell) -> None:
    (scout / "model.md").write_text(
        '---\nschema_version: 2\nmodel: embedded:quote\nmax_output_tokens: "2k"\ntemp: 1\n---\n'
    )
    before = tree(scout)

    done = shell("run", "scout", "--work-item", "hello")

    assert (done.code, done.out, tree(scout)) == (1, "", before)
    assert "error: scout/model.md:4: max_output_tokens is" in done.err
    assert "error: scout/model.md:5: temp is not a setting" in done.err


def test_an_old_vault_runs_with_a_warning(vault_copy: VaultCopy, shell: Shell) -> None:
    vault_copy("v1")

    done = shell("run", "orchard", "--work-item", "rootstocks", "--model", "embedded:quote")

    assert done.code == 0
    assert "warning: the vault is at v1; it runs, and atomic-agents migrate --to v2 brings it up to date\n" in done.err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_leaves_one_log_line(how: signal.Signals, scout: Path, shell: Shell) -> None:
    with OpenAIServer([Reply("a very long answer " * 50, pause=0.1)]) as server:
        process = with_server(shell, server).start("run", "scout", "--work-item", "hello")
        until = time.monotonic() + 30
        while not server.requests and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.5)  # so that a part of the answer is there
        process.send_signal(how)
        out, err = process.communicate(timeout=30)

    assert (process.returncode, "Traceback" in out + err) == (130, False)
    assert "error: stopped by you\n" in err
    assert [(line["ending"], line["trigger"]) for line in log(scout)] == [("interrupted", "manual")]
    assert list((shell.root / "_runs").glob("*")) == []
