"""What becomes of each call of a run: it goes, it is refused, or it waits for the operator.

`guard` decides; this performs what the decision asks for: counts the use of a grant, asks a judge, files a request,
reads the answer. Nothing that may do harm is called before the transcript says that it is being called, so that after a
crash it is told and not repeated.
"""

import datetime
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from decimal import Decimal

from atomic_agents.core.change import ABSENT, Change, ChangeSet, Delete, Put
from atomic_agents.core.errors import ApprovalNeeded, AtomicAgentsError, ProviderFailed
from atomic_agents.core.model import ToolCall
from atomic_agents.core.values import Usd
from atomic_agents.guard import approvals, policy, questions
from atomic_agents.guard.approvals import Approval, Reply
from atomic_agents.guard.judges import Judgment
from atomic_agents.guard.paths import PathPolicy
from atomic_agents.guard.policy import Authority, Verdict
from atomic_agents.guard.secrets import redacted
from atomic_agents.guard.wanted import Wanted
from atomic_agents.runtime import uses
from atomic_agents.runtime.past import Heard, Past
from atomic_agents.tools.tool import Tool, ToolResult, arguments_of
from atomic_agents.vault import hands
from atomic_agents.vault.authority import TOOL_CLASSES
from atomic_agents.vault.vault import Vault


@dataclass(frozen=True, slots=True)
class Question:
    """What a judge is asked: a call, what its tool is for, the rule, what the model said, what the run did before."""

    wanted: Wanted
    description: str
    rule: str
    said: str
    done: tuple[Mapping[str, object], ...]


Judge = Callable[[Question], Judgment]
"""Asks a judge; raises AtomicAgentsError where it cannot."""

MEMORY = frozenset(("recall", "read_note", "remember", questions.TOOL))
"""The tools that reach an agent's own memory, or its operator, and nothing else."""

BUILTIN = "builtin"
_UNANSWERED = ("pending", "unclear", "settled")
SERVER = "mcp:"
_LOCK_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class Go:
    """The call may be made, with the arguments that it has now; `facts` say by which rule."""

    call: ToolCall
    facts: Mapping[str, object] = field(default_factory=dict)
    request: Approval | None = None
    told: str = ""
    """What the model hears before the result."""


@dataclass(frozen=True, slots=True)
class Instead:
    """The call is not made, and the model is told why, or what the operator says."""

    result: ToolResult
    facts: Mapping[str, object]
    request: Approval | None = None


@dataclass(frozen=True, slots=True)
class Waits:
    """The call is made, or not, once the operator has answered."""

    request: Approval


Decision = Go | Instead | Waits


@dataclass
class Gate:
    """Decides for one run. The caller holds the agent's lock; `record` writes into the run's transcript."""

    vault: Vault
    agent: str
    run_id: str
    authority: Authority
    paths: PathPolicy
    clock: Callable[[], datetime.datetime]
    record: Callable[[str, Mapping[str, object]], None]
    secrets: Sequence[str] = ()
    judge: Judge | None = None
    classes: Mapping[str, str] = field(default_factory=dict)
    """What `tools.md` says of tools, by name."""
    made: list[dict[str, object]] = field(default_factory=list)
    """What the run has called, as its log line will have it."""
    warn: Callable[[str], None] = lambda _words: None

    def decide(self, tool: Tool | None, call: ToolCall, at: int, heard: Heard | None, said: str, cost: Usd) -> Decision:
        """What becomes of a call, the one at place `at` of an answer in which the model said `said`.

        `heard` is that answer where an earlier run has had it, and may have asked the operator already.
        """
        arguments = arguments_of(tool, call) if tool else ""
        if tool is None or isinstance(arguments, str):
            return Go(call)  # there is nothing to call, and whoever calls says so
        asked = heard.requests.get(at) if heard else None
        wanted = self._wanted(tool, arguments, cost)
        if asked is not None:
            return self._go_on(asked, tool, wanted, call)
        with self._counting():
            verdict = self._verdict(tool, wanted)
            if verdict.action == "allow" and verdict.grant:
                self._count(verdict, wanted)
        return self._perform(verdict, tool, wanted, call, at, said)

    def file_ahead(self, tool: Tool | None, call: ToolCall, at: int, said: str) -> Approval | None:
        """Ask the operator about a call that stands behind one that waits, where nobody else has to be asked first."""
        arguments = arguments_of(tool, call) if tool else ""
        if tool is None or isinstance(arguments, str):
            return None
        wanted = self._wanted(tool, arguments, Decimal(0))
        verdict = self._verdict(tool, wanted)
        found = self._ask(verdict.why, verdict.where, wanted, call, at, said) if verdict.action == "ask" else None
        return found.request if isinstance(found, Waits) else None

    def settle(self, request: Approval, outcome: str) -> None:
        """Say in a request's document what became of it, once."""
        pointer = hands.waiting(request.id)
        if self.vault.store.read(pointer) is None:
            return
        path = hands.approval(request.agent, request.kind, request.id)
        found = self.vault.document(path)
        changes: list[Change] = [Delete(pointer)]
        if found is not None:
            changes.append(Put(path, approvals.settled(found, outcome, self.clock())))
        self.vault.store.apply(ChangeSet(f"{request.id}: {outcome}", tuple(changes)))

    def _wanted(self, tool: Tool, arguments: Mapping[str, object], cost: Usd) -> Wanted:
        name = tool.spec.name
        server = tool.origin.removeprefix(SERVER) if tool.origin.startswith(SERVER) else ""
        kind = class_of(tool, self.classes)
        return Wanted(self.agent, name, kind, arguments, tool.fingerprint, server, name in MEMORY, cost)

    def _verdict(self, tool: Tool, wanted: Wanted) -> Verdict:
        if wanted.tool == questions.TOOL:  # asking needs nobody's leave, but can be forbidden
            found = policy.standing(self.authority, wanted)
            if found.level != "deny":
                return Verdict("ask", "it has a question for you", wanted.tool)
            return Verdict("deny", f"{wanted.tool} is denied", found.where)
        kept = policy.kept(self.paths, wanted) if tool.origin != BUILTIN else ""
        if kept:
            return Verdict("deny", f"{kept} is not to be written by {wanted.tool}", "tools.md")
        return policy.decide(
            self.authority, wanted, lambda grant: uses.uses(self.vault.store, grant, self.clock()), self.clock()
        )

    def _counting(self) -> AbstractContextManager[None]:
        return self.vault.store.lock(uses.LOCK, wait=_LOCK_WAIT) if self.authority.grants else nullcontext()

    def _count(self, verdict: Verdict, wanted: Wanted) -> None:
        assert verdict.grant is not None  # noqa: S101 - the caller says so
        line = uses.used(self.run_id, wanted, verdict.grant, verdict.external_usd, self.clock())
        self.vault.store.apply(ChangeSet(f"{self.run_id}: the grant {verdict.grant.id} is used", (line,)))

    def _perform(self, verdict: Verdict, tool: Tool, wanted: Wanted, call: ToolCall, at: int, said: str) -> Decision:
        facts = {"decision": verdict.action, "rule": verdict.why, "where": verdict.where}
        match verdict.action:
            case "allow" | "audit":
                plain = verdict.action == "allow" and verdict.grant is None
                return Go(call, {} if plain else facts | ({"grant": verdict.grant.id} if verdict.grant else {}))
            case "deny":
                return _refused(call, f"refused: {verdict.why} ({verdict.where})", facts)
            case "ask":
                return self._ask(verdict.why, verdict.where, wanted, call, at, said)
        try:
            judgment = self._judged(verdict, tool, wanted, said)
        except AtomicAgentsError as error:
            words = f"nobody can judge {wanted.tool}: {error.message}"
            self.warn(f"{words}; {verdict.where} asks for a judge")
            if self.authority.judge and self.authority.judge.on_failure == "ask":
                return self._ask(words, verdict.where, wanted, call, at, said)
            return _refused(call, f"refused: {words}, and what nobody judges is not done ({verdict.where})", facts)
        facts |= {"judgment": judgment.outcome, "reason": judgment.reason, "judgment_run": judgment.run_id}
        match judgment.outcome:
            case "allow":
                return Go(call, facts)
            case "ask":
                return self._ask(f"the judge asks you: {judgment.reason}", verdict.where, wanted, call, at, said)
            case "revise":
                other = json.dumps(judgment.arguments, ensure_ascii=False) if judgment.arguments else "none are stated"
                return _refused(call, f"not as it is: {judgment.reason}; other arguments: {other}", facts)
        return _refused(call, f"refused by a judge: {judgment.reason}", facts)

    def _judged(self, verdict: Verdict, tool: Tool, wanted: Wanted, said: str) -> Judgment:
        if self.judge is None:
            where = self.authority.judge.where if self.authority.judge else "judges.md"
            raise ProviderFailed(f"{where} names no model")
        rule = f"{verdict.why} ({verdict.where})"
        return self.judge(Question(wanted, tool.spec.description, rule, said, tuple(self.made)))

    def _ask(self, why: str, where: str, wanted: Wanted, call: ToolCall, at: int, said: str) -> Decision:
        """File a request: what is asked stands in the transcript before it stands in front of the operator."""
        facts = {"decision": "ask", "rule": why, "where": where}
        if redacted(wanted.arguments, self.secrets) != wanted.arguments:
            return _refused(
                call, "refused: the arguments hold a secret, which cannot be put before the operator", facts
            )
        now = self.clock()
        judge = self.authority.judge
        request = Approval(
            id=f"proposal_{now:%Y%m%dT%H%M%S}_{secrets.token_hex(4)}",
            agent=self.agent,
            run_id=self.run_id,
            at=at,
            call_id=call.id,
            tool=wanted.tool,
            kind=questions.KIND if wanted.tool == questions.TOOL else wanted.kind,
            arguments=wanted.arguments,
            fingerprint=wanted.fingerprint,
            binding=wanted.binding,
            why=why,
            where=where,
            said=said,
            asked=now,
            expires=now + judge.expires if judge and judge.expires else None,
        )
        self.record("requested", as_facts(request))
        self._put_before(request)
        return Waits(request)

    def _put_before(self, request: Approval) -> None:
        path = hands.approval(request.agent, request.kind, request.id)
        data = redacted(approvals.document(request).decode(), self.secrets)
        pointer = {"agent": request.agent, "path": path, "run_id": request.run_id}
        note = Put(hands.waiting(request.id), f"{json.dumps(pointer, ensure_ascii=False)}\n".encode())
        put = Put(path, str(data).encode(), expect=ABSENT)
        self.vault.store.apply(ChangeSet(f"{request.id}: ask the operator", (put, note)))

    def _go_on(self, request: Approval, tool: Tool, wanted: Wanted, call: ToolCall) -> Decision:
        """Meet the operator's answer to a request; without one the call goes on waiting."""
        found = self.vault.document(hands.approval(request.agent, request.kind, request.id))
        if found is None:
            self._put_before(request)
            return Waits(request)
        answer = approvals.reply(found)
        facts: dict[str, object] = {
            "approval": request.id, "rule": request.why, "where": request.where, "by": answer.by,
        }  # fmt: skip
        if answer.decision == "denied":
            return _denied(request, call, answer, facts | {"decision": "denied"})
        changed = _changed(request, wanted)
        if changed:
            return _refused(call, f"refused: {changed}", facts | {"decision": "changed"}, request)
        if request.expired(self.clock()):
            did = "answered" if request.kind == questions.KIND else "allowed"
            words = f"refused: nobody {did} it before {request.expires:%Y-%m-%d %H:%M}"
            return _refused(call, words, facts | {"decision": "expired"}, request)
        if answer.decision in _UNANSWERED or proposal_changed(request, answer):
            return Waits(request)
        facts["decision"] = answer.decision
        if request.kind == questions.KIND:
            words = questions.chosen(request.arguments, answer.note)
            return Instead(ToolResult(call, f"{questions.ANSWERS}{words}"), facts, request)
        note = f": {answer.note}" if answer.note else ""
        told = f"the operator allowed it{note}\n" if note else ""
        if answer.arguments is not None:
            text = json.dumps(answer.arguments, ensure_ascii=False)
            call = replace(call, arguments=text)
            told = f"the operator changed the arguments to {text}{note}\n"
            facts["arguments"] = answer.arguments
        arguments = arguments_of(tool, call)
        if isinstance(arguments, str):
            return Waits(request)
        verdict = self._verdict(tool, replace(wanted, arguments=arguments))
        if verdict.action == "deny":
            return _refused(call, f"refused: {verdict.why} ({verdict.where})", facts | {"decision": "deny"}, request)
        return Go(call, facts, request, told)


def class_of(tool: Tool, stated: Mapping[str, str]) -> str:
    """The class of a tool; a built-in one can only be made more dangerous by what `tools.md` says of it."""
    if tool.origin != BUILTIN:  # whoever brought it has weighed what is said of it already
        return tool.kind
    return max(stated.get(tool.spec.name, tool.kind), tool.kind, key=TOOL_CLASSES.index)


def waits(requests: Sequence[Approval], run_id: str) -> ApprovalNeeded:
    """The error that tells who started the run what it waits for."""
    said = ", ".join(
        f"{each.agent} {'asks you' if each.kind == questions.KIND else f'wants {each.tool}'}" for each in requests
    )
    what = "answer" if all(each.kind == questions.KIND for each in requests) else "approval"
    hints = [f"atomic-agents approvals show {each.id}" for each in requests]
    context = {"run_id": run_id, "approvals": [each.id for each in requests]}
    return ApprovalNeeded(f"{said}; it waits for your {what}", hint="\n".join(hints), context=context)


def refuse_unanswered(vault: Vault, past: Past, now: datetime.datetime) -> None:
    """Refuse to go on with runs that wait for an answer that is not there.

    Raises:
        ApprovalNeeded: naming what it is.
    """
    request = waited_for(past)
    if request is None or request.expired(now):
        return
    found = vault.document(hands.approval(request.agent, request.kind, request.id))
    if found is None or approvals.reply(found).decision in _UNANSWERED:
        raise waits([request], past.run_ids[-1])


def waited_for(past: Past) -> Approval | None:
    """The request that runs wait for; None where they wait for none."""
    last = past.heard[-1] if past.heard else None
    return last.requests.get(len(last.results)) if last and len(last.results) not in last.begun else None


def as_facts(request: Approval) -> dict[str, object]:
    """A request as the transcript has it."""
    return {
        "approval": request.id, "agent": request.agent, "run_id": request.run_id, "at": request.at,
        "tool_name": request.tool, "tool_use_id": request.call_id,
        "class": request.kind, "arguments": request.arguments, "fingerprint": request.fingerprint,
        "binding": request.binding, "rule": request.why, "where": request.where, "said": request.said,
        "asked": request.asked.isoformat(), "expires": request.expires.isoformat() if request.expires else None,
    }  # fmt: skip


def _refused(call: ToolCall, words: str, facts: Mapping[str, object], request: Approval | None = None) -> Instead:
    return Instead(ToolResult(call, words, failed=True), facts, request)


def _denied(request: Approval, call: ToolCall, answer: Reply, facts: Mapping[str, object]) -> Instead:
    did = "does not answer" if request.kind == questions.KIND else "refused"
    return _refused(call, f"the operator {did}{f': {answer.note}' if answer.note else ''}", facts, request)


def proposal_changed(request: Approval, answer: Reply) -> bool:
    """Whether the document that was answered does not ask what the run has asked."""
    other = ("approved", "revised") if request.kind == questions.KIND else ("answered",)
    return answer.binding != request.binding or answer.decision in other


def _changed(request: Approval, wanted: Wanted) -> str:
    """What of the call is not as it was when the operator was asked, "" where all of it is."""
    if wanted.fingerprint != request.fingerprint:
        return f"the tool {request.tool} was changed after {request.id} was asked; ask again"
    return f"the arguments are not those of {request.id}" if wanted.binding != request.binding else ""
