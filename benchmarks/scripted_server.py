"""`python scripted_server.py PORT PROCESSES`: as `serve` serves the vault, but each model says one sentence."""

import sys
from collections.abc import Sequence

from atomic_agents import config
from atomic_agents.bootstrap import open_workspace
from atomic_agents.core.model import Offer
from atomic_agents.operations.workspace import Workspace
from atomic_agents.testing.scripted import ScriptedModel
from atomic_agents.web import app
from atomic_agents.web.limits import Limits

SAID = "It is in the shed, as your note says."


class _Scripted:
    """Whatever a model is called, it is scripted; its price is that of the model it is called after."""

    name = "scripted"

    def claims(self, _model_id: str) -> bool:
        return True

    def check(self, model_id: str) -> Offer:
        return Offer(model_id, "ready", "says what it is told")

    def open(self, model_id: str) -> ScriptedModel:
        return ScriptedModel(lambda _request: SAID, model_id=model_id, local=False)

    def offers(self) -> Sequence[Offer]:
        return ()


def _opened() -> Workspace:
    workspace = open_workspace(config.load(None))
    workspace.make_providers = lambda _search: (_Scripted(),)
    return workspace


if __name__ == "__main__":
    settings = app.Settings("", False, ("127.0.0.1",), None, Limits(), "idempotency-key")
    sys.exit(app.serve(_opened, settings, app.bound("127.0.0.1", int(sys.argv[1])), processes=int(sys.argv[2])))
