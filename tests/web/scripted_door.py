"""`python scripted_door.py DOOR AUTH`: a door over the vault, whose models do what the work item says, in one word.

DOOR is serve, dashboard or mcp; AUTH is yes or no. Where it listens is written to standard error.
"""

import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from atomic_agents import config
from atomic_agents.bootstrap import open_workspace
from atomic_agents.core.errors import ProviderFailed
from atomic_agents.core.model import Answer, Offer, Request, ToolCall
from atomic_agents.mcp_server import http as mcp_http
from atomic_agents.operations.workspace import Workspace
from atomic_agents.testing.scripted import ScriptedModel
from atomic_agents.web import app
from atomic_agents.web.dashboard.live import live_of

DECLINED = "I can not help with that."
_RECALL = ToolCall("c1", "recall", '{"query": "tea"}')
_ANSWERS: Mapping[str, Answer] = {
    "truncated": Answer("half of the ans", finish="length"),
    "cut-at-nothing": Answer("", finish="length"),
    "filtered": Answer("half", finish="refused"),
    "declined": Answer("", refusal=DECLINED),
    "half-declined": Answer("Well, ", refusal=DECLINED),
    "empty": Answer(""),
    "thought": Answer("", reasoning="hm"),
    "exhausted": Answer("", (_RECALL,), finish="tool_calls"),
}


def _say(request: Request) -> Answer:
    word = re.findall(r"[\w.-]+", request.messages[-1].text)[-1] if request.messages else ""
    asked = next((m.text for m in reversed(request.messages) if m.role == "user" and m.text in _ANSWERS), word)
    if found := re.fullmatch(r"status-(\d+)-wait-([\d.]+|none)", word):
        context: dict[str, object] = {"status": int(found[1]), "retryable": False, "billable": False}
        if found[2] != "none":
            context["retry_after"] = float(found[2])
        raise ProviderFailed(f"scripted:model answered {found[1]}: its own words", context=context)
    if found := re.fullmatch(r"sleep-([\d.]+)", word):
        time.sleep(float(found[1]))
    return _ANSWERS.get(asked, Answer("hello from the agent"))


class _Provider:
    name = "scripted"

    def claims(self, _model_id: str) -> bool:
        return True

    def check(self, model_id: str) -> Offer:
        return Offer(model_id, "ready", "")

    def open(self, model_id: str) -> ScriptedModel:
        return ScriptedModel(_say, model_id=model_id)

    def offers(self) -> Sequence[Offer]:
        return ()


def _open() -> Workspace:
    workspace = open_workspace(config.load(None))
    workspace.make_providers = lambda _search: (_Provider(),)
    return workspace


if __name__ == "__main__":
    settings = app.Settings("", sys.argv[2] == "yes", ("127.0.0.1",))
    listening = app.bound("127.0.0.1", 0)
    sys.stderr.write(f"http://127.0.0.1:{listening.getsockname()[1]}\n")
    sys.stderr.flush()
    doors: Mapping[str, Callable[[], int]] = {
        "serve": lambda: app.serve(_open, settings, listening),
        "dashboard": lambda: app.serve(_open, settings, listening, live_of),
        "mcp": lambda: mcp_http.serve(_open, settings, ("run", "read"), listening),
    }
    sys.exit(doors[sys.argv[1]]())
