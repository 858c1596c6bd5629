"""Models behind a network, through pydantic-ai: Anthropic, OpenAI and what speaks like them, others by extra."""

import gc
import importlib
import importlib.util
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast
from urllib.parse import urlsplit

from atomic_agents.core.errors import CredentialMissing, ModelUnknown
from atomic_agents.core.model import Offer
from atomic_agents.providers.asking import LibraryModel
from atomic_agents.providers.failures import Hints
from atomic_agents.providers.stream import Close, background

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from httpx2 import AsyncClient
    from openai import AsyncOpenAI
    from pydantic_ai.models import Model as Engine
    from pydantic_ai.providers import Provider as TheirProvider

    _Client = TypeVar("_Client", AsyncAnthropic, AsyncOpenAI)

CONNECT_SECONDS = 10.0
READ_SECONDS = 300.0

_RETRIES = 0  # every attempt is reserved, recorded and counted by the loop, so no client makes one of its own

_OURS = "atomic-agents-stack"
_THEIRS = "pydantic-ai-slim"
_ANTHROPIC_URL = "https://api.anthropic.com"
_OPENAI_URL = "https://api.openai.com/v1"
_BARE = (
    (re.compile(r"claude-.+"), "anthropic"),
    (re.compile(r"(gpt-|chatgpt-).+|o[134](-.+)?"), "openai"),
)
_PROPOSED = (
    "anthropic:claude-sonnet-5-5",
    "anthropic:claude-haiku-5-5",
    "openai:gpt-6.1-terra",
    "openai:gpt-6-luna",
)


@dataclass(frozen=True, slots=True)
class _Family:
    """The package that a family of models needs, and the distribution whose extra brings it."""

    package: str
    distribution: str = _OURS
    needs_key: bool = True


# Prefixes that pydantic-ai knows. Those on `openai` speak OpenAI's protocol and need nothing more.
_FAMILIES: Mapping[str, _Family] = {
    "anthropic": _Family("anthropic"),
    "openai": _Family("openai"),
    "google": _Family("google.genai"),
    "groq": _Family("groq"),
    "mistral": _Family("mistralai"),
    "bedrock": _Family("boto3", needs_key=False),
    "cohere": _Family("cohere", _THEIRS),
    "huggingface": _Family("huggingface_hub", _THEIRS),
    "xai": _Family("xai_sdk", _THEIRS),
} | dict.fromkeys(
    ("alibaba", "cerebras", "deepseek", "fireworks", "github", "moonshotai", "openrouter", "together", "zai"),
    _Family("openai"),
)


_BEGINNINGS = {
    "sk-ant-": "anthropic", "sk-proj-": "openai", "sk-or-": "openrouter", "gsk_": "groq", "AIza": "google",
    "xai-": "xai", "hf_": "huggingface",
}  # fmt: skip
"""How the keys of those begin that can be told apart."""


class LibraryProvider:
    """Models of `provider:model` ids that pydantic-ai knows, and bare `claude-…`, `gpt-…`, `o3…` ids.

    `keys` gives a provider's key or None. `base_urls` may name other servers for `anthropic`, `openai` and `google`.
    """

    name = "library"

    def __init__(self, *, keys: Callable[[str], str | None], base_urls: Mapping[str, str]) -> None:
        self._keys = keys
        self._base_urls = base_urls

    def claims(self, model_id: str) -> bool:
        """Whether the id is bare and well known, or has a prefix that pydantic-ai knows."""
        return _split(model_id) is not None

    def check(self, model_id: str) -> Offer:
        """Whether the package is installed and the key is there; imports neither."""
        split = _split(model_id)
        if split is None:
            return Offer(model_id, "not-installed", "no provider knows this id")
        family, model = split
        full = f"{family}:{model}"
        if not _is_installed(_FAMILIES[family].package):
            return Offer(full, "not-installed", _pip(family))
        if self._key(family) is None:
            return Offer(full, "no-key", f"needs {_variables(family)}")
        if owner := self._owner(family):
            return Offer(full, "no-key", _mixed_up(family, owner))
        return Offer(full, "ready", self._base_urls.get(family, ""))

    def open(self, model_id: str) -> LibraryModel:
        """The model on a client that this process keeps warm.

        Raises:
            CredentialMissing: no key for it.
            ModelUnknown: no such family, or its package is not installed.
        """
        split = _split(model_id)
        if split is None:
            raise ModelUnknown(f"no provider knows the model {model_id}", hint="atomic-agents models list")
        family, model = split
        full = f"{family}:{model}"
        if not _is_installed(_FAMILIES[family].package):
            raise ModelUnknown(f"{full} needs the package {_FAMILIES[family].package}", hint=_pip(family))
        key = self._key(family)
        if key is None:
            raise _no_key(full, family)
        if owner := self._owner(family):
            raise CredentialMissing(_mixed_up(family, owner), hint=f"atomic-agents secrets set {family}\n"
                                    f"or ask the other: --model {owner}:…; atomic-agents models list")  # fmt: skip
        engine = _engine(family, model, key=key, base_url=self._base_urls.get(family))
        return LibraryModel(full, engine, local=False, hints=Hints(key=f"check {_variables(family)}"))

    def offers(self) -> Sequence[Offer]:
        """A few current models of the families whose packages come with the plain install."""
        return [self.check(model_id) for model_id in _PROPOSED]

    def _owner(self, family: str) -> str:
        """The other provider whose keys begin as this one does; "" for none, or where another server is asked."""
        key = self._keys(family) or ""
        begins = next((name for start, name in _BEGINNINGS.items() if key.startswith(start)), family)
        return "" if begins == family or family in self._base_urls else begins

    def _key(self, family: str) -> str | None:
        """The key; "none" where a server on this machine asks for none, "" where the package finds its own."""
        found = self._keys(family)
        if found is None and not _FAMILIES[family].needs_key:
            return ""
        if found is None and is_loopback(self._base_urls.get(family, "")):
            return "none"
        return found


def _mixed_up(family: str, owner: str) -> str:
    return f"the key for {family} begins like one of {owner}'s"


def is_loopback(url: str) -> bool:
    """Whether `url` points at this machine."""
    host = urlsplit(url).hostname or ""
    return host in {"localhost", "::1"} or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None


def openai_client(base_url: str, key: str) -> "AsyncOpenAI":
    """The warm client for that server and key, which speaks OpenAI's protocol."""
    from openai import AsyncOpenAI  # noqa: PLC0415 - heavy

    from atomic_agents.providers.openai_replies import OpenAIClient  # noqa: PLC0415 - heavy

    return _warm(AsyncOpenAI, OpenAIClient, base_url, key)


def anthropic_client(base_url: str, key: str) -> "AsyncAnthropic":
    """The warm client for that server and key, which speaks Anthropic's protocol."""
    from anthropic import AsyncAnthropic  # noqa: PLC0415 - heavy

    from atomic_agents.providers.anthropic_replies import AnthropicClient  # noqa: PLC0415 - heavy

    return _warm(AsyncAnthropic, AnthropicClient, base_url, key)


def _warm(client: "type[_Client]", transport: Callable[..., "AsyncClient"], base_url: str, key: str) -> "_Client":
    from httpx2 import Timeout  # noqa: PLC0415 - heavy

    def make() -> "tuple[_Client, Close]":
        timeout = Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
        http = transport(base_url=base_url, trust_env=_trusts(base_url), timeout=timeout)
        made = client(base_url=base_url, api_key=key, timeout=timeout, http_client=http, max_retries=_RETRIES)
        return made, made.close

    return background().keep((client, base_url, key), make)


def _openai_http(base_url: str) -> "AsyncClient":
    from httpx2 import Timeout  # noqa: PLC0415 - heavy

    from atomic_agents.providers.openai_replies import OpenAIClient  # noqa: PLC0415 - heavy

    return OpenAIClient(trust_env=_trusts(base_url), timeout=Timeout(READ_SECONDS, connect=CONNECT_SECONDS))


def preload(model_ids: Iterable[str]) -> None:
    """Import what those models are asked with; no client, no thread, no key."""
    families = {split[0] for split in map(_split, model_ids) if split}
    with importing():
        for family in sorted(families & {"anthropic", "openai"}):
            importlib.import_module(f"pydantic_ai.models.{family}")
            importlib.import_module(f"pydantic_ai.providers.{family}")


@contextmanager
def importing() -> Iterator[None]:
    """Import thousands of classes without the collector walking all of them again and again."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _trusts(base_url: str) -> bool:
    return not is_loopback(base_url)  # a proxy from the environment does not know this machine


def _engine(family: str, model: str, *, key: str, base_url: str | None) -> "Engine":
    with importing():
        if family == "anthropic":
            return _anthropic(model, key=key, base_url=base_url or _ANTHROPIC_URL)
        if family == "openai":
            return _openai(model, key=key, base_url=base_url or _OPENAI_URL)
        make = partial(_other, family, model, key=key, base_url=base_url)
        return background().keep((family, model, key, base_url), make)


def _anthropic(model: str, *, key: str, base_url: str) -> "Engine":
    from pydantic_ai.models.anthropic import AnthropicModel  # noqa: PLC0415 - heavy
    from pydantic_ai.providers.anthropic import AnthropicProvider  # noqa: PLC0415 - heavy

    return AnthropicModel(model, provider=AnthropicProvider(anthropic_client=anthropic_client(base_url, key)))


def _openai(model: str, *, key: str, base_url: str) -> "Engine":
    from pydantic_ai.models.openai import OpenAIChatModel  # noqa: PLC0415 - heavy
    from pydantic_ai.providers.openai import OpenAIProvider  # noqa: PLC0415 - heavy

    return OpenAIChatModel(model, provider=OpenAIProvider(openai_client=openai_client(base_url, key)))


def _other(family: str, model: str, *, key: str, base_url: str | None) -> "tuple[Engine, Close]":
    from pydantic_ai.exceptions import UserError  # noqa: PLC0415 - heavy
    from pydantic_ai.models import infer_model  # noqa: PLC0415 - heavy
    from pydantic_ai.providers import infer_provider, infer_provider_class  # noqa: PLC0415 - heavy

    client_of_ours = _openai_http(base_url or _OPENAI_URL) if _FAMILIES[family].package == "openai" else None

    def provider(name: str) -> "TheirProvider[object]":
        make = cast("Callable[..., TheirProvider[object]]", infer_provider_class(name))
        options: dict[str, object] = {"base_url": base_url} if base_url else {}
        if client_of_ours is not None:
            options["http_client"] = client_of_ours
        return make(api_key=key, **options) if key else infer_provider(name)

    full = f"{family}:{model}"
    try:
        engine = infer_model(full, provider)
        background().submit(engine.__aenter__()).result()
        client = getattr(engine, "client", None)
        if client is not None and hasattr(client, "max_retries"):
            client.max_retries = _RETRIES
    except UserError as error:
        raise CredentialMissing(f"{full}: {error}", hint=_ways_out(family), context={"model": full}) from error
    except ImportError as error:
        raise ModelUnknown(f"{full}: {error}", hint=_pip(family)) from error

    async def close() -> None:
        await engine.__aexit__(None, None, None)
        if client_of_ours is not None:
            await client_of_ours.aclose()

    return engine, close


def _split(model_id: str) -> tuple[str, str] | None:
    """The family and the model's name in it."""
    prefix, colon, rest = model_id.partition(":")
    if colon:
        return (prefix, rest) if prefix in _FAMILIES and rest else None
    return next(((family, model_id) for pattern, family in _BARE if pattern.fullmatch(model_id)), None)


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def _pip(family: str) -> str:
    return f"pip install '{_FAMILIES[family].distribution}[{family}]'"


def _variables(family: str) -> str:
    name = family.upper().replace("-", "_")
    return f"ATOMIC_AGENTS_{name}_KEY or {name}_API_KEY"


def _no_key(full: str, family: str) -> CredentialMissing:
    return CredentialMissing(
        f"{full} needs a key; set {_variables(family)}", hint=_ways_out(family), context={"model": full}
    )


def _ways_out(family: str) -> str:
    name = family.upper().replace("-", "_")
    free = "--model embedded:quote  (needs nothing; quotes the vault)\natomic-agents models list"
    return f"atomic-agents secrets set {family}\nexport {name}_API_KEY=…\n{free}"
