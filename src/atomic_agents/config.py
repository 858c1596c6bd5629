"""One frozen Config: every variable the program reads, named and described here and read once."""

import os
import re
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
    Variable(
        "ATOMIC_AGENTS_ROOT", "The vault: a folder. An address such as `postgresql://…` is refused.", "~/docs/agents"
    ),
    Variable("ATOMIC_AGENTS_CACHE_DIR", "Where installed model weights go.", "the user's cache folder"),
    Variable("ATOMIC_AGENTS_ANTHROPIC_KEY", "Key for Anthropic's models; read before ANTHROPIC_API_KEY."),
    Variable("ANTHROPIC_API_KEY", "Key for Anthropic's models."),
    Variable("ANTHROPIC_BASE_URL", "Another server that speaks Anthropic's protocol."),
    Variable("ATOMIC_AGENTS_OPENAI_KEY", "Key for OpenAI's models; read before OPENAI_API_KEY."),
    Variable("OPENAI_API_KEY", "Key for OpenAI's models."),
    Variable("OPENAI_BASE_URL", "Another server that speaks OpenAI's chat protocol."),
    Variable("GOOGLE_GEMINI_BASE_URL", "Another server that speaks Gemini's protocol."),
    Variable(
        "ATOMIC_AGENTS_<PROVIDER>_KEY", "Key for any other provider, its name in capitals; also <PROVIDER>_API_KEY."
    ),
    Variable("OLLAMA_HOST", "Where Ollama listens.", "http://127.0.0.1:11434"),
    Variable(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "A collector that takes OTLP over HTTP: each run is sent there as a trace, with the extra `otel`. It heeds the "
        "other standard variables of that exporter too: headers, certificates, compression, timeout.",
        "nothing is sent",
    ),
    Variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "The same, the whole URL, for traces alone."),
    Variable("OTEL_SERVICE_NAME", "The service that traces are of.", "atomic-agents"),
    Variable("OTEL_RESOURCE_ATTRIBUTES", "What else is said of it: `key=value`, by comma."),
    Variable("OTEL_SDK_DISABLED", "`true`: no traces."),
    Variable("OTEL_TRACES_EXPORTER", "`none`: no traces.", "otlp"),
    Variable(
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
        "`true`, `span_only` or `span_and_event`: traces carry what was said.",
        "they carry none of it",
    ),
    Variable("TZ", "The time zone of new schedules that state none.", "the machine's"),
    Variable("NO_COLOR", "Set to anything: no colour."),
)

_LOGIN = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]+:/+)[^\s'\"<>]*@")
_DATABASES = "(?:postgres|postgresql|mysql|mariadb|sqlite|redis|mongodb|jdbc)"
_ADDRESS = re.compile(rf"(?:^|/|[^\w+.-])(?:([A-Za-z][A-Za-z0-9+.-]+):/|({_DATABASES})[\w+.-]*:)", re.IGNORECASE)
"""`scheme://`, also where a program that handles paths has made one slash of the two; a drive has but one letter."""
_WITH_CONTENT = ("true", "span_only", "span_and_event")
_BASE_URLS = {
    "anthropic": "ANTHROPIC_BASE_URL",
    "openai": "OPENAI_BASE_URL",
    "google": "GOOGLE_GEMINI_BASE_URL",
}
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
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def cache_dir(self) -> Path:
        """Where installed model weights go."""
        import platformdirs  # noqa: PLC0415 - 5 ms that only local models need

        stated = self.environ.get("ATOMIC_AGENTS_CACHE_DIR")
        cache = stated or platformdirs.user_cache_dir("atomic-agents", appauthor=False)
        return _expand(cache, Path(self.environ.get("HOME") or Path.home()))

    @property
    def collector(self) -> str:
        """Where runs are to be sent as traces, "" where they are not."""
        if self._said("OTEL_SDK_DISABLED").lower() == "true" or self._said("OTEL_TRACES_EXPORTER").lower() == "none":
            return ""
        return self._said("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or self._said("OTEL_EXPORTER_OTLP_ENDPOINT")

    @property
    def traces_content(self) -> bool:
        """Whether traces carry what was said."""
        return self._said("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT").lower() in _WITH_CONTENT

    @property
    def time_zone(self) -> str:
        """The operator's time zone by its name; UTC where the machine does not tell it."""
        linked = os.path.realpath("/etc/localtime").partition("/zoneinfo/")[2]
        return self._said("TZ").removeprefix(":") or linked.removeprefix("posix/") or "UTC"

    def _said(self, variable: str) -> str:
        return self.environ.get(variable, "").strip()

    def variable(self, name: str) -> str | None:
        """An environment variable that a file of the operator's names, None where it is not set."""
        return self.environ.get(name) or None


def load(root: str | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Read the environment; `root` from the command line wins over `ATOMIC_AGENTS_ROOT`."""
    environ = dict(os.environ if environ is None else environ)
    home = Path(environ.get("HOME") or Path.home())
    chosen = root or environ.get("ATOMIC_AGENTS_ROOT") or "~/docs/agents"
    check_folder(chosen, "--root" if root else "ATOMIC_AGENTS_ROOT")
    servers = dict(_LOOPBACK)
    if host := environ.get("OLLAMA_HOST"):
        servers["ollama"] = f"{host if '://' in host else 'http://' + host}/v1"
    base_urls = {provider: value for provider, name in _BASE_URLS.items() if (value := environ.get(name, "").strip())}
    return Config(
        root=Path(os.path.abspath(_expand(chosen, home))),
        keys_file=home / ".config" / "atomic_agents" / "keys.json",
        base_urls=base_urls,
        loopback_servers=servers,
        environ=environ,
    )


def is_address(text: str) -> bool:
    """Whether a text that should name a folder is the address of something else."""
    return _ADDRESS.search(text) is not None


def without_password(text: str) -> str:
    """A text without the names and passwords that addresses in it hold before an `@`."""
    return _LOGIN.sub(r"\1…@", text)


def check_folder(text: str, named_by: str) -> None:
    """Refuse the address of a database or of another machine where a vault is named; what it holds is never shown.

    Raises:
        UsageError: with the address's scheme alone, as the rest may be a password.
    """
    found = _ADDRESS.search(text)
    if found:
        message = (
            f"{named_by} is an address, {(found[1] or found[2]).lower()}://…, and a vault is a folder in this version"
        )
        raise UsageError(message, hint=f"name a folder: {named_by}{' ' if named_by.startswith('-') else '='}PATH")


def _expand(path: str, home: Path) -> Path:
    return home / path[2:] if path.startswith("~/") else Path(path).expanduser()
