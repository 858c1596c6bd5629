"""Page: a request to the operator, whole."""

from collections.abc import Mapping

from atomic_agents.operations import approvals
from atomic_agents.web.dashboard.look import Look


def approval(look: Look, query: Mapping[str, str]) -> Mapping[str, object]:
    """A request to the operator."""
    item = approvals.find(look.workspace, query.get("id", ""))
    look.agent(item.agent)
    return {"item": item}
