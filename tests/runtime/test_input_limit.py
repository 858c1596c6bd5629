"""The input limit as it is measured: the bytes that a server on loopback gets, of every request of a run."""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from atomic_agents.core.change import ChangeSet, Put
from atomic_agents.core.ending import Ending
from atomic_agents.core.errors import ProviderFailed
from atomic_agents.core.model import Answer, Message, Request, ToolCall
from atomic_agents.operations import conversations, finishing, runs
from atomic_agents.operations.dialogue import By, Said, parted
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime.order import Order, Result
from atomic_agents.runtime.prompt import estimate
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.testing.deeds import documents
from atomic_agents.testing.scripted import Script, ScriptedModel
from atomic_agents.testing.servers import Json, Reply
from atomic_agents.testing.wires import WIRES, Wire
from atomic_agents.testing.workspaces import add_agent, run, scripted_workspace

LIMIT = 4_000
TEXTS = {"latin": "lorem ipsum dolor ", "cjk": "木の家に住む。", "quotes": '{"a": "b\\n"}\n', "emoji": "👩‍👩‍👧 "}


def house(text: str, size: int, limit: int = LIMIT, **files: str) -> MemoryStore:
    """An agent with a wiki page of `size` characters."""
    store = MemoryStore()
    model = f"---\nschema_version: 2\nmodel: scripted:model\nmax_input_tokens: {limit}\n---\n"
    page = (text * (size // len(text) + 1))[:size]
    add_agent(store, **{"model": model, "wiki__big": f"# big\n\n{page}\n", **files})
    return store


def reads(many: int, number: int) -> tuple[ToolCall, ...]:
    """Calls that read different parts of the page; as of some providers, each round has the same ids."""
    offsets = (number * 100 + at for at in range(many))
    calls = (json.dumps({"page": "big", "offset": offset}) for offset in offsets)
    return tuple(ToolCall(f"c{at}", "read_wiki", arguments) for at, arguments in enumerate(calls))


def tokens(body: object) -> int:
    """The estimate of a body as it is sent, without what a client makes of signs that are not ASCII."""
    return estimate(json.dumps(body, ensure_ascii=False, separators=(",", ":")))


def over_wire(wire: Wire, store: MemoryStore, reply: Callable[[Json], Reply]) -> tuple[Result, list[Json]]:
    with wire.server(reply) as server:
        workspace = scripted_workspace(store, ScriptedModel([]))
        workspace.make_providers = lambda _search: (wire.provider(server),)
        result = runs.run(
            workspace, "caldwell", Order("What stands in it?"), model_id=wire.model, on_text=lambda _: None,
            on_notice=lambda _: None,
        )  # fmt: skip
        return result, server.requests


@pytest.mark.parametrize("family", WIRES)
@pytest.mark.parametrize(
    ("text", "size", "many"), [("latin", 300_000, 4), ("cjk", 60_000, 2), ("quotes", 9_000, 12), ("emoji", 200, 32)]
)
def test_every_request_of_a_loop_over_tools_is_within_the_limit(family: str, text: str, size: int, many: int) -> None:
    wire = WIRES[family]
    if not wire.is_installed:
        pytest.skip(f"nothing speaks {family} here")
    asked = 0

    def reply(_body: Json) -> Reply:
        nonlocal asked
        asked += 1
        return Reply("I look.", calls=reads(many, asked)) if asked < 8 else Reply("It says so.")

    result, bodies = over_wire(wire, house(TEXTS[text], size), reply)

    assert (result.ending, len(bodies)) == ("ok", 8), result.failure
    sizes = [tokens(body) for body in bodies]
    assert max(sizes) <= LIMIT, sizes
    assert max(sizes) > LIMIT * 3 // 4 or size < 1_000, sizes


class Asked:
    """Runs of one agent, whose model keeps what it was asked."""

    def __init__(self, store: MemoryStore, script: Script) -> None:
        self.store = store
        self.model = ScriptedModel(script)
        self.workspace: Workspace = scripted_workspace(store, self.model)

    @property
    def sizes(self) -> list[int]:
        return [tokens(_body(request)) for request in self.model.requests]

    def transcript(self) -> list[Json]:
        return [event for path, data in sorted(documents(self.store).items()) if "/runs/" in path
                for event in map(json.loads, data.decode().splitlines())]  # fmt: skip

    def log(self) -> list[Json]:
        return [json.loads(line) for path, data in documents(self.store).items() if "/log/" in path
                for line in data.decode().splitlines()]  # fmt: skip


def _body(request: Request) -> object:
    """A request as OpenAI's format has it."""
    messages: list[object] = [{"role": "system", "content": "\n\n".join(request.system)}]
    for message in request.messages:
        calls = [{"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                 for call in message.calls]  # fmt: skip
        messages.append({"role": message.role, "content": message.text, "tool_call_id": message.call_id,
                         "tool_calls": calls})  # fmt: skip
    tools = [{"type": "function", "function": {"name": tool.name, "description": tool.description,
                                               "parameters": tool.parameters}} for tool in request.tools]  # fmt: skip
    return {"model": "m", "messages": messages, "tools": tools, "stream": True}


def looking(rounds: int, many: int = 3) -> Callable[[Request], Answer | str]:
    def script(request: Request) -> Answer | str:
        done = sum(message.role == "assistant" and bool(message.calls) for message in request.messages)
        return Answer("", reads(many, done)) if done < rounds and request.tools else "done"

    return script


def test_the_transcript_says_what_each_request_left_out_and_the_run_says_it_once() -> None:
    asked = Asked(house(TEXTS["latin"], 300_000), looking(3))

    result = run(asked.workspace, "look")

    left_out = [event.get("left_out") for event in asked.transcript() if event["event"] == "asking"]
    assert left_out[0] is None
    assert left_out[-1] == {"results": [1, 2, 3, 4, 5, 6], "cut": [7, 8, 9]}
    warning = "results of earlier calls were cut to keep within 4,000 tokens; the transcript says which"
    assert result.warnings == (warning,)
    assert asked.log()[-1]["warnings"] == [warning]


def test_the_model_can_read_again_what_gave_way() -> None:
    def script(request: Request) -> Answer | str:
        done = sum(message.role == "assistant" for message in request.messages)
        if done < 2:
            return Answer("", reads(1, done))
        if done == 2:
            return Answer("", (ToolCall("r", "read_result", '{"result": 1, "offset": 0}'),))
        return request.messages[-1].text

    asked = Asked(house(TEXTS["latin"], 100_000), script)

    result = run(asked.workspace, "look")

    first = asked.model.requests[1].messages[-1].text
    assert result.text.startswith(first[:500])
    assert '<document path="caldwell/wiki/big.md"' in first


def test_a_resumed_run_keeps_within_the_limit_and_reads_what_the_run_before_was_shown() -> None:
    store = house(TEXTS["latin"], 100_000)
    first = Asked(store, looking(2))
    first.model._script = iter_then(looking(2), KeyboardInterrupt())
    stopped = run(first.workspace, "look")
    assert stopped.ending == "interrupted"

    def script(request: Request) -> Answer | str:
        if any("read_result" in call.name for message in request.messages for call in message.calls):
            return request.messages[-1].text
        return Answer("", (ToolCall("r", "read_result", '{"result": 2, "offset": 0}'),))

    second = Asked(store, script)
    result = finishing.resume(
        second.workspace, stopped.run_id, finishing.Wish(), on_text=lambda _: None, on_notice=lambda _: None
    )

    assert result.ending == "ok", result.failure
    assert max([*first.sizes, *second.sizes]) <= LIMIT
    assert 'wiki/big.md" offset="1"' in result.text


def iter_then(script: Callable[[Request], Answer | str], error: BaseException) -> Callable[[Request], Answer | str]:
    """What `script` says until it is done, then `error`."""

    def answer(request: Request) -> Answer | str:
        found = script(request)
        if isinstance(found, str):
            raise error
        return found

    return answer


def test_a_fallback_model_is_asked_within_the_limit_too() -> None:
    failures = iter([True] * 8)

    def script(request: Request) -> Answer | str:
        if request.messages[-1].role == "tool" and next(failures, False):
            raise ProviderFailed("overloaded", context={"retryable": True})
        return looking(3)(request)

    store = house(TEXTS["cjk"], 50_000)
    text = documents(store)["caldwell/model.md"].decode().replace("---\n", "---\nfallback_model: scripted:other\n", 1)
    store.apply(ChangeSet("fallback", (Put("caldwell/model.md", text.encode()),)))
    asked = Asked(store, script)
    asked.workspace.sleep = lambda _seconds: None

    result = run(asked.workspace, "look")

    assert result.ending in {"ok", "error"}
    assert len(asked.sizes) > 5
    assert max(asked.sizes) <= LIMIT


def test_a_run_in_a_conversation_keeps_within_the_limit() -> None:
    asked = Asked(house(TEXTS["latin"], 100_000), looking(3))
    for number in range(6):
        talk = conversations.talk(asked.workspace, "kitchen")
        run(asked.workspace, f"turn {number}: {'what about it? ' * 60}", talk=talk)

    assert len(asked.sizes) > 20
    assert max(asked.sizes) <= LIMIT


def said(*texts: tuple[By, str]) -> list[Said]:
    return [Said(by, text) for by, text in texts]


def history(many: int, words: int = 60) -> Iterator[tuple[By, str]]:
    for number in range(many):
        yield "caller", f"question {number} " + "lorem " * words
        yield "agent", f"answer {number} " + "ipsum " * words


@pytest.mark.parametrize(
    ("before", "kept"),
    [
        pytest.param(list(history(300)), "answer 299", id="many-turns"),
        pytest.param(list(history(1, 40_000)), "question 0", id="one-long-turn"),
        pytest.param([("program", "Be kind. " * 5_000), *history(3)], "answer 2", id="long-instructions"),
        pytest.param([("caller", f"said {n} " + "lorem " * 60) for n in range(300)], "said 299", id="no-answers"),
        pytest.param([*history(2), ("program", "木" * 30_000)], "木木", id="a-long-result-of-the-callers-tool"),
    ],
)  # fmt: skip
def test_what_a_caller_brings_along_is_cut_from_the_oldest_and_the_caller_is_told(
    before: list[tuple[By, str]], kept: str
) -> None:  # fmt: skip
    asked = Asked(house("x", 10, limit=6_000), ["pong"])
    talk, question = parted(said(*before, ("caller", "What now?")))

    result = run(asked.workspace, question, talk=talk)

    assert result.ending == "ok", result.failure
    assert max(asked.sizes) <= 6_000
    sent = asked.model.requests[0].messages
    assert sent[-1].text.endswith("What now?")
    assert [message.role for message in sent] == ["user", "assistant"] * (len(sent) // 2) + ["user"]
    assert any(kept in message.text for message in sent)
    warning = result.warnings[0]
    assert "to keep within 6,000 tokens (max_input_tokens)" in warning
    assert asked.log()[-1]["warnings"] == list(result.warnings)


def test_a_short_history_comes_along_as_it_is() -> None:
    asked = Asked(house("x", 10), ["pong"])
    talk, question = parted(said(("program", "Be kind."), ("caller", "Hi"), ("agent", "Hello"), ("caller", "And now?")))

    result = run(asked.workspace, question, talk=talk)

    first, *rest = asked.model.requests[0].messages
    assert rest == [Message("assistant", "Hello"), Message("user", "And now?")]
    assert first.text.endswith("</document>\n\nHi")
    assert result.warnings == ()


def test_a_work_item_that_is_too_long_is_refused_before_anything_is_sent() -> None:
    asked = Asked(house("x", 10), [])

    result = run(asked.workspace, "木" * 6_000)

    assert (result.ending, result.cost, len(asked.model.requests)) == (Ending.ERROR, Decimal(0), 0)
    assert result.failure is not None
    assert result.failure.code == "input-too-long"
    assert result.failure.message.startswith("the work item is too long: about 7,")
    assert result.failure.hint.startswith("write max_input_tokens: 8000 or more in caldwell/model.md")


def test_a_limit_that_the_hint_names_is_enough() -> None:
    store = house("x", 10)
    refused = run(scripted_workspace(store, []), "木" * 6_000)
    assert refused.failure is not None
    enough = refused.failure.hint.split()[2]
    text = (
        documents(store)["caldwell/model.md"].decode().replace("max_input_tokens: 4000", f"max_input_tokens: {enough}")
    )
    store.apply(ChangeSet("raise", (Put("caldwell/model.md", text.encode()),)))
    asked = Asked(store, ["done"])

    assert run(asked.workspace, "木" * 6_000).ending == "ok"


def test_a_prompt_that_is_too_long_by_itself_is_named() -> None:
    asked = Asked(house("x", 10, persona__SOUL="I am kind.\n" * 3_000), [])

    result = run(asked.workspace, "hi")

    assert result.failure is not None
    assert "the prompt is too long" in result.failure.message


def test_tools_whose_definitions_alone_do_not_fit_come_on_top_and_the_run_says_so() -> None:
    asked = Asked(house("x", 100_000, limit=1_000), looking(2))

    result = run(asked.workspace, "look")

    assert result.ending == "ok"
    (offered,) = [each for each in result.warnings if "tools take about" in each]
    on_top = int(offered.partition("about ")[2].split()[0].replace(",", ""))
    assert offered.endswith("tokens, on top of the 1,000 of max_input_tokens")
    assert max(asked.sizes) <= 1_000 + on_top


def test_a_prompt_leaves_room_for_what_tools_bring() -> None:
    index = "\n".join(f"- [Note {number}](user_{number}.md): what it says" for number in range(2_000))
    asked = Asked(house(TEXTS["latin"], 100_000, memory__INDEX=f"# Index\n\n{index}\n"), looking(1, many=1))

    run(asked.workspace, "look")

    result = asked.model.requests[1].messages[-1].text
    assert estimate(result) > LIMIT // 6
    assert max(asked.sizes) <= LIMIT
