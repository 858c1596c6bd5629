import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from atomic_agents.core.model import ToolCall
from atomic_agents.testing.servers import Json, OpenAIServer, Reply
from atomic_agents.testing.shell import Shell

MODEL = "openai:gpt-5-mini"
NOTE = {
    "type": "user", "name": "Tea", "description": "green", "confidence": "high", "sources": ["operator"],
    "body": "Green tea.",
}  # fmt: skip


@pytest.fixture
def scout(shell: Shell) -> Path:
    assert shell("init", "scout", "--model", MODEL).code == 0
    return shell.root / "scout"


def with_server(shell: Shell, server: OpenAIServer) -> Shell:
    return Shell(shell.root, shell.home, {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "k"})


def log(agent: Path) -> list[dict[str, object]]:
    return [json.loads(line) for path in sorted(agent.glob("log/*/*.jsonl")) for line in path.read_text().splitlines()]


def counting(body: Json) -> Reply:
    users = sum(message["role"] == "user" for message in body["messages"])
    return Reply(f"answer {users}")


def remembering(body: Json) -> Reply:
    if body["messages"][-1]["role"] == "tool":
        return Reply("Noted.")
    if "tea" in body["messages"][-1]["content"]:
        return Reply(calls=(ToolCall("c1", "remember", json.dumps(NOTE)),), finish="tool_calls")
    return Reply("Fine.")


def test_turns_come_one_a_line_without_a_terminal(scout: Path, shell: Shell) -> None:
    with OpenAIServer(counting) as server:
        done = with_server(shell, server)("chat", "scout", "--conversation", "k", stdin="one\n\ntwo\n")

    assert (done.code, done.out) == (0, "answer 1\nanswer 2\n")
    assert [line["ending"] for line in log(scout)] == ["ok", "ok"]
    assert (scout / "conversations" / "k.md").read_text().count(" — asked\n") == 2
    assert done.err.endswith("  hint: atomic-agents chat scout --conversation k\n")


@pytest.mark.usefixtures("scout")
def test_a_question_is_answered_by_the_next_line_and_left_by_an_empty_one(shell: Shell) -> None:
    def asking(body: Json) -> Reply:
        last = body["messages"][-1]
        if last["role"] == "tool":
            return Reply(f"So {last['content']}.")
        asked = json.dumps({"question": "Which day?", "choices": ["Monday", "Friday"]})
        return Reply(calls=(ToolCall("c1", "ask_operator", asked),), finish="tool_calls")

    with OpenAIServer(asking) as server:
        there = with_server(shell, server)
        answered, left = there("chat", "scout", stdin="when?\n2\n"), there("chat", "scout", stdin="when?\n\n")

    assert (answered.code, answered.out) == (0, "So the operator answers: Friday.\n")
    assert "  Which day?\n  1. Monday\n  2. Friday\n" in answered.err
    assert (left.code, left.out) == (4, "")


@pytest.mark.usefixtures("scout")
def test_a_turn_may_have_several_lines(shell: Shell) -> None:
    typed = 'one \\\ntwo\n"""\nthree\n\n/help\n"""\n'

    with OpenAIServer("yes") as server:
        done = with_server(shell, server)("chat", "scout", stdin=typed)

    assert done.out == "yes\nyes\n"
    assert [body["messages"][-1]["content"] for body in server.requests] == ["one \ntwo", "three\n\n/help"]


@pytest.mark.usefixtures("scout")
def test_chat_and_run_go_on_with_the_same_conversation(shell: Shell) -> None:
    with OpenAIServer(counting) as server:
        there = with_server(shell, server)
        there("chat", "scout", "--conversation", "k", stdin="one\n")
        done = there("run", "scout", "--work-item", "two", "--conversation", "K", "--json")

    assert (done.value["text"], done.value["conversation"]) == ("answer 2", "k")


def test_a_new_conversation_says_what_it_is_called(scout: Path, shell: Shell) -> None:
    with OpenAIServer("yes") as server:
        done = with_server(shell, server)("run", "scout", "--work-item", "hi", "--conversation", "new")

    (file,) = (scout / "conversations").glob("*.md")
    assert f"conversation {file.stem}\n" in done.err


def test_undo_takes_back_turn_after_turn_with_what_was_remembered(scout: Path, shell: Shell) -> None:
    typed = "hello\nI drink tea\n/memory\n/undo\n/memory\n/undo\n/undo\n"

    with OpenAIServer(remembering) as server:
        done = with_server(shell, server)("chat", "scout", "--conversation", "k", stdin=typed)

    assert "remembered as user_tea.md\nscout/memory/user_tea.md\ntaken back: " in done.err
    assert "nothing of this conversation was remembered as a note\ntaken back: scout/conversations/k.md" in done.err
    assert "error: there is nothing to take back\n" in done.err
    assert not (scout / "conversations" / "k.md").exists()
    assert not (scout / "memory" / "user_tea.md").exists()
    assert len(log(scout)) == 2
    assert done.code == 2


@pytest.mark.parametrize("edited", [False, True])
def test_undo_takes_back_the_files_of_a_turn_and_names_what_stays(scout: Path, shell: Shell, *, edited: bool) -> None:
    (scout / "tools.md").write_text("---\nschema_version: 2\nwrite_paths: [memory/, out/]\n---\n")
    (scout / "tools").mkdir(exist_ok=True)
    (scout / "tools" / "bell.md").write_text("---\ndescription: Ring.\nclassification: reversible_write\n---\n")
    (scout / "tools" / "bell.py").write_text("def handler(input): return 'rung'\n")

    def writing(body: Json) -> Reply:
        if body["messages"][-1]["role"] != "tool":
            wrote = {"path": "out/x.md", "text": "one\n"}, {"path": "out/x.md", "old": "one", "new": "two"}
            calls = [
                ToolCall("c1", "write_file", json.dumps(wrote[0])),
                ToolCall("c2", "edit_file", json.dumps(wrote[1])),
            ]
            return Reply(calls=(*calls, ToolCall("c3", "bell", "{}")), finish="tool_calls")
        if edited:
            (scout / "out" / "x.md").write_text("mine\n")
        return Reply("Done.")

    with OpenAIServer(writing) as server:
        done = with_server(shell, server)("chat", "scout", "--conversation", "k", stdin="write\n/undo\n")

    if edited:
        assert "error: the turn stays: " in done.err
        assert (scout / "out" / "x.md").read_text() == "mine\n"
        return
    assert "taken back: scout/conversations/k.md, scout/out/x.md; what it cost stays in the log\n" in done.err
    assert "warning: what bell did cannot be taken back here\n" in done.err
    assert not (scout / "out" / "x.md").exists()
    assert not (scout / "conversations" / "k.md").exists()


@pytest.mark.parametrize("edited", [False, True])
def test_undo_takes_back_notes_that_were_written_as_files_and_those_that_were_remembered(
    scout: Path, shell: Shell, *, edited: bool
) -> None:
    (scout / "tools.md").write_text("---\nschema_version: 2\nwrite_paths: [memory/]\n---\n")
    shell("memory", "add", "scout", "Oak is hard.", "--name", "Oak", "--type", "reference")
    before = {path.name: path.read_bytes() for path in (scout / "memory").glob("*.md")}
    ash = "---\nname: Ash\ndescription: d\ntype: reference\n---\n\nAsh is light.\n"
    fir = {
        "type": "reference",
        "name": "Fir",
        "description": "d",
        "confidence": "low",
        "sources": ["x"],
        "body": "Fir.",
    }

    def writing(body: Json) -> Reply:
        if body["messages"][-1]["role"] == "tool":
            if edited:
                (scout / "memory" / "reference_ash.md").write_text(f"{ash}Mine.\n")
            return Reply("Done.")
        calls = (
            ToolCall("c1", "write_file", json.dumps({"path": "memory/reference_ash.md", "text": ash})),
            ToolCall("c2", "remember", json.dumps(fir)),
            ToolCall("c3", "edit_file", json.dumps({"path": "memory/reference_ash.md", "old": "light", "new": "pale"})),
        )
        return Reply(calls=calls, finish="tool_calls")

    with OpenAIServer(writing) as server:
        done = with_server(shell, server)("chat", "scout", "--conversation", "k", stdin="write\n/undo\n")

    left = {path.name: path.read_bytes() for path in (scout / "memory").glob("*.md")}
    assert done.err.count("taken back: ") == 1, done.err
    if edited:
        assert "warning: what write_file did cannot be taken back here\n" in done.err
        assert (b"Mine." in left["reference_ash.md"], "reference_fir.md" in left) == (True, False)
        return
    assert left == before


@pytest.mark.usefixtures("scout")
def test_cost_help_and_what_is_no_command(shell: Shell) -> None:
    with OpenAIServer("yes") as server:
        there = with_server(shell, server)
        done = there("chat", "scout", stdin="hi\n/cost\n/help\n/nothing\n/etc/hosts is what?\n/quit\nnever\n")

    assert re.search(
        r"^this chat \$0\.\d{4} in 1 turn\nthe conversation \$0\.\d{4} in 1 turn, ", done.err, re.MULTILINE
    )
    assert "/undo     take the last turn back" in done.err
    assert "there is no /nothing; /help says what there is\n" in done.err
    assert [body["messages"][-1]["content"] for body in server.requests] == ["hi", "/etc/hosts is what?"]


def test_a_failed_turn_is_told_and_the_next_one_is_answered(scout: Path, shell: Shell) -> None:
    with OpenAIServer([Reply("no such model", status=404), Reply("yes")]) as server:
        done = with_server(shell, server)("chat", "scout", "--conversation", "k", stdin="one\ntwo\n")

    assert (done.code, done.out) == (7, "yes\n")
    assert [line["ending"] for line in log(scout)] == ["error", "ok"]
    assert (scout / "conversations" / "k.md").read_text().count(" — asked\n") == 1


def test_without_a_key_it_does_not_begin(scout: Path, shell: Shell) -> None:
    done = shell("chat", "scout", stdin="hello\n")

    assert (done.code, done.out) == (7, "")
    assert not (scout / "conversations").exists()


def test_the_embedded_model_answers_without_a_key(scout: Path, shell: Shell) -> None:
    done = shell(
        "chat", "scout", "--model", "embedded:quote", stdin="remember: the shed key is under the pot\n/memory\n"
    )

    assert done.code == 0
    (note,) = [path for path in (scout / "memory").glob("user_*.md") if "shed" in path.read_text()]
    assert f"scout/memory/{note.name}\n" in done.err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_a_polite_kill_ends_the_chat_and_keeps_what_was_said(scout: Path, shell: Shell) -> None:
    with OpenAIServer([Reply("a very long answer " * 50, pause=0.1)]) as server:
        process = with_server(shell, server).start("chat", "scout", "--conversation", "k")
        assert process.stdin is not None
        process.stdin.write("hello\n")
        process.stdin.flush()
        until = time.monotonic() + 30
        while not server.requests and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)

    assert (process.returncode, "Traceback" in out + err) == (130, False)
    assert " — answered, interrupted\n" in (scout / "conversations" / "k.md").read_text()


def test_what_several_processes_say_at_once_is_all_in_the_conversation(scout: Path, shell: Shell) -> None:
    line = ("--model", "embedded:quote", "--conversation", "k")
    said = [f"remember: number {number} is taken" for number in range(4)]

    processes = [shell.start("run", "scout", "--work-item", text, *line) for text in said]
    codes = [process.wait(timeout=60) for process in processes]
    for process in processes:
        process.communicate()

    assert codes == [0] * 4
    turns = shell("conversations", "show", "scout", "k", "--json").value["turns"]
    assert sorted(turn["asked"] for turn in turns) == said
    assert len(list((scout / "memory").glob("user_number_*.md"))) == 4


class Terminal:
    """A chat in a real terminal."""

    def __init__(self, shell: Shell, *arguments: str) -> None:
        import pty

        self.master, slave = pty.openpty()
        environ = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        environ |= {"HOME": str(shell.home), "ATOMIC_AGENTS_ROOT": str(shell.root), "TERM": "dumb", **shell.environ}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "atomic_agents", *arguments], stdin=slave, stdout=slave, stderr=slave, env=environ,
            cwd=shell.home, start_new_session=True, preexec_fn=_own_terminal,  # noqa: PLW1509 - no threads here yet
        )  # fmt: skip
        os.close(slave)
        self.shown = ""
        self.seen = 0

    def until(self, text: str) -> str:
        """What was shown since the last call, up to `text`."""
        assert self.comes(text, 30), self.shown
        before, self.seen = self.seen, self.shown.index(text, self.seen) + len(text)
        return self.shown[before : self.seen]

    def comes(self, text: str, seconds: float) -> bool:
        """Whether `text` is shown in time."""
        end = time.monotonic() + seconds
        while text not in self.shown[self.seen :]:
            ready, _, _ = select.select([self.master], [], [], max(end - time.monotonic(), 0))
            if not ready:
                return False
            try:
                data = os.read(self.master, 4096)
            except OSError:
                return False
            self.shown += data.decode(errors="replace")
        return True

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())


def _own_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def slow() -> Iterator[OpenAIServer]:
    def reply(body: Json) -> Reply:
        slow = "long" in body["messages"][-1]["content"]
        return Reply("Once upon a time " * 50, pause=0.05) if slow else Reply(f"answer {len(body['messages'])}")

    with OpenAIServer(reply) as server:
        yield server


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals")
def test_in_a_terminal_ctrl_c_stops_the_answer_and_ctrl_d_ends(scout: Path, shell: Shell, slow: OpenAIServer) -> None:
    terminal = Terminal(with_server(shell, slow), "chat", "scout", "--conversation", "k")
    try:
        assert "/help, Ctrl-D ends" in terminal.until("> ")
        terminal.type("a long story\n")
        terminal.until("Once upon a time Once")
        terminal.type("\x03")
        terminal.until("stopped; what was said so far is kept")
        terminal.until("> ")
        # A signal that comes while the line editor starts waits for the next key, as in any Python program.
        for _ in range(20):
            terminal.type("\x03")
            if terminal.comes("/quit or Ctrl-D ends", 1):
                break
        terminal.until("/quit or Ctrl-D ends")
        terminal.until("> ")
        terminal.type("again\n")
        terminal.until("answer 4")  # the prompt, the story, what was said of it, again
        terminal.until("> ")
        terminal.type("\x04")
        terminal.until("--conversation k")
        code = terminal.process.wait(timeout=30)
    finally:
        terminal.process.kill()
        terminal.process.wait()
        os.close(terminal.master)

    assert (code, "Traceback" in terminal.shown) == (0, False)
    assert [line["ending"] for line in log(scout)] == ["interrupted", "ok"]
    text = (scout / "conversations" / "k.md").read_text()
    assert "Once upon a time Once" in text
    assert text.count(" — answered, interrupted\n") == 1
