import concurrent.futures
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from atomic_agents.core.model import ToolCall
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.servers import Json, OpenAIServer, Reply
from atomic_agents.testing.workspaces import add_agent

LETTER = ToolCall("c1", "send_letter", json.dumps({"to": "Ada"}))
TOOL = """---
name: send_letter
description: Send a letter.
classification: external_side_effect
write_paths: [{out}]
input_schema: {{type: object, properties: {{to: {{type: string}}}}, required: [to]}}
---
"""
CODE = """def handler(input):
    with open({out!r} + "/sent.txt", "a", encoding="utf-8") as file:
        file.write(input["to"] + "\\n")
    return "sent to " + input["to"]
"""


@dataclass
class Inbox:
    """A server over a vault whose agents want to send letters, and a token that may answer."""

    root: Path
    out: Path
    url: str
    token: Callable[..., str]
    admin: str

    def ask(self, agent: str, key: str = "") -> httpx2.Response:
        body = {"agent": agent, "work_item": "write to Ada"}
        headers = {"Idempotency-Key": key} if key else {}
        return httpx2.post(f"{self.url}/api/runs", json=body, headers=headers, timeout=30)

    def request(self, agent: str) -> Json:
        """Have an agent ask for a letter; what it asks."""
        before = self.asked(agent)
        assert self.ask(agent).status_code == 202
        (new,) = [each for name, each in self.asked(agent).items() if name not in before]
        return new

    def asked(self, agent: str) -> dict[str, Json]:
        """What an agent waits to be allowed, by id."""
        return {each["id"]: each for each in self.get("approvals").json()["approvals"] if each["agent"] == agent}

    def get(self, path: str, token: str = "") -> httpx2.Response:
        return httpx2.get(f"{self.url}/api/{path}", headers=self.headers(token), timeout=30)

    def answer(self, name: str, decision: str, token: str | None = None, **more: object) -> httpx2.Response:
        headers = self.headers(self.admin if token is None else token)
        body = {"decision": decision, **more}
        return httpx2.post(f"{self.url}/api/approvals/{name}", json=body, headers=headers, timeout=30)

    def headers(self, token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}"} if token else {}

    def outcome(self, answered: httpx2.Response) -> Json:
        """What became of the run that an answer let go on."""
        deadline = time.monotonic() + 20
        while True:
            found: Json = httpx2.get(self.url + answered.headers["location"], timeout=30).json()
            if found["status"] not in ("queued", "open") or time.monotonic() > deadline:
                return found
            time.sleep(0.02)

    def sent(self) -> list[str]:
        """The letters that were sent since it was asked last."""
        file = self.out / "sent.txt"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines


def say(body: Json) -> Reply:
    last = body["messages"][-1]
    if last["role"] != "tool":
        return Reply("I write to her.", calls=(LETTER,), finish="tool_calls")
    return Reply(f"heard: {last['content']}")


@pytest.fixture(scope="module", params=["1", "2"], ids=["threads", "processes"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inbox]:
    folder = tmp_path_factory.mktemp("answering")
    root, out = folder / "vault", folder / "out"
    root.mkdir()
    out.mkdir()
    for name in ("ada", "bo", "cy", "di"):
        add_agent(FolderStore(root), name, model="---\nschema_version: 2\nmodel: openai:gpt-5-mini\n---\n")
        (root / name / "tools").mkdir()
        (root / name / "tools/send_letter.md").write_text(TOOL.format(out=out))
        (root / name / "tools/send_letter.py").write_text(CODE.format(out=str(out)))
    line = [sys.executable, "-m", "atomic_agents", "serve"]
    with OpenAIServer(say) as model:
        environ = {**os.environ, "HOME": str(folder), "ATOMIC_AGENTS_ROOT": str(root), "NO_COLOR": "1"}
        environ |= {"OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "none"}

        def token(*options: str) -> str:
            made = subprocess.run(
                [*line, "token", "add", f"t{time.monotonic_ns()}", *options], env=environ, capture_output=True,
                text=True, check=True, timeout=30,
            )  # fmt: skip
            return made.stdout.split()[-1]

        started = [*line, "--port", "0", "--processes", request.param]
        with subprocess.Popen(started, env=environ, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            first = process.stderr.readline()
            found = re.search(r"http://\S+?:\d+", first)
            assert found, first
            yield Inbox(root, out, found[0], token, token("--verb", "admin"))
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)


@pytest.fixture
def inbox(house: Inbox) -> Inbox:
    house.sent()
    return house


def test_a_run_that_waits_is_202_and_an_approval_lets_it_go_on_at_once(inbox: Inbox) -> None:
    asked = inbox.request("ada")
    before = inbox.sent()
    answered = inbox.answer(asked["id"], "approved", note="second class will do")
    found = inbox.outcome(answered)

    assert (before, answered.status_code, inbox.sent()) == ([], 202, ["Ada"])
    assert (found["status"], found["run_id"]) == ("ok", answered.json()["run_id"])
    assert "sent to Ada" in found["text"]
    settled = inbox.get(f"approvals/{asked['id']}").json()
    assert (settled["waits"], settled["note"]) == (False, "second class will do")
    assert settled["by"].endswith(" over HTTP")
    assert inbox.get(f"runs/{asked['run_id']}").json()["resumed_by"] == found["run_id"]


def test_a_denial_sends_nothing_and_the_run_hears_why(inbox: Inbox) -> None:
    found = inbox.outcome(inbox.answer(inbox.request("ada")["id"], "denied", note="she has moved"))

    assert (found["status"], inbox.sent()) == ("ok", [])
    assert "she has moved" in found["text"]


def test_a_revision_is_sent_instead(inbox: Inbox) -> None:
    name = inbox.request("ada")["id"]
    without = inbox.answer(name, "revised")
    with_too_much = inbox.answer(name, "approved", arguments={"to": "Eve"})
    found = inbox.outcome(inbox.answer(name, "revised", arguments={"to": "Bea"}))

    assert (without.status_code, with_too_much.status_code) == (400, 400)
    assert (found["status"], inbox.sent()) == ("ok", ["Bea"])


def test_who_may_not_answer_is_refused_and_nothing_happens(inbox: Inbox) -> None:
    name = inbox.request("ada")["id"]
    elsewhere = inbox.token("--verb", "admin", "--agent", "bo")
    callers = ["", inbox.token(), inbox.token("--verb", "read"), inbox.token("--verb", "run", "--agent", "ada")]

    refused = [inbox.answer(name, "approved", caller).status_code for caller in callers]
    hidden = [inbox.answer(part, "approved", elsewhere) for part in (name, name[:-1], "proposal", "proposa1")]
    seen = inbox.get("approvals", elsewhere).json()["approvals"], inbox.get(f"approvals/{name}", elsewhere).status_code

    assert (refused, inbox.sent()) == ([403] * 4, [])
    assert [answer.status_code for answer in hidden] == [404] * 4
    assert not any(name in answer.text for answer in hidden[1:])
    assert ([each for each in seen[0] if each["agent"] != "bo"], seen[1]) == ([], 404)
    assert inbox.get(f"approvals/{name}").json()["state"] == "pending"
    inbox.outcome(inbox.answer(name, "denied"))


def test_a_part_of_a_name_answers_nothing(inbox: Inbox) -> None:
    name = inbox.request("ada")["id"]

    assert inbox.answer(name[:-1], "approved").status_code == 404
    assert (inbox.get(f"approvals/{name}").json()["state"], inbox.sent()) == ("pending", [])
    inbox.outcome(inbox.answer(name, "denied"))


def test_an_answer_that_comes_twice_lets_it_run_once(inbox: Inbox) -> None:
    name = inbox.request("bo")["id"]
    first = inbox.answer(name, "approved")
    again = inbox.answer(name, "approved")
    inbox.outcome(first)
    late = inbox.answer(name, "denied")

    assert (first.status_code, again.status_code, late.status_code) == (202, 409, 409)
    assert inbox.sent() == ["Ada"]


def test_of_many_operators_at_once_one_is_heard(inbox: Inbox) -> None:
    name = inbox.request("bo")["id"]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        decisions = ["approved", "denied"] * 4
        answers = list(pool.map(lambda decision: inbox.answer(name, decision), decisions))
    heard = [answer.status_code for answer in answers].index(202)
    found = inbox.outcome(answers[heard])

    assert sorted(answer.status_code for answer in answers) == [202, *[409] * 7]
    assert inbox.sent() == (["Ada"] if decisions[heard] == "approved" else [])
    assert found["status"] == "ok"
    assert inbox.get(f"approvals/{name}").json()["waits"] is False


def test_an_answer_that_comes_too_late_is_refused(inbox: Inbox) -> None:
    limit = "---\nschema_version: 2\nescalation:\n  auto_decide_after_seconds: 1\n---\n"
    (inbox.root / "di/judges.md").write_text(limit)
    asked = inbox.request("di")
    time.sleep(1.1)

    refused = inbox.answer(asked["id"], "approved")

    assert (refused.status_code, inbox.sent()) == (409, [])
    assert "expired" in refused.json()["error"]["message"]


def test_a_request_that_was_changed_since_lets_nothing_be_sent(inbox: Inbox) -> None:
    asked = inbox.request("cy")
    document = inbox.root / asked["path"]
    document.write_text(document.read_text().replace("Ada", "Eve"))

    refused = inbox.answer(asked["id"], "approved")

    assert (refused.status_code, inbox.sent()) == (409, [])
    assert "was changed, and only what was asked can be answered" in refused.json()["error"]["message"]
    wrong = inbox.answer(inbox.request("cy")["id"], "revised", arguments={"to": 5})
    assert (wrong.status_code, inbox.sent()) == (400, [])
    assert "5 is not of type 'string'" in wrong.json()["error"]["message"]


def test_the_key_of_a_run_that_waited_has_its_answer_afterwards(inbox: Inbox) -> None:
    first = inbox.ask("bo", "monday")
    (asked,) = [each for each in inbox.get("approvals").json()["approvals"] if each["agent"] == "bo"]
    waiting = inbox.ask("bo", "monday")
    inbox.outcome(inbox.answer(asked["id"], "approved"))
    after = inbox.ask("bo", "monday")

    assert (first.status_code, waiting.status_code, after.status_code) == (202, 202, 200)
    assert "sent to Ada" in after.json()["text"]
    assert inbox.sent() == ["Ada"]
