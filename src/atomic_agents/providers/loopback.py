"""Models that another program serves on this machine: Ollama, LM Studio, llama.cpp's server."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from atomic_agents.core.errors import ModelUnknown
from atomic_agents.core.model import Offer
from atomic_agents.providers.asking import LibraryModel
from atomic_agents.providers.failures import Hints
from atomic_agents.providers.library import importing, is_loopback, openai_client

if TYPE_CHECKING:
    from pydantic_ai.models import Model as Engine

_LOOK_SECONDS = 0.3
_START = {
    "ollama": "ollama serve",
    "lmstudio": "lms server start",
    "llamacpp": "llama-server --model MODEL.gguf",
}
_FETCH = {"ollama": "ollama pull {model}", "lmstudio": "lms get {model}"}


class LoopbackProvider:
    """Models of `server:model` ids, `servers` being the base URL of each server by name; no key, no cost.

    A server that is not on this machine is refused: OPENAI_BASE_URL is the way to those, and its models have prices.
    """

    name = "loopback"

    def __init__(self, servers: Mapping[str, str]) -> None:
        self._servers = {name: _with_version(url) for name, url in servers.items()}

    def claims(self, model_id: str) -> bool:
        """Whether the id's prefix is one of the servers."""
        server, _, model = model_id.partition(":")
        return server in self._servers and bool(model)

    def check(self, model_id: str) -> Offer:
        """Ready as far as can be told without asking the server; `offers` asks."""
        server = model_id.partition(":")[0]
        if not self.claims(model_id) or not is_loopback(self._servers[server]):
            return Offer(model_id, "unreachable", "not a server on this machine")
        return Offer(model_id, "ready", f"if {self._servers[server]} is up")

    def open(self, model_id: str) -> LibraryModel:
        """The model, on a client that this process keeps warm; the server is first asked by `ask`.

        Raises:
            ModelUnknown: no such server, or one that is not on this machine.
        """
        if not self.claims(model_id):
            raise ModelUnknown(f"no local server knows the model {model_id}", hint="atomic-agents models list")
        server, _, model = model_id.partition(":")
        url = self._servers[server]
        if not is_loopback(url):
            raise ModelUnknown(f"{server} is at {url}, which is not this machine", hint=f"export OPENAI_BASE_URL={url}")
        hints = Hints(
            key=f"{server} at {url} asks for a key; export OPENAI_BASE_URL={url} and OPENAI_API_KEY",
            unreachable=_START.get(server, f"start the server at {url}"),
            unknown=_FETCH.get(server, "atomic-agents models list").format(model=model),
        )
        return LibraryModel(model_id, _engine(server, model, url), local=True, hints=hints)

    def offers(self) -> Sequence[Offer]:
        """What each server lists, all asked at once; a server that does not answer in 0.3 s offers nothing."""
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - only `models list` looks around

        near = [(name, url) for name, url in self._servers.items() if is_loopback(url)]
        if not near:
            return []
        with ThreadPoolExecutor(len(near)) as pool:
            found = pool.map(lambda server: _listed(*server), near)
            return [offer for offers in found for offer in offers]


def _with_version(url: str) -> str:
    base = url.rstrip("/")
    return base if base.endswith("/v1") else f"{base}/v1"


def _engine(server: str, model: str, url: str) -> "Engine":
    with importing():
        from pydantic_ai.models.openai import OpenAIChatModel  # noqa: PLC0415 - heavy
        from pydantic_ai.profiles.openai import OpenAIModelProfile  # noqa: PLC0415 - heavy
        from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider  # noqa: PLC0415 - heavy

    # `max_tokens` is the limit that every one of these servers honours.
    profile = OpenAIModelProfile(openai_chat_supports_max_completion_tokens=False)
    provider = OpenAICompatibleProvider(server, openai_client=openai_client(url, "none"))
    return OpenAIChatModel(model, provider=provider, profile=profile)


def _listed(server: str, url: str) -> list[Offer]:
    import http.client  # noqa: PLC0415 - only `models list` looks around

    target = urlsplit(url)
    connect = http.client.HTTPSConnection if target.scheme == "https" else http.client.HTTPConnection
    connection = connect(target.hostname or "", target.port, timeout=_LOOK_SECONDS)
    try:
        connection.request("GET", f"{target.path}/models")
        answer = connection.getresponse()
        body = json.loads(answer.read()) if answer.status == http.client.OK else {}
    except (OSError, http.client.HTTPException, ValueError):
        return []
    finally:
        connection.close()
    models = body.get("data") if isinstance(body, dict) else None
    names = [entry.get("id") for entry in models or [] if isinstance(entry, dict)] if isinstance(models, list) else []
    return [Offer(f"{server}:{name}", "ready", f"at {url}") for name in names if isinstance(name, str)]
