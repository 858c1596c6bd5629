"""What forms do: the same operations as the commands, each answered with the page that shows what came of it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from atomic_agents.core.errors import AgentMissing, Conflict, UsageError
from atomic_agents.operations import approvals, capping, changes, dreams
from atomic_agents.operations.approvals import Item
from atomic_agents.operations.workspace import Workspace
from atomic_agents.web.auth import Caller
from atomic_agents.web.dashboard.money import usd, was
from atomic_agents.web.dashboard.pages import live_href

Form = Mapping[str, str]

SAID: Mapping[str, str] = {
    "approved": "Approved; the run goes on.",
    "denied": "Denied; the run goes on and knows.",
    "revised": "Revised; the run goes on with your arguments.",
    "undone": "Taken back.",
    "accept": "Accepted; nothing is written until you apply it.",
    "reject": "Rejected.",
    "apply": "Applied.",
    "refused": "Some hunks were refused, since their notes have changed; they stay as they were.",
    "revert": "Taken back; the hunks are open again.",
    "capped": "The caps are stated and hold from now on.",
}


@dataclass(frozen=True, slots=True)
class Done:
    """Where to go, and the request whose run goes on."""

    where: str
    item: Item | None = None


Action = Callable[[Workspace, Caller, Form], Done]


def approve(workspace: Workspace, caller: Caller, form: Form) -> Done:
    """Answer a request."""
    item = approvals.find(workspace, form.get("id", "-"))
    _reached(caller, item.agent)
    decision = next((each for each in ("approved", "denied", "revised") if each == form.get("decision")), None)
    if decision is None:
        raise UsageError("the answer is none of approved, denied and revised")
    arguments = _arguments(form.get("arguments", "")) if decision == "revised" else None
    by = f"{caller.name} at the dashboard"
    workspace.store.apply(
        approvals.answer(workspace, item, decision, by=by, note=form.get("note", ""), arguments=arguments)
    )
    if not item.resumable:
        return Done(live_href("approval", id=item.id, said=decision))
    return Done(live_href("run", id=item.run_id, said=decision), item)


def _arguments(text: str) -> Mapping[str, object]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the arguments are not JSON: {error}") from None
    if not isinstance(found, dict):
        raise UsageError("the arguments are no JSON object", hint='{"to": "ada@example.org"}')
    return found


def undo(workspace: Workspace, caller: Caller, form: Form) -> Done:
    """Take a change of notes back."""
    name = _agent(workspace, caller, form)
    verb, undone = changes.undo(workspace, name, form.get("change", "-"))
    changes.do(workspace, name, verb, what="undo", reason="at the dashboard", undoes=undone)
    return Done(live_href("notes", agent=name, said="undone"))


def dream(workspace: Workspace, caller: Caller, form: Form) -> Done:
    """Accept or reject a hunk; carry out what is accepted, or take that back."""
    name, verb = _agent(workspace, caller, form), form.get("verb", "")
    found = dreams.find(workspace, name, form.get("id", "-"))
    said = verb
    match verb:
        case "accept" | "reject":
            number = int(form["hunk"]) if form.get("hunk", "").isdecimal() else 0
            dreams.review(workspace, found, {number: verb == "accept"})
        case "apply":
            said = "refused" if dreams.apply(workspace, found, dry_run=False).refused else verb
        case "revert":
            dreams.revert(workspace, found, dry_run=False)
        case _:
            raise UsageError("a dream is accepted, rejected, applied or reverted")
    return Done(live_href("dream", agent=name, id=found.id, said=said))


def cap(workspace: Workspace, caller: Caller, form: Form) -> Done:
    """State caps, as their diff was shown."""
    name = _agent(workspace, caller, form)
    change = capping.plan(workspace, name, usd(form.get("daily", "")), usd(form.get("monthly", "")))
    if was(change) != form.get("was"):
        raise Conflict(f"{name}/model.md was edited since the change was shown", hint="look at the change again")
    workspace.store.apply(change)
    return Done(live_href("cost", agent=name, said="capped"))


ACTIONS: Mapping[str, Action] = {"approval": approve, "undo": undo, "dream": dream, "cap": cap}


def _agent(workspace: Workspace, caller: Caller, form: Form) -> str:
    name = workspace.vault.agent(form.get("agent", "")).name
    _reached(caller, name)
    return name


def _reached(caller: Caller, agent: str) -> None:
    if not caller.reaches(agent):
        raise AgentMissing(f"there is no agent {agent}")
