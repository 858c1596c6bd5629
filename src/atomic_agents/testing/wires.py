"""Every wire format that models are spoken to in: a server on loopback that speaks it, and the provider that asks."""

from collections.abc import Mapping
from dataclasses import dataclass

from atomic_agents.core.model import Model, Provider
from atomic_agents.providers.library import LibraryProvider
from atomic_agents.providers.loopback import LoopbackProvider
from atomic_agents.testing.servers import AnthropicServer, CompatibleServer, GeminiServer, ModelServer, OpenAIServer


@dataclass(frozen=True, slots=True)
class Wire:
    """A wire format; `fallback` is another model that its server answers for."""

    family: str
    server: type[ModelServer]
    model: str
    fallback: str

    @property
    def is_installed(self) -> bool:
        """Whether the package that speaks it is."""
        library = LibraryProvider(keys=lambda _: "k", base_urls={})
        return not library.claims(self.model) or library.check(self.model).availability == "ready"

    def provider(self, server: ModelServer, key: str | None = "k") -> Provider:
        """The provider of the family's models, which asks `server`."""
        if self.server is CompatibleServer:
            return LoopbackProvider({self.family: server.url})
        return LibraryProvider(keys=lambda _: key, base_urls={self.family: server.url})

    def open(self, server: ModelServer) -> Model:
        """The model, which asks `server`."""
        return self.provider(server).open(self.model)


ANTHROPIC = Wire("anthropic", AnthropicServer, "anthropic:claude-haiku-4-5", "anthropic:claude-sonnet-5-5")
OPENAI = Wire("openai", OpenAIServer, "openai:gpt-5-mini", "openai:gpt-5-nano")
COMPATIBLE = Wire("ollama", CompatibleServer, "ollama:qwen3:4b", "ollama:qwen3:1b")
GEMINI = Wire("google", GeminiServer, "google:gemini-2.5-flash", "google:gemini-2.5-pro")

WIRES: Mapping[str, Wire] = {wire.family: wire for wire in (ANTHROPIC, OPENAI, COMPATIBLE, GEMINI)}
