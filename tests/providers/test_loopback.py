import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from atomic_agents.core.errors import ModelUnknown, ProviderFailed
from atomic_agents.core.model import Message, Request, ToolCall, ToolSpec
from atomic_agents.providers.library import is_loopback
from atomic_agents.providers.loopback import LoopbackProvider
from atomic_agents.testing.provider_contract import Case, ProviderContract
from atomic_agents.testing.servers import OpenAIServer, Reply

WEATHER = ToolSpec("weather", "The weather", {"type": "object", "properties": {"city": {"type": "string"}}})
ASKED = Request(("be brief",), [Message("user", "hello")], [WEATHER], max_output_tokens=55)


class TestLoopback(ProviderContract):
    claimed = ("ollama:qwen3:4b", "ollama:library/llama3.2")
    building = (
        "from atomic_agents.providers.loopback import LoopbackProvider\n"
        "provider = LoopbackProvider({'ollama': 'http://127.0.0.1:11434/v1'})"
    )

    @contextmanager
    def scripted(self, *replies: Reply) -> Iterator[Case]:
        with OpenAIServer(replies, models=["qwen3:4b"]) as server:
            yield Case(LoopbackProvider({"ollama": server.url}), "ollama:qwen3:4b", ASKED)

    def speaking(self) -> AbstractContextManager[Case]:
        return self.scripted(Reply("an answer in pieces"))

    def calling(self) -> AbstractContextManager[Case]:
        return self.scripted(Reply(calls=[ToolCall("c", "weather", "{}")]), Reply("it is sunny"))

    def failing(self) -> AbstractContextManager[Case]:
        return self.scripted(Reply("model not found", status=404))


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_every_server_that_listens_is_asked_for_its_models() -> None:
    with OpenAIServer("", models=["qwen3:4b", "gemma"]) as one, OpenAIServer("", models=["phi"]) as other:
        gone = f"http://127.0.0.1:{unused_port()}"
        provider = LoopbackProvider({"ollama": one.url, "lmstudio": other.url.removesuffix("/v1"), "llamacpp": gone})
        offers = provider.offers()

    assert [offer.id for offer in offers] == ["ollama:qwen3:4b", "ollama:gemma", "lmstudio:phi"]


def test_a_server_that_says_nothing_offers_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        offers = LoopbackProvider({"ollama": f"http://127.0.0.1:{mute.getsockname()[1]}"}).offers()

    assert offers == []


def test_a_local_server_is_asked_without_a_key_and_costs_nothing() -> None:
    with OpenAIServer("fine") as server:
        model = LoopbackProvider({"ollama": server.url}).open("ollama:qwen3:4b")
        answer = model.ask(ASKED, lambda _: None)

    assert (model.id, model.local, answer.text) == ("ollama:qwen3:4b", True, "fine")
    assert (server.requests[0]["model"], server.requests[0]["max_tokens"]) == ("qwen3:4b", 55)
    assert server.headers[0]["authorization"] == "Bearer none"


def test_a_server_that_is_down_says_how_to_start_it() -> None:
    model = LoopbackProvider({"ollama": f"http://127.0.0.1:{unused_port()}/v1"}).open("ollama:qwen3:4b")

    with pytest.raises(ProviderFailed, match="could not be reached") as caught:
        model.ask(ASKED, lambda _: None)

    assert caught.value.hint == "ollama serve"


def test_a_model_that_is_not_there_says_how_to_fetch_it() -> None:
    with OpenAIServer([Reply("model not found", status=404)]) as server, pytest.raises(ProviderFailed) as caught:
        LoopbackProvider({"ollama": server.url}).open("ollama:qwen3:4b").ask(ASKED, lambda _: None)

    assert caught.value.hint == "ollama pull qwen3:4b"


def test_a_server_elsewhere_is_neither_asked_nor_free() -> None:
    provider = LoopbackProvider({"ollama": "http://192.0.2.1:11434/v1"})

    assert provider.offers() == []
    assert provider.check("ollama:qwen3").availability == "unreachable"
    with pytest.raises(ModelUnknown) as caught:
        provider.open("ollama:qwen3")
    assert caught.value.hint == "export OPENAI_BASE_URL=http://192.0.2.1:11434/v1"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8080/v1", True),
        ("http://localhost:1234", True),
        ("http://[::1]:1/v1", True),
        ("https://api.openai.com/v1", False),
        ("http://127.0.0.1.example.com", False),
        ("http://10.0.0.1", False),
        ("", False),
    ],
)
def test_only_this_machine_is_loopback(url: str, *, expected: bool) -> None:
    assert is_loopback(url) is expected
