"""Whether an answer of the operator can be carried out: the proposal is as it was asked, a revision fits its tool."""

import json

from atomic_agents.core.errors import AtomicAgentsError, Conflict, UsageError
from atomic_agents.core.model import ToolCall
from atomic_agents.guard import approvals
from atomic_agents.guard.approvals import Approval, Reply
from atomic_agents.operations import record, runs
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime import gate, past
from atomic_agents.runtime.past import Past
from atomic_agents.tools.tool import Tool, arguments_of
from atomic_agents.vault import hands

_GRANTING = ("approved", "revised", "answered")


def unusable(workspace: Workspace, agent: str, run_id: str, request_id: str, reply: Reply) -> AtomicAgentsError | None:
    """The error for an answer that no run can carry out; None where one can, and where nobody knows the request.

    A denial can always be carried out.
    """
    request = _requested(workspace, agent, run_id, request_id) if reply.decision in _GRANTING else None
    return _unusable(workspace, request, reply) if request else None


def refuse_unusable(workspace: Workspace, before: Past) -> None:
    """Refuse to go on with runs whose request has no answer, or one that cannot be carried out.

    Raises:
        ApprovalNeeded: there is no answer.
        Conflict: its proposal was edited.
        UsageError: its arguments are not what the tool takes.
    """
    gate.refuse_unanswered(workspace.vault, before, workspace.clock())
    request = gate.waited_for(before)
    if request is None or request.expired(workspace.clock()):
        return
    found = workspace.vault.document(hands.approval(request.agent, request.kind, request.id))
    reply = approvals.reply(found) if found else None
    error = _unusable(workspace, request, reply) if reply and reply.decision in _GRANTING else None
    if error:
        raise error


def _unusable(workspace: Workspace, request: Approval, reply: Reply) -> AtomicAgentsError | None:
    deny = f"atomic-agents approvals deny {request.id}"
    if gate.proposal_changed(request, reply):
        asked = json.dumps(request.arguments, ensure_ascii=False)
        return Conflict(
            f"the proposal in {request.id} was changed, and only what was asked can be answered; the request stays",
            hint=f"write the proposal as it was asked, with the arguments {asked}\n{deny}",
        )
    tool = _tool(workspace, request) if reply.arguments is not None else None
    if tool is None:
        return None
    call = ToolCall(request.call_id, request.tool, json.dumps(reply.arguments, ensure_ascii=False))
    wrong = arguments_of(tool, call)
    if not isinstance(wrong, str):
        return None
    return UsageError(
        f"the revision of {request.id} cannot be called: {wrong}; the request stays",
        hint=f"atomic-agents approvals revise {request.id} --arguments '{_sketch(tool)}'\n{deny}",
    )


def _requested(workspace: Workspace, agent: str, run_id: str, request_id: str) -> Approval | None:
    """What the run that waits has asked, as its transcript has it."""
    found = record.transcript(workspace, agent, run_id)
    events = found.of("requested") if found else iter(())
    return next((past.request_of(event) for event in events if event.text("approval") == request_id), None)


def _tool(workspace: Workspace, request: Approval) -> Tool | None:
    """The tool of a request as it is now; None where its agent has it no more, or its settings have errors."""
    try:
        agent = workspace.vault.agent(request.agent)
        offered = runs.tools(workspace, agent, runs.checked_settings(workspace, agent))
    except AtomicAgentsError:
        return None
    return next((tool for tool in offered if tool.spec.name == request.tool), None)


def _sketch(tool: Tool) -> str:
    """The arguments that a tool takes, each with its type in place of a value."""
    properties = (tool.schema or tool.spec.parameters).get("properties")
    listed = properties if isinstance(properties, dict) else {}
    kinds = {name: each.get("type", "…") if isinstance(each, dict) else "…" for name, each in listed.items()}
    return json.dumps(kinds, ensure_ascii=False)
