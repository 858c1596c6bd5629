"""Which models can be asked here, what they cost, and whether one answers."""

from dataclasses import dataclass, replace

from atomic_agents.budget import prices
from atomic_agents.budget.prices import Listed
from atomic_agents.core.errors import ModelUnknown, UsageError
from atomic_agents.core.model import Offer
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime.order import Order, Result

TRIGGER = "test"
"""The trigger of a run in which a model is only tried."""

_QUESTION = "Answer with the one word: ready"
_TEST_TOKENS = 256  # some think before they answer


@dataclass(frozen=True, slots=True)
class ModelLine:
    """A model that is proposed here, and its price where somebody knows it."""

    offer: Offer
    price: Listed | None


def list_models(workspace: Workspace) -> list[ModelLine]:
    """What every provider proposes on this machine; looks at loopback and no further."""
    known = prices.load(workspace.vault)
    offers = [offer for provider in workspace.providers() for offer in provider.offers()]
    return [ModelLine(offer, known.listed(offer.id)) for offer in offers]


def price(workspace: Workspace, model_id: str) -> Listed:
    """What a model costs.

    Raises:
        ModelUnknown: nobody knows its price.
    """
    found = prices.load(workspace.vault).listed(model_id)
    if found is None:
        raise ModelUnknown(
            f"nobody knows the price of {model_id}",
            hint=f'write in {prices.PRICES_FILE}, at the top of the vault: ["{model_id}"]\n'
            "  with input = … and output = … below it, in USD for a million tokens",
        )
    return found


def try_out(workspace: Workspace, model_id: str, agent: str = "") -> Result:
    """Ask a model for one word, under the caps of an agent and counted in its log; the first one's by default.

    Raises:
        UsageError: there is no agent whose log could count it.
    """
    from atomic_agents.operations import runs  # noqa: PLC0415 - heavy, and a list of models needs no run

    workspace.require()
    names = (agent,) if agent else workspace.vault.survey().agents
    if not names:
        raise UsageError("there is no agent whose log could count what it costs", hint="atomic-agents init my-agent")
    with runs.bench_of(workspace, names[0], model_id=model_id, on_notice=lambda _said: None) as bench:
        model = replace(bench.settings.model, fallback_model=None, max_output_tokens=_TEST_TOKENS, temperature=None)
        alone = replace(bench, settings=replace(bench.settings, model=model))
        return runs.ask(alone, Order(_QUESTION, TRIGGER), ("You are being tried out. Be brief.",))
