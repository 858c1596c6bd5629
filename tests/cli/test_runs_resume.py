import threading
from typing import Any

import pytest

from atomic_agents.core.model import ToolCall
from atomic_agents.testing.servers import OpenAIServer, Reply
from atomic_agents.testing.shell import Shell

LOOKING = Reply("Let me look.", calls=(ToolCall("c1", "recall", '{"query": "glue"}'),), finish="tool_calls")


@pytest.fixture
def scout(shell: Shell) -> None:
    assert shell("init", "scout", "--model", "openai:gpt-5-mini").code == 0


class Cut:
    """A server that answers the first question and holds the second until `goes_on`."""

    def __init__(self) -> None:
        self.holds, self.goes_on = threading.Event(), threading.Event()
        self.server = OpenAIServer(self._reply)

    def _reply(self, body: dict[str, Any]) -> Reply:
        if not any(message["role"] == "assistant" for message in body["messages"]):
            return LOOKING
        if not self.goes_on.is_set():
            self.holds.set()
            self.goes_on.wait(60)
        return Reply("forty-two")


@pytest.mark.usefixtures("scout")
def test_a_killed_run_is_finished_and_only_asked_what_was_not_answered(shell: Shell) -> None:
    cut = Cut()
    with cut.server as server:
        known = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "k"}
        living = Shell(shell.root, shell.home, known)
        killed = living.start("run", "scout", "--work-item", "go")
        assert cut.holds.wait(60)
        killed.kill()
        killed.communicate(timeout=60)
        cut.goes_on.set()

        done = living("runs", "resume", "--last", "--json")
        again = living("runs", "resume", done.value["resumed_from"])
        shown = living("runs", "show", done.value["run_id"], "--json").value
        listed = living("runs", "list", "--json").value["runs"]

    assert (done.code, done.value["text"], len(server.requests)) == (0, "Let me look.\n\nforty-two", 3)
    assert [line["status"] for line in listed] == ["ok", "crashed"]
    assert shown["log"]["resumed_from"] == done.value["resumed_from"] == listed[1]["run_id"]
    assert [event["event"] for event in shown["events"]] == ["started", "asking", "answered", "closed"]
    assert (again.code, "has finished" in again.err) == (1, True)
    assert living("runs", "verify").code == 0


@pytest.mark.usefixtures("scout")
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "name a run, or say --last"),
        (("last", "--last"), 2, "name a run, or say --last"),
        (("--last",), 1, "no run is cut off"),
        (("0badcafe",), 1, "there is no run 0badcafe"),
    ],
)
def test_what_cannot_be_meant_is_refused(shell: Shell, arguments: tuple[str, ...], code: int, words: str) -> None:
    done = shell("runs", "resume", *arguments)

    assert (done.code, words in done.err) == (code, True)
