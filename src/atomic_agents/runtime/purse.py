"""The money of one run: which model may answer the next request, the most that can cost, and what was paid."""

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from atomic_agents.budget import ledger, limits
from atomic_agents.budget.ledger import SumCache
from atomic_agents.budget.prices import Prices
from atomic_agents.core.errors import AtomicAgentsError
from atomic_agents.core.model import Model, Request, Usage
from atomic_agents.core.store import Store
from atomic_agents.core.values import Usd
from atomic_agents.runtime.states import Refused, Reserved
from atomic_agents.vault.settings import CostGuardrails

_TOOLS_OVERHEAD = 600  # tokens that providers add to explain the use of tools
_MESSAGE_OVERHEAD = 8


@dataclass
class Purse:
    """What a run may spend and has spent. The agent's lock makes a verdict hold until the money is spent."""

    store: Store
    agent: str
    guardrails: CostGuardrails
    prices: Prices
    sums: SumCache
    model: Model
    open_fallback: Callable[[], Model | None]
    today: Callable[[], datetime.date]
    critical: bool
    max_cost: Usd | None
    warn: Callable[[str], None]
    fell_back: bool = False
    quote: Usd = field(default=Decimal(0))
    """The most that the request under way can cost."""
    lost: Usd = field(default=Decimal(0))
    """What was paid for requests whose answers never came to count."""
    estimated: bool = False
    unreadable: str = ""
    """The log line that keeps a cap from being judged, "" where there is none."""

    def reserve(self, request: Request, paid: Usd) -> Reserved | Refused:
        """Judge the most that `request` can cost, `paid` being what this run has cost so far."""
        quote = self._most(self.model, request)
        if refused := self._over_the_runs_own(quote, paid):
            return refused
        spent = limits.Spent()
        if self.guardrails.enabled and quote != 0:
            logged = ledger.spent(self.store, self.agent, self.today(), self.sums)
            spent = limits.Spent(logged.day + paid, logged.month + paid, logged.unreadable)
        verdict = limits.judge(self.guardrails, spent, quote, critical=self.critical)
        if verdict.action == "fallback":
            return self._fall_back(request, spent, paid, verdict.reason)
        if verdict.action == "skip":
            self.unreadable = spent.unreadable[0] if verdict.unreadable else ""
            return Refused(verdict.reason)
        if verdict.action == "alert":
            self.warn(verdict.reason)
        self.quote = quote or Decimal(0)
        return Reserved()

    def paid_for(self, usage: Usage) -> Usd:
        """What an answer cost; nothing, with a warning, where nobody knows the price."""
        cost = self.prices.cost(self.model.id, usage, local=self.model.local)
        if cost is None:
            self.warn(f"the price of {self.model.id} is not known; this run counts as $0 until prices.toml states it")
        return cost or Decimal(0)

    def failed(self, error: BaseException, *, begun: bool) -> Usd:
        """What a request that failed cost: all it could where an answer had begun to come, though nobody says."""
        billable = isinstance(error, KeyboardInterrupt | SystemExit) or (
            isinstance(error, AtomicAgentsError) and bool(error.context.get("billable"))
        )
        self.lost = self.quote if begun or billable else Decimal(0)
        self.estimated = self.estimated or self.lost > 0
        return self.lost

    def _over_the_runs_own(self, quote: Usd | None, paid: Usd) -> Refused | None:
        if self.max_cost is None or (quote is not None and paid + quote <= self.max_cost):
            return None
        most = "an unknown sum" if quote is None else f"${paid + quote:.4f}"
        return Refused(f"the run could cost {most} and --max-cost is ${self.max_cost}")

    def _fall_back(self, request: Request, spent: limits.Spent, paid: Usd, reason: str) -> Reserved | Refused:
        """Use the cheaper model up to one and a half times the cap; beyond that, or without one, skip."""
        fallback = self.model if self.fell_back else self.open_fallback()
        if fallback is None:
            return Refused(f"{reason}; there is no fallback_model")
        quote = self._most(fallback, request)
        if refused := self._over_the_runs_own(quote, paid):
            return refused
        if quote is None or not limits.judge_fallback(self.guardrails, spent, quote, critical=self.critical):
            return Refused(f"{reason}; the fallback model could pass 1.5 times the cap")
        if not self.fell_back:
            self.warn(f"{reason}; {fallback.id} answers instead")
        self.model, self.fell_back, self.quote = fallback, True, quote
        return Reserved()

    def _most(self, model: Model, request: Request) -> Usd | None:
        if model.local:
            return Decimal(0)
        return self.prices.most(model.id, input_tokens=most_tokens(request), output_tokens=request.max_output_tokens)


def most_tokens(request: Request) -> int:
    """More tokens than a request takes with any tokenizer in use, or nearly: for a quote, not for a budget."""
    texts = [*request.system, *(message.text for message in request.messages)]
    texts += [call.arguments for message in request.messages for call in message.calls]
    texts += [f"{tool.name}{tool.description}{tool.parameters}" for tool in request.tools]
    overhead = _MESSAGE_OVERHEAD * len(texts) + (_TOOLS_OVERHEAD if request.tools else 0)
    return overhead + sum(map(_most_of, texts))


def _most_of(text: str) -> int:
    """Three ASCII signs a token, two tokens for three bytes of anything else."""
    size = len(text.encode(errors="replace"))
    if size == len(text):
        return size // 3 + 1
    plain = sum(map(len, re.findall(r"[\x00-\x7f]+", text)))
    return plain // 3 + (size - plain) * 2 // 3 + 1
