import importlib.util
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager

import pytest

from atomic_agents.core.errors import CredentialMissing, ModelUnknown, ProviderFailed
from atomic_agents.core.model import Answer, Message, Provider, Request, ToolCall, ToolSpec, Usage
from atomic_agents.providers.library import LibraryProvider
from atomic_agents.testing.provider_contract import Case, ProviderContract
from atomic_agents.testing.servers import AnthropicServer, ModelServer, OpenAIServer, Reply
from atomic_agents.testing.wires import ANTHROPIC, GEMINI, OPENAI, WIRES, Wire

WEATHER = ToolSpec(
    "weather",
    "The weather in a city",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
ASKED = Request(("be brief",), [Message("user", "hello")])
WITH_TOOL = Request(("be brief",), [Message("user", "how is Rome?")], [WEATHER])
IN_ROME = ToolCall("call-1", "weather", '{"city": "Rome"}')
BUILDING = (
    "from atomic_agents.providers.library import LibraryProvider\n"
    "provider = LibraryProvider(keys=lambda family: 'k', base_urls={})"
)
LISTENING = "base_urls={'openai': sys.argv[1]}"


def wire_of(server: ModelServer) -> Wire:
    return next(wire for wire in WIRES.values() if wire.server is type(server))


def provider(server: ModelServer, key: str | None = "k") -> Provider:
    return wire_of(server).provider(server, key)


def ask(server: ModelServer, request: Request = ASKED) -> Answer:
    return wire_of(server).open(server).ask(request, lambda _: None)


def failure(server: ModelServer) -> ProviderFailed:
    with pytest.raises(ProviderFailed) as caught:
        ask(server)
    return caught.value


class LibraryContract(ProviderContract):
    wire: Wire
    building = BUILDING

    @contextmanager
    def scripted(self, request: Request, *replies: Reply) -> Iterator[Case]:
        with self.wire.server(replies) as server:
            yield Case(self.wire.provider(server), self.wire.model, request)

    def speaking(self) -> AbstractContextManager[Case]:
        return self.scripted(ASKED, Reply("an answer in pieces", usage=Usage(30, 5, 10, 10)))

    def calling(self) -> AbstractContextManager[Case]:
        return self.scripted(WITH_TOOL, Reply("let me look", calls=[IN_ROME]), Reply("it is sunny"))

    def failing(self) -> AbstractContextManager[Case]:
        return self.scripted(ASKED, Reply("no such thing", status=400))


class TestOpenAI(LibraryContract):
    wire = OPENAI
    claimed = ("gpt-5-mini", "o3", "o4-mini", "chatgpt-4o-latest", "openai:gpt-6-luna", "groq:llama")


class TestAnthropic(LibraryContract):
    wire = ANTHROPIC
    claimed = ("claude-haiku-4-5", "anthropic:claude-opus-5-5")


@pytest.mark.skipif(not GEMINI.is_installed, reason="needs the extra [google]")
class TestGemini(LibraryContract):
    wire = GEMINI
    claimed = ("google:gemini-2.5-flash",)


@pytest.mark.parametrize("family", ["openai", "anthropic"])
def test_arguments_come_as_the_model_wrote_them_even_where_they_are_wrong(family: str) -> None:
    wrong = ToolCall("call-2", "weather", '{"city": ')
    with WIRES[family].server([Reply(calls=[IN_ROME, wrong])]) as server:
        answer = ask(server, WITH_TOOL)

    assert answer.calls == (IN_ROME, wrong)
    assert answer.finish == "tool_calls"


@pytest.mark.parametrize("family", ["openai", "anthropic"])
def test_usage_is_what_is_billed_with_both_cache_figures_inside(family: str) -> None:
    writes = 0 if family == "openai" else 20
    billed = Usage(input_tokens=100, output_tokens=7, cache_read_tokens=50, cache_write_tokens=writes)
    with WIRES[family].server([Reply("fine", usage=billed)]) as server:
        answer = ask(server)

    assert answer.usage == billed


def test_openai_gets_one_system_message_and_the_limit_on_output() -> None:
    request = Request(("stable", "volatile"), [Message("user", "hi")], max_output_tokens=77)
    with OpenAIServer("fine") as server:
        ask(server, request)

    assert server.requests[0]["messages"] == [
        {"role": "system", "content": "stable\n\nvolatile"},
        {"role": "user", "content": "hi"},
    ]
    assert server.requests[0]["max_completion_tokens"] == 77


def test_anthropic_is_told_to_cache_the_stable_prefix_and_not_what_changes() -> None:
    with AnthropicServer("fine") as server:
        ask(server, Request(("stable", "also stable", "volatile"), [Message("user", "hi")], [WEATHER]))
        body = server.requests[0]

    assert ["cache_control" in part for part in body["system"]] == [False, True, False]
    assert "cache_control" in body["tools"][-1]
    assert "cache_control" in body["messages"][-1]["content"][-1]


def test_a_single_question_without_tools_does_not_pay_for_caching_itself() -> None:
    with AnthropicServer("fine") as server:
        ask(server)

    assert "cache_control" not in json.dumps(server.requests[0]["messages"])


def test_a_tool_schema_arrives_as_it_was_given() -> None:
    with OpenAIServer("fine") as server:
        ask(server, WITH_TOOL)

    assert server.requests[0]["tools"][0]["function"]["parameters"] == dict(WEATHER.parameters)
    assert "strict" not in server.requests[0]["tools"][0]["function"]


@pytest.mark.parametrize(("model", "sent"), [("gpt-4.1", 0.2), ("o3", None), ("gpt-5-mini", None)])
def test_a_temperature_is_sent_only_to_models_that_take_one(model: str, sent: float | None) -> None:
    with OpenAIServer("fine") as server:
        provider(server).open(model).ask(Request((), [Message("user", "hi")], temperature=0.2), lambda _: None)

    assert server.requests[0].get("temperature") == sent


def test_results_of_two_calls_go_back_in_one_turn() -> None:
    calls = (IN_ROME, ToolCall("call-2", "weather", '{"city": "Oslo"}'))
    results = [Message("tool", "sunny", call_id=call.id, tool_name=call.name) for call in calls]
    request = Request((), [Message("user", "both?"), Message("assistant", "", calls), *results], [WEATHER])
    with AnthropicServer("fine") as server:
        ask(server, request)
        turns = server.requests[0]["messages"]

    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    assert [block["tool_use_id"] for block in turns[2]["content"]] == ["call-1", "call-2"]


def test_reasoning_goes_back_signed_with_the_results_of_the_calls_it_led_to() -> None:
    with AnthropicServer([Reply(thinking="I should look", calls=[IN_ROME]), Reply("sunny")]) as server:
        model = provider(server).open("claude-haiku-4-5")
        first = model.ask(WITH_TOOL, lambda _: None)
        result = Message("tool", "sunny", call_id=IN_ROME.id, tool_name="weather")
        turns = [*WITH_TOOL.messages, Message("assistant", first.text, first.calls), result]
        model.ask(Request((), turns, [WEATHER]), lambda _: None)

    assert first.text == ""
    assert server.requests[1]["messages"][1]["content"][0] == {
        "type": "thinking",
        "thinking": "I should look",
        "signature": "signed",
    }


@pytest.mark.parametrize(
    ("status", "hint", "retryable"),
    [
        (400, "", False),
        (401, "check ATOMIC_AGENTS_OPENAI_KEY or OPENAI_API_KEY", False),
        (404, "atomic-agents models list", False),
        (429, "run it again in a moment", True),
        (500, "run it again in a moment", True),
    ],
)
def test_openai_saying_no_is_passed_on_in_its_own_words(status: int, hint: str, *, retryable: bool) -> None:
    with OpenAIServer([Reply("the model is on holiday", status=status, error_type="some_error")]) as server:
        error = failure(server)

    assert error.message == f"openai:gpt-5-mini answered {status}: the model is on holiday"
    assert error.hint == hint
    assert (error.context["status"], error.context["retryable"], error.context["billable"]) == (
        status,
        retryable,
        False,
    )


def test_an_empty_account_is_not_worth_a_second_try() -> None:
    with OpenAIServer([Reply("You exceeded your quota", status=429, error_type="insufficient_quota")]) as server:
        error = failure(server)

    assert error.context["retryable"] is False
    assert error.hint.startswith("top up the account")


def test_a_prompt_that_is_too_long_says_what_to_do() -> None:
    with AnthropicServer([Reply("prompt is too long: 250000 tokens > 200000 maximum", status=400)]) as server:
        error = failure(server)

    assert error.hint.startswith("shorten the work item")


def test_without_a_key_the_error_names_the_variables_and_the_ways_out() -> None:
    keyless = LibraryProvider(keys=lambda _: None, base_urls={})

    with pytest.raises(CredentialMissing) as caught:
        keyless.open("claude-haiku-4-5")

    assert caught.value.message == (
        "anthropic:claude-haiku-4-5 needs a key; set ATOMIC_AGENTS_ANTHROPIC_KEY or ANTHROPIC_API_KEY"
    )
    assert caught.value.hint.splitlines() == [
        "atomic-agents secrets set anthropic",
        "export ANTHROPIC_API_KEY=…",
        "--model embedded:quote  (needs nothing; quotes the vault)",
        "atomic-agents models list",
    ]


def test_a_server_on_this_machine_needs_no_key() -> None:
    with OpenAIServer("fine") as server:
        answer = provider(server, key=None).open("gpt-5-mini").ask(ASKED, lambda _: None)

    assert answer.text == "fine"


@pytest.mark.skipif(importlib.util.find_spec("boto3") is not None, reason="the package is installed")
def test_a_family_whose_package_is_missing_says_what_to_install() -> None:
    with pytest.raises(ModelUnknown) as caught:
        LibraryProvider(keys=lambda _: "k", base_urls={}).open("bedrock:some-model")

    assert caught.value.hint == "pip install 'atomic-agents-stack[bedrock]'"


def test_an_id_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ModelUnknown):
        LibraryProvider(keys=lambda _: "k", base_urls={}).open("nobody:nothing")


@pytest.mark.parametrize(("key", "availability"), [("k", "ready"), (None, "no-key")])
def test_checking_tells_whether_the_key_is_there(key: str | None, availability: str) -> None:
    offer = LibraryProvider(keys=lambda _: key, base_urls={}).check("gpt-5-mini")

    assert (offer.id, offer.availability) == ("openai:gpt-5-mini", availability)


def test_a_family_that_speaks_openai_is_opened_with_its_own_key() -> None:
    model = LibraryProvider(keys=lambda name: f"{name}-key", base_urls={}).open("deepseek:deepseek-chat")

    assert (model.id, model.local) == ("deepseek:deepseek-chat", False)


@pytest.mark.parametrize("family", ["openai", "anthropic"])
def test_the_connection_is_kept_between_calls_and_models(family: str) -> None:
    with WIRES[family].server("fine") as server:
        for model in (WIRES[family].model, WIRES[family].model, f"{WIRES[family].model}-other"):
            provider(server).open(model).ask(ASKED, lambda _: None)

    assert (len(server.requests), server.connections) == (3, 1)


def test_many_threads_ask_one_model_at_once() -> None:
    with OpenAIServer(lambda body: Reply(body["messages"][-1]["content"])) as server:
        model = provider(server).open("gpt-5-mini")

        def echoed(number: int) -> str:
            return model.ask(Request((), [Message("user", f"question {number}")]), lambda _: None).text

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(echoed, range(24)))

    assert answers == [f"question {number}" for number in range(24)]


def test_text_is_handed_over_in_the_thread_that_asks() -> None:
    threads: set[int] = set()
    with OpenAIServer("an answer in pieces") as server:
        provider(server).open("gpt-5-mini").ask(ASKED, lambda _: threads.add(threading.get_ident()))

    assert threads == {threading.get_ident()}


def test_a_process_that_asked_ends_without_a_word() -> None:
    code = (
        f"import sys\n{BUILDING.replace('base_urls={}', LISTENING)}\n"
        "from atomic_agents.core.model import Message, Request\n"
        "model = provider.open('gpt-5-mini')\n"
        "print(model.ask(Request((), [Message('user', 'hi')]), lambda _: None).text)"
    )
    with OpenAIServer("fine") as server:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-X", "dev", "-c", code, server.url],
            check=False,
            capture_output=True,
            text=True,
        )

    # On a busy machine asyncio says in this mode that a step took long.
    said = [line for line in done.stderr.splitlines() if not line.startswith("Executing <")]
    assert (done.returncode, done.stdout, said) == (0, "fine\n", [])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_ctrl_c_while_the_model_is_silent_ends_the_wait_at_once() -> None:
    code = (
        f"import sys\n{BUILDING.replace('base_urls={}', LISTENING)}\n"
        "from atomic_agents.core.model import Message, Request\n"
        "try:\n    provider.open('gpt-5-mini').ask(Request((), [Message('user', 'hi')]), lambda _: None)\n"
        "except KeyboardInterrupt:\n    print('interrupted')"
    )
    with OpenAIServer([Reply("never said", pause=60)]) as server:
        asking = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code, server.url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while not server.requests and asking.poll() is None:
            time.sleep(0.02)
        asking.send_signal(signal.SIGINT)
        out, err = asking.communicate(timeout=20)

    assert (asking.returncode, out, err) == (0, "interrupted\n", "")
