"""One frozen Config: every variable the program reads, named and described here and read once."""

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from atomic_agents.core.errors import UsageError


class Variable(NamedTuple):
    """An environment variable: what it does, and what holds without it."""

    name: str
    meaning: str
    default: str = ""


VARIABLES = (
    Variable("ATOMIC_AGENTS_ROOT", "The vault: a folder.", "~/docs/agents"),
    Variable("ATOMIC_AGENTS_CACHE_DIR", "Where installed model weights go.", "the user's cache folder"),
    Variable("ATOMIC_AGENTS_ANTHROPIC_KEY", "Key for Anthropic's models; read before ANTHROPIC_API_KEY."),
    Variable("ANTHROPIC_API_KEY", "Key for Anthropic's models."),
    Variable("ANTHROPIC_BASE_URL", "Another server that speaks Anthropic's protocol."),
    Variable("ATOMIC_AGENTS_OPENAI_KEY", "Key for OpenAI's models; read before OPENAI_API_KEY."),
    Variable("OPENAI_API_KEY", "Key for OpenAI's models."),
    Variable("OPENAI_BASE_URL", "Another server that speaks OpenAI's chat protocol."),
    Variable(
        "ATOMIC_AGENTS_<PROVIDER>_KEY", "Key for any other provider, its name in capitals; also <PROVIDER>_API_KEY."
    ),
    Variable("OLLAMA_HOST", "Where Ollama listens.", "http://127.0.0.1:11434"),
    Variable("NO_COLOR", "Set to anything: no colour."),
)

_SECRET_NAMES = ("KEY", "TOKEN", "SECRET", "PASSWORD")
_SHORTEST_SECRET = 8
_LOOPBACK = {
    "ollama": "http://127.0.0.1:11434/v1",
    "lmstudio": "http://127.0.0.1:1234/v1",
    "llamacpp": "http://127.0.0.1:8080/v1",
}


@dataclass(frozen=True, slots=True)
class Config:
    """What the environment and the command line say, resolved; nothing below the doors reads the environment again."""

    root: Path
    keys_file: Path
    base_urls: Mapping[str, str] = field(default_factory=dict)
    loopback_servers: Mapping[str, str] = field(default_factory=lambda: dict(_LOOPBACK))
    _environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def cache_dir(self) -> Path:
        """Where installed model weights go."""
        import platformdirs  # noqa: PLC0415 - 5 ms that only local models need

        stated = self._environ.get("ATOMIC_AGENTS_CACHE_DIR")
        cache = stated or platformdirs.user_cache_dir("atomic-agents", appauthor=False)
        return _expand(cache, Path(self._environ.get("HOME") or Path.home()))

    def key(self, provider: str) -> str | None:
        """The key for `provider`, or None: the environment first, then the keys file."""
        name = provider.upper().replace("-", "_")
        for variable in (f"ATOMIC_AGENTS_{name}_KEY", f"{name}_API_KEY"):
            if value := self._environ.get(variable, "").strip():
                return value
        return self._file_keys().get(provider)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be written down: the keys, and what variables hold whose names end like one.

        Short ones are left out. Each is there also as JSON spells it, and the longest come first, so that one which
        holds another is blacked out whole.
        """
        values = [value for name, value in self._environ.items() if name.upper().endswith(_SECRET_NAMES)]
        with contextlib.suppress(UsageError):  # who needs a key from the file is told that it cannot be read
            values += self._file_keys().values()
        long = {value.strip() for value in values if len(value.strip()) >= _SHORTEST_SECRET}
        spelled = long | {json.dumps(value, ensure_ascii=False)[1:-1] for value in long}
        return tuple(sorted(spelled, key=lambda value: (-len(value), value)))

    def _file_keys(self) -> dict[str, str]:
        try:
            found = json.loads(self.keys_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise UsageError(f"{self.keys_file}: {error}", hint=f"correct or remove {self.keys_file}") from error
        if not isinstance(found, dict):
            raise UsageError(f"{self.keys_file}: a JSON object of keys by provider is needed")
        return {str(name): str(value) for name, value in found.items() if str(value).strip()}


def load(root: str | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Read the environment; `root` from the command line wins over `ATOMIC_AGENTS_ROOT`."""
    environ = dict(os.environ if environ is None else environ)
    home = Path(environ.get("HOME") or Path.home())
    chosen = root or environ.get("ATOMIC_AGENTS_ROOT") or "~/docs/agents"
    servers = dict(_LOOPBACK)
    if host := environ.get("OLLAMA_HOST"):
        servers["ollama"] = f"{host if '://' in host else 'http://' + host}/v1"
    base_urls = {
        provider: value
        for provider in ("anthropic", "openai")
        if (value := environ.get(f"{provider.upper()}_BASE_URL", "").strip())
    }
    return Config(
        root=Path(os.path.abspath(_expand(chosen, home))),
        keys_file=home / ".config" / "atomic_agents" / "keys.json",
        base_urls=base_urls,
        loopback_servers=servers,
        _environ=environ,
    )


def _expand(path: str, home: Path) -> Path:
    return home / path[2:] if path.startswith("~/") else Path(path).expanduser()
