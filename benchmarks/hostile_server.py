"""`python hostile_server.py PORT SECONDS`: serves a vault whose agents fetch the page that they are asked for.

The model is scripted; names of the web lead to this machine, which counts as public here.
"""

import functools
import json
import sys
from collections.abc import Sequence

from atomic_agents import config
from atomic_agents.bootstrap import open_workspace
from atomic_agents.core.model import Answer, Offer, Request, ToolCall
from atomic_agents.operations.workspace import Workspace
from atomic_agents.testing.scripted import ScriptedModel
from atomic_agents.tools import web
from atomic_agents.web import app
from atomic_agents.web.limits import Limits

SHOWN = 200


class _Fetching:
    """Whatever a model is called, it fetches the URL that it is given, and says how what came begins."""

    name = "scripted"

    def claims(self, _model_id: str) -> bool:
        return True

    def check(self, model_id: str) -> Offer:
        return Offer(model_id, "ready", "fetches what it is given")

    def open(self, model_id: str) -> ScriptedModel:
        return ScriptedModel(_fetch, model_id=model_id)

    def offers(self) -> Sequence[Offer]:
        return ()


def _fetch(request: Request) -> str | Answer:
    last = request.messages[-1]
    if last.role == "tool":
        return f"It says: {last.text[:SHOWN]}"
    if "://" not in last.text:
        return "There is nothing to fetch."
    url = next(word for word in last.text.split() if "://" in word)
    return Answer("", (ToolCall("call-1", "fetch_url", json.dumps({"url": url})),), finish="tool_calls")


def _opened() -> Workspace:
    workspace = open_workspace(config.load(None))
    workspace.make_providers = lambda _search: (_Fetching(),)
    return workspace


if __name__ == "__main__":
    here = functools.partial(
        web.Web, resolve=lambda _host, _port: ["127.0.0.1"], allowed=lambda _address: True, seconds=float(sys.argv[2])
    )
    vars(web)["Web"] = here
    limits = Limits(rate=10_000.0)
    settings = app.Settings("", False, ("127.0.0.1",), None, limits, "idempotency-key")
    sys.exit(app.serve(_opened, settings, app.bound("127.0.0.1", int(sys.argv[1]))))
