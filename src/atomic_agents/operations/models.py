"""Which models can be asked here, and how one is fetched."""

from atomic_agents.core.model import Offer
from atomic_agents.operations.workspace import Workspace


def list_models(workspace: Workspace) -> list[Offer]:
    """What every provider proposes on this machine; looks at loopback and no further."""
    return [offer for provider in workspace.providers() for offer in provider.offers()]
