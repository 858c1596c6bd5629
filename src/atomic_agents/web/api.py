"""The vault's resources as JSON: agents, runs, conversations, memory, cost, approvals."""

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal

from starlette.responses import JSONResponse, Response

from atomic_agents.core.ending import Ending
from atomic_agents.core.errors import UsageError
from atomic_agents.operations import agents as knowing
from atomic_agents.operations import approvals, conversations, costs, memory, record, shapes
from atomic_agents.operations.approvals import Item
from atomic_agents.operations.record import RunLine
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime import replay
from atomic_agents.runtime.conversation import Talk
from atomic_agents.runtime.order import Order, Result
from atomic_agents.runtime.record import in_order
from atomic_agents.web import running
from atomic_agents.web.contract import TEXT, Call, Route, Schema
from atomic_agents.web.crew import Piece
from atomic_agents.web.desk import Going
from atomic_agents.web.refusals import STATUS, Refused, as_refused

_LIMIT: Schema = {"type": "integer", "minimum": 1, "maximum": 500, "default": 20}
_DAY: Schema = {"type": "string", "format": "date"}
_ORDER: Schema = {
    "type": "object",
    "required": ["agent", "work_item"],
    "additionalProperties": False,
    "properties": {
        "agent": TEXT,
        "work_item": {"type": "string", "pattern": r"\S"},
        "model": TEXT,
        "conversation": {**TEXT, "description": "the id of one to go on with, or `new`"},
        "max_cost_usd": {"type": "number", "minimum": 0, "maximum": 1e6},
        "capture": {"type": "boolean", "default": True},
        "mode": {"enum": ["wait", "stream", "submit"], "default": "wait"},
    },
}
_ANSWER: Schema = {
    "type": "object",
    "required": ["decision"],
    "additionalProperties": False,
    "properties": {
        "decision": {"enum": ["approved", "denied", "revised", "answered"]},
        "note": {"type": "string", "description": "what the agent is told; of a question, the answer"},
        "arguments": {"type": "object"},
    },
}


class _Json(JSONResponse):
    """JSON in which days, moments and sums of money are text."""

    def render(self, content: object) -> bytes:
        return json.dumps(content, ensure_ascii=False, default=str, separators=(",", ":")).encode(errors="replace")


async def _agents(call: Call) -> Response:
    found = await call.desk.read(knowing.list_agents)
    return _Json({"agents": [shapes.agent_line(line) for line in found if call.caller.reaches(line.name)]})


async def _agent(call: Call) -> Response:
    return _Json(shapes.agent(await call.desk.read(knowing.info, call.agent(call.path("name")))))


async def _run(call: Call) -> Response:
    """Run an agent; the answer comes at once, piece by piece, or is fetched later."""
    agent = await call.known()
    conversation = call.text("conversation")
    talk = await call.desk.read(conversations.talk, conversation) if conversation else None
    order = _order(call, conversation)
    mode = call.text("mode", "wait")
    going = call.desk.ask(agent, order, model_id=call.text("model") or None, talk=talk, streams=mode == "stream")
    if mode == "submit":
        return _taken_in(going)
    if mode == "stream":
        first = await running.until_words(call.request, going, stays=order.key is not None)
        failed = going.failure is not None and going.status != Ending.WAITING
        if going.ended.is_set() and failed and not any(not piece.notice for piece in first):
            return _outcome(going, talk)
        return running.streamed(going, first, _tell, lambda going: _close(going, talk), stays=order.key is not None)
    await running.until_ended(call.request, going, stays=order.key is not None)
    return _outcome(going, talk)


def _order(call: Call, conversation: str) -> Order:
    most = call.body.get("max_cost_usd")
    max_cost = None if most is None else Decimal(str(most))
    item, key = call.text("work_item").strip(), call.request.headers.get(call.desk.key_header)
    kept = None
    if key is not None:
        kept = replay.key(
            key, work_item=item, model=call.text("model"), conversation=conversation, principal=call.caller.principal
        )  # fmt: skip
    return Order(item, "api", capture=call.body.get("capture") is not False, max_cost=max_cost, key=kept)


def _taken_in(going: Going) -> Response:
    where = running.location(going.run_id)
    value = {"run_id": going.run_id, "agent": going.agent, "status": going.status, "location": where}
    return _Json(value, 202, {"location": where})


def _outcome(going: Going, talk: Talk | None) -> Response:
    if going.result is None:
        assert going.error is not None  # noqa: S101 - a run that has ended has one of the two
        raise as_refused(going.error)
    failure = going.result.failure
    status = as_refused(failure).status if failure else STATUS[0]
    headers = {"location": running.location(going.result.run_id)}
    return _Json(_result(going.result, talk), status, headers | (as_refused(failure).headers if failure else {}))


def _result(result: Result, talk: Talk | None) -> dict[str, object]:
    return shapes.result(result) | ({"conversation": talk.id} if talk and not result.replayed else {})


def _tell(piece: Piece) -> Iterable[str]:
    yield running.event({"text": piece.text}, "notice" if piece.notice else "text")


def _close(going: Going, talk: Talk | None) -> Iterable[str]:
    if going.result is not None:
        yield running.event(_result(going.result, talk), "end")
    elif going.error is not None:
        yield running.event({"error": going.error.as_json()}, "error")


async def _runs(call: Call) -> Response:
    limit = int(call.text("limit", "20"))

    def work(workspace: Workspace) -> tuple[list[RunLine], bool]:
        since = record.day_of(call.text("since"), workspace.clock().date()) if call.text("since") else None
        lists = [
            record.list_runs(workspace, name, since=since, status=call.text("status"), limit=limit)
            for name in _within(call)
        ]
        lines = sorted((line for each in lists for line in each.runs), key=lambda line: in_order(line.at), reverse=True)
        return lines[:limit], len(lines) > limit or any(each.more for each in lists)

    lines, more = await call.desk.read(work)
    return _Json({"runs": [shapes.run_line(line) for line in lines], "more": more})


async def _one_run(call: Call) -> Response:
    run_id = call.path("run_id")
    going = call.desk.find(run_id)
    if going is not None:
        call.agent(going.agent)
        if going.result is None:
            value = {"run_id": run_id, "agent": going.agent, "status": going.status}
            return _Json(value | ({"error": going.error.as_json()} if going.error else {}))
        run_id = going.result.run_id
    shown = await call.desk.read(record.show, run_id)
    _reached(call, shown.line.agent, run_id)
    return _Json(shapes.run(shown))


async def _stop_run(call: Call) -> Response:
    going = call.desk.find(call.path("run_id"))
    if going is None or not call.caller.reaches(going.agent) or going.ended.is_set():
        raise Refused(404, "document-missing", f"no run {call.path('run_id')} is going here", hint="GET /api/runs")
    going.stop()
    return _taken_in(going)


async def _conversations(call: Call) -> Response:
    found = [await call.desk.read(conversations.list_conversations, name or None) for name in _within(call)]
    listed = [conversations.about(one) for each in found for one in each.found]
    return _Json({"conversations": listed, "problems": [p.as_json() for each in found for p in each.problems]})


async def _conversation(call: Call) -> Response:
    found = await call.desk.read(conversations.show, call.agent(), call.path("id"))
    return _Json(conversations.as_json(found))


async def _forget(call: Call) -> Response:
    agent, conversation = call.agent(), call.path("id")

    def work(workspace: Workspace) -> str:
        plan = conversations.plan_delete(workspace, agent, conversation)
        conversations.delete(workspace, agent, plan)
        return plan.paths[0]

    return _Json({"deleted": await call.desk.read(work)})


async def _memory(call: Call) -> Response:
    if call.text("q"):
        found = await call.desk.read(memory.search, call.agent(), call.text("q"), int(call.text("limit", "20")))
        return _Json({"passages": shapes.passages(found)})
    return _Json(shapes.notes(*await call.desk.read(memory.list_notes, call.agent())))


async def _note(call: Call) -> Response:
    return _Json(shapes.note(await call.desk.read(memory.show, call.agent(), call.path("file"))))


async def _cost(call: Call) -> Response:
    agent = call.agent()
    if not agent and call.caller.agents:
        raise Refused(400, "usage", "name one of your agents", hint=f"?agent={call.caller.agents[0]}")
    by = next(by for by in costs.BY if by == call.text("by", "agent"))

    def work(workspace: Workspace) -> costs.Costs:
        today = workspace.clock().date()
        since, until = costs.month_of(call.text("month", f"{today:%Y-%m}"))
        return costs.costs(workspace, agent, by=by, since=since, until=until)

    return _Json(shapes.costs(await call.desk.read(work)))


async def _approvals(call: Call) -> Response:
    found = await call.desk.read(approvals.inbox)
    return _Json({"approvals": [shapes.approval(item) for item in found if call.caller.reaches(item.agent)]})


async def _approval(call: Call) -> Response:
    return _Json(shapes.approval(await _item(call)))


async def _decide(call: Call) -> Response:
    """Answer a request; the run goes on at once, and is fetched like one that was submitted."""
    item = await _item(call)
    decision = next(each for each in ("approved", "denied", "revised", "answered") if each == call.text("decision"))
    arguments = call.body.get("arguments")
    if isinstance(arguments, dict) != (decision == "revised"):
        raise UsageError("arguments go with revised, and only with it", hint='{"decision": "revised", "arguments": {}}')

    def decide(workspace: Workspace) -> None:
        stated = arguments if isinstance(arguments, dict) else None
        by, note = f"{call.caller.name} over HTTP", call.text("note")
        workspace.store.apply(approvals.answer(workspace, item, decision, by=by, note=note, arguments=stated))

    if item.resumable:
        call.desk.check_room()  # an answer that is written cannot be given again
    await call.desk.read(decide)
    if not item.resumable:
        return _Json(shapes.approval(await _item(call)))
    return _taken_in(call.desk.go_on(item))


async def _item(call: Call) -> Item:
    """The request of exactly that name: of others, nothing is said."""
    known = await call.desk.read(approvals.everything)
    found = next((item for item in known if item.id == call.path("id") and call.caller.reaches(item.agent)), None)
    if found is None:
        raise Refused(404, "document-missing", f"there is no {call.path('id')}", hint="GET /api/approvals")
    return found


def _reached(call: Call, agent: str, name: str) -> None:
    if not call.caller.reaches(agent):
        raise Refused(404, "document-missing", f"there is no {name}")


def _within(call: Call) -> Sequence[str]:
    """The agents whose lists are wanted; "" stands for all."""
    found = call.agent()
    return (found,) if found else call.caller.agents or ("",)


_GOES_ON = {200: "the answer", 202: "it waits for an approval, or is fetched at the Location", 402: "a cap forbids it"}

ROUTES = (
    Route("GET", "/api/agents", "the agents", "read", _agents),
    Route("GET", "/api/agents/{name:path}", "what holds for an agent", "read", _agent),
    Route("POST", "/api/runs", "run an agent", "run", _run, body=_ORDER, answers=_GOES_ON),
    Route(
        "GET", "/api/runs", "the last runs, newest first", "read", _runs,
        query={"agent": TEXT, "since": _DAY, "status": TEXT, "limit": _LIMIT},
    ),
    Route("GET", "/api/runs/{run_id}", "one run", "read", _one_run),
    Route("DELETE", "/api/runs/{run_id}", "stop a run", "run", _stop_run, answers={202: "it is stopping"}),
    Route(
        "GET", "/api/conversations", "conversations, the last one first", "read", _conversations, query={"agent": TEXT}
    ),
    Route(
        "GET", "/api/conversations/{id:path}", "one conversation", "read", _conversation, {"agent": TEXT}, ("agent",)
    ),
    Route("DELETE", "/api/conversations/{id:path}", "take one away", "admin", _forget, {"agent": TEXT}, ("agent",)),
    Route(
        "GET", "/api/memory", "an agent's notes, or with q what it knows of something", "read", _memory,
        {"agent": TEXT, "q": TEXT, "limit": _LIMIT}, ("agent",),
    ),
    Route("GET", "/api/memory/{file:path}", "one note", "read", _note, {"agent": TEXT}, ("agent",)),
    Route(
        "GET", "/api/cost", "what was spent in a month", "read", _cost,
        query={"agent": TEXT, "by": {"type": "string", "enum": list(costs.BY)},
               "month": {"type": "string", "pattern": r"^\d{4}-\d{2}$"}},
    ),
    Route("GET", "/api/approvals", "what agents wait for", "read", _approvals),
    Route("GET", "/api/approvals/{id}", "one request", "read", _approval),
    Route(
        "POST", "/api/approvals/{id}", "answer a request; the run goes on", "admin", _decide, body=_ANSWER,
        answers={202: "it is answered, and the run goes on at the Location"},
    ),
)  # fmt: skip
