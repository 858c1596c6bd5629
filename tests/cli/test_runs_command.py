import json
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from atomic_agents.testing.servers import OpenAIServer, Reply
from atomic_agents.testing.shell import Done, Shell

OTHERS = "run-20260517-100000-000000-0badcafe"


@pytest.fixture
def scout(shell: Shell) -> Path:
    assert shell("init", "scout", "--model", "openai:gpt-5-mini").code == 0
    return shell.root / "scout"


def ask(shell: Shell, *more: str, says: str = "forty-two", environ: Mapping[str, str] | None = None) -> Done:
    with OpenAIServer([Reply(says)]) as server:
        known = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "k", **(environ or {})}
        return Shell(shell.root, shell.home, known)("run", "scout", "--work-item", "the question", *more)


def by_others(scout: Path) -> None:
    """A run of an implementation that keeps no transcripts."""
    day = scout / "log/2026-05/2026-05-17.jsonl"
    day.parent.mkdir(parents=True)
    line = {"ts": "2026-05-17T10:00:00+00:00", "run_id": OTHERS, "status": "ok", "summary": "older", "cost_usd": 0.25}
    day.write_text(json.dumps(line) + "\n")


def test_a_run_is_listed_and_shown(scout: Path, shell: Shell) -> None:
    by_others(scout)
    ran = ask(shell, "--json").value

    listed, shown = shell("runs", "list").out, shell("runs", "show", "last").out

    assert [row.split()[0] for row in listed.splitlines()] == ["run", ran["run_id"], OTHERS]
    assert shown.startswith(f"{ran['run_id']} scout, ok\nended        ")
    for part in (
        "asked        the question",
        "answer       $0.0003, 1200 tokens in, 3 out, stop",
        "said         forty-two",
    ):
        assert part in shown
    value = shell("runs", "show", ran["run_id"][4:20], "--json").value
    assert (value["run_id"], value["text"], value["transcript"]) == (ran["run_id"], "forty-two", ran["transcript"])
    assert [event["event"] for event in value["events"]] == ["started", "asking", "answered", "closed"]


def test_what_it_said_on_a_day(scout: Path, shell: Shell) -> None:
    by_others(scout)
    ask(shell)

    today, older = shell("runs", "show", "scout", "--at", "today"), shell("runs", "show", "scout", "--at", "2026-05-17")

    assert "forty-two" in today.out
    assert "there is no transcript of this run; this is all its log line says" in older.out
    (value,) = shell("runs", "show", "scout", "--at", "2026-05-17", "--json").value
    assert (value["transcript"], value["log"]["cost_usd"]) == (None, 0.25)


def test_a_list_can_be_narrowed(scout: Path, shell: Shell) -> None:
    by_others(scout)
    ran = ask(shell, "--json").value

    def ids(*more: str) -> list[str]:
        return [run["run_id"] for run in shell("runs", "list", *more, "--json").value["runs"]]

    assert ids("--since", "yesterday") == ids("--limit", "1") == [ran["run_id"]]
    assert ids("--status", "error") == []
    assert shell("runs", "list", "scout", "--limit", "1", "--json").value["more"] is True


@pytest.mark.usefixtures("scout")
def test_an_edited_transcript_is_found(shell: Shell) -> None:
    ran = ask(shell, "--json").value
    sound = shell("runs", "verify")
    transcript = shell.root / ran["transcript"]
    transcript.write_text(transcript.read_text().replace("forty-two", "forty-one"))

    broken, value = shell("runs", "verify", ran["run_id"]), shell("runs", "verify", "--json")

    assert (sound.code, sound.out) == (0, "1 transcript: 1 sound\n")
    assert (broken.code, broken.out) == (1, f"{ran['run_id']} scout: broken\n1 transcript: 1 broken\n")
    assert f"error: {ran['transcript']}:3: was edited\n" in broken.err
    assert (value.code, value.value["counts"]) == (1, {"broken": 1})


def test_a_secret_of_the_environment_is_in_no_record(scout: Path, shell: Shell) -> None:
    ask(shell, says="the password is open sesame", environ={"HOUSE_PASSWORD": "open sesame"})

    record = [path.read_text() for path in (*scout.glob("runs/*/*"), *scout.glob("log/*/*"))]

    assert len(record) == 2
    assert [("sesame" in text) for text in record] == [False, False]
    assert "[redacted]" in record[0]


@pytest.mark.usefixtures("scout")
def test_the_same_key_gives_the_stored_answer(shell: Shell) -> None:
    first = ask(shell, "--idempotency-key", "daily", "--json").value

    again, value = (shell("run", "scout", "--work-item", "the question", "--idempotency-key", "daily", *more)
                    for more in ([], ["--json"]))  # fmt: skip
    other = shell("run", "scout", "--work-item", "another", "--idempotency-key", "daily")

    assert (again.code, again.out) == (0, "forty-two\n")
    assert "warning: the key daily was answered at " in again.err
    assert (value.value["replayed"], value.value["run_id"], value.value["cost_usd"]) == (True, first["run_id"], 0)
    assert (other.code, other.out) == (2, "")
    assert other.err.startswith("error: the idempotency key daily has answered another work item or model\n  hint: ")


@pytest.mark.usefixtures("scout")
def test_the_tail_is_bounded_and_follows_when_asked(shell: Shell) -> None:
    assert shell("runs", "tail").err == "nothing has run yet\n"
    ask(shell)
    last = shell("runs", "tail", "--limit", "2").out.splitlines()
    following = shell.start("runs", "tail", "scout", "--follow", "--limit", "1", "--json")
    assert following.stdout is not None
    read = [json.loads(following.stdout.readline())]

    ask(shell)
    until = time.monotonic() + 30
    while len(read) < 5 and time.monotonic() < until:
        read.append(json.loads(following.stdout.readline()))
    following.terminate()
    following.communicate(timeout=30)

    assert [line.split(maxsplit=4)[3] for line in last] == ["answer:", "ended:"]
    assert [event["event"] for event in read] == ["closed", "started", "asking", "answered", "closed"]
    assert following.returncode == 130


@pytest.mark.usefixtures("scout")
def test_a_key_holds_for_a_turn_of_a_conversation_too(shell: Shell) -> None:
    first = ask(shell, "--idempotency-key", "turn", "--conversation", "new", "--json").value

    again = ask(shell, "--idempotency-key", "turn", "--conversation", "new", "--json").value
    other = ask(shell, "--idempotency-key", "turn", "--conversation", "plans")

    assert (again["replayed"], again["run_id"], other.code) == (True, first["run_id"], 2)
    assert len(shell("conversations", "list", "--json").value["conversations"]) == 1


@pytest.mark.usefixtures("scout")
def test_many_callers_with_one_key_ask_once(shell: Shell) -> None:
    command = ("run", "scout", "--work-item", "the question", "--idempotency-key", "many", "--json")
    with OpenAIServer("forty-two") as server:
        known = Shell(shell.root, shell.home, {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "k"})
        callers = [known.start(*command) for _ in range(4)]
        answers = [json.loads(caller.communicate(timeout=60)[0]) for caller in callers]

    assert len(server.requests) == 1
    assert {answer["text"] for answer in answers} == {"forty-two"}
    assert sorted(answer["replayed"] for answer in answers) == [False, True, True, True]
    assert len({answer["run_id"] for answer in answers}) == 1
