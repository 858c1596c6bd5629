"""The money of one run: which model may answer the next request, the most that can cost, and what was paid."""

import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from atomic_agents.budget import alerts, ledger, limits
from atomic_agents.budget.alerts import Alert
from atomic_agents.budget.ledger import SumCache
from atomic_agents.budget.prices import Prices
from atomic_agents.budget.usage import judge, most_tokens
from atomic_agents.core.errors import AtomicAgentsError, ProviderFailed
from atomic_agents.core.model import Answer, Model, Request, Usage
from atomic_agents.core.store import Store
from atomic_agents.core.values import Usd, format_cap, format_usd, format_within
from atomic_agents.runtime.pool import Pool
from atomic_agents.runtime.states import Refused, Reserved
from atomic_agents.vault import layout
from atomic_agents.vault.settings import CostGuardrails, unknown_price
from atomic_agents.vault.vault import AgentSettings


@dataclass(frozen=True, slots=True)
class Settled:
    """What counts of an answer. `doubts` says what its provider reported that was not believed."""

    usage: Usage
    cost: Usd
    doubts: tuple[str, ...] = ()


@dataclass
class Purse:
    """What a run may spend and has spent.

    The agent's lock makes a verdict hold until the money is spent, `pool` does so for the money of all agents.
    """

    store: Store
    agent: str
    guardrails: CostGuardrails
    prices: Prices
    sums: SumCache
    model: Model
    open_fallback: Callable[[], Model | None]
    clock: Callable[[], datetime.datetime]
    critical: bool
    max_cost: Usd | None
    warn: Callable[[str], None]
    pool: Pool
    raised: list[Alert]
    """What there is to tell the operator about the caps, told before or not."""
    paid_before: Usd = field(default=Decimal(0))
    """What the runs that this one goes on with have cost; their own log lines state it."""
    fell_back: bool = False
    quote: Usd = field(default=Decimal(0))
    """The most that the request under way can cost."""
    lost: Usd = field(default=Decimal(0))
    """What was paid for requests whose answers never came to count."""
    estimated: bool = False
    unreadable: str = ""
    """The log line that keeps a cap from being judged, "" where there is none."""
    unpriced: bool = False
    """Whether it is that nobody knows the price which forbids a request."""
    own: bool = False
    """Whether it is what this run may cost."""
    shared: bool = False
    """Whether it is a cap of all agents together."""
    _funds: tuple[limits.Fund, ...] = ()
    _doubted: set[str] = field(default_factory=set)
    """The models whose usage was not believed, which is said once."""

    def reserve(self, request: Request, paid: Usd) -> Reserved | Refused:
        """Judge the most that `request` can cost and set it aside, `paid` being what this run has cost so far."""
        quote = self._most(self.model, request)
        if refused := self._over_the_runs_own(quote, paid):
            return refused
        if quote == 0:
            self._funds = ()
            return self._set_aside(quote)
        with self.pool.locked():
            self._funds = tuple(self._spent(paid))
            verdict = limits.judge_all(self._funds, quote, critical=self.critical)
            if verdict.action in ("allow", "alert"):
                if verdict.reason:
                    self.warn(verdict.reason)
                return self._set_aside(quote)
        if verdict.action == "fallback":
            return self._fall_back(request, paid, verdict)
        unreadable = [line for fund in self._funds for line in fund.spent.unreadable]
        self.unreadable = unreadable[0] if verdict.unreadable else ""
        self.unpriced, self.shared = quote is None, verdict.whose != ""
        return self._refused(verdict, verdict.reason)

    def replace(self, request: Request, paid: Usd) -> Reserved | Refused:
        """Let the fallback model answer where the other cannot, under the same caps."""
        failed = self.model.id
        try:
            fallback = None if self.fell_back else self.open_fallback()
        except ProviderFailed as error:
            return Refused(f"the fallback model cannot be asked: {error.message}")
        if fallback is None or fallback.id == failed:
            return Refused("")
        before = self.model
        self.model, self.fell_back = fallback, True
        verdict = self.reserve(request, paid)
        if isinstance(verdict, Refused):
            self.model, self.fell_back = before, False
            return Refused(f"the fallback model is not asked: {verdict.reason}")
        self.warn(f"{failed} kept failing; {fallback.id} answers instead")
        return verdict

    def settle(self, request: Request, answer: Answer) -> Settled:
        """What an answer used and cost: what its provider reports, where that can be true.

        It never costs more than was reserved for it; nothing, with a warning, where nobody knows the price. A model on
        this machine costs nothing, so what it reports is taken as it is.
        """
        if self.model.local:
            return Settled(answer.usage, Decimal(0), ())
        judged = judge(request, answer)
        usage, doubts = judged.usage, judged.doubts
        cost = self.prices.cost(self.model.id, usage)
        if cost is None:
            cost = self._assumed(self.model, usage)
        if cost is None:
            self.warn(f"the price of {self.model.id} is not known; this run counts as $0 until prices.toml states it")
        elif cost > self.quote > 0:
            beyond = f"usage of {format_usd(cost)}, where at most {format_usd(self.quote)} was reserved"
            doubts = (*doubts, beyond)
            cost = self.quote
        if doubts and cost:
            self.estimated = True
            if self.model.id not in self._doubted:
                self._doubted.add(self.model.id)
                self.warn(f"{self.model.id} reports {' and '.join(doubts)}: that cannot be, so its cost is estimated")
        self._raise_thresholds(cost or Decimal(0))
        return Settled(usage, cost or Decimal(0), doubts)

    def failed(self, error: BaseException, *, begun: bool) -> Usd:
        """What a request that failed cost: all it could where an answer had begun to come, though nobody says."""
        billable = isinstance(error, KeyboardInterrupt | SystemExit) or (
            isinstance(error, AtomicAgentsError) and bool(error.context.get("billable"))
        )
        self.lost = self.quote if begun or billable else Decimal(0)
        self._raise_thresholds(self.lost)
        self.estimated = self.estimated or self.lost > 0
        return self.lost

    def hint(self, settings: AgentSettings) -> str:
        """What to type or edit where a request was refused."""
        if self.own:
            return f"atomic-agents runs resume {self.pool.run_id} --max-cost …"
        if self.unreadable:
            return f"correct or remove that line, in a text editor: {self.unreadable.partition(' ')[0]}"
        if self.unpriced:
            return f"state the price of {self.model.id} in prices.toml, or unknown_price: assume-max in model.md"
        if self.shared:
            return f"raise the cap in {layout.settings('', 'policy.md')}, which holds for all agents together"
        file = settings.files.get("model.md")
        path = file.path if file else layout.settings(self.agent, "model.md")
        once = f"atomic-agents run {self.agent} --critical --work-item …"
        return f"raise the cap in {path}, or pass the daily cap once: {once}"

    def _over_the_runs_own(self, quote: Usd | None, paid: Usd) -> Refused | None:
        paid += self.paid_before
        if self.max_cost is None or (quote is not None and paid + quote <= self.max_cost):
            return None
        self.own = True
        most = "an unknown sum" if quote is None else format_within(self.max_cost, paid + quote)[0]
        return Refused(f"the run could cost {most} and --max-cost is {format_cap(self.max_cost)}")

    def _spent(self, paid: Usd) -> Iterator[limits.Fund]:
        """What is spent of each fund that has caps, with what this run has cost so far."""
        if self.guardrails.enabled:
            found = ledger.spent(self.store, self.agent, self.clock(), self.sums)
            yield limits.Fund(self.guardrails, _and(found, paid))
        if self.pool.guardrails.enabled:
            yield limits.Fund(self.pool.guardrails, _and(self.pool.spent(self.clock()), paid), "the vault's")

    def _set_aside(self, quote: Usd | None) -> Reserved:
        self.quote = quote or Decimal(0)
        self.pool.reserve(self.quote)
        return Reserved()

    def _raise_thresholds(self, cost: Usd) -> None:
        """Raise an alert for each threshold that is reached; whether it was told before is not known here."""
        for fund in self._funds if cost > 0 else ():
            self.raised += alerts.of_thresholds(self.agent, fund, cost, self.clock().date())

    def _refused(self, verdict: limits.Verdict, reason: str) -> Refused:
        self.raised += alerts.of_refusal(self.agent, verdict, self.clock().date())
        return Refused(reason)

    def _fall_back(self, request: Request, paid: Usd, verdict: limits.Verdict) -> Reserved | Refused:
        """Use the cheaper model up to one and a half times the cap; beyond that, or without one, skip."""
        reason = verdict.reason
        fallback = self.model if self.fell_back else self.open_fallback()
        if fallback is None:
            return self._refused(verdict, f"{reason}; there is no fallback_model")
        quote = self._most(fallback, request)
        if refused := self._over_the_runs_own(quote, paid):
            return refused
        with self.pool.locked():
            self._funds = tuple(self._spent(paid))
            for fund in self._funds:
                if not limits.judge_fallback(fund.guardrails, fund.spent, quote, critical=self.critical):
                    return self._refused(verdict, f"{reason}; the fallback model could pass 1.5 times the cap")
            if not self.fell_back:
                self.warn(f"{reason}; {fallback.id} answers instead")
            self.model, self.fell_back = fallback, True
            return self._set_aside(quote)

    def _most(self, model: Model, request: Request) -> Usd | None:
        if model.local:
            return Decimal(0)
        tokens = most_tokens(request)
        found = self.prices.most(model.id, input_tokens=tokens, output_tokens=request.max_output_tokens)
        return self._assumed(model, Usage(tokens, request.max_output_tokens)) if found is None else found

    def _assumed(self, model: Model, usage: Usage) -> Usd | None:
        """What is taken for the price of a model that nobody knows, None where that forbids to ask it."""
        match unknown_price(self.guardrails, self.pool.guardrails):
            case "free":
                self.warn(f"the price of {model.id} is not known, and counts as $0: unknown_price is free")
                return Decimal(0)
            case "assume-max":
                self.warn(
                    f"the price of {model.id} is not known, and counts as the dearest: unknown_price is assume-max"
                )
                return self.prices.assumed(usage)
            case _:
                return None


def _and(spent: limits.Spent, paid: Usd) -> limits.Spent:
    return spent + limits.Spent(paid, paid)
