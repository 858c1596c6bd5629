"""Puts a row of the corpus to an adapter, and compares what comes of it with what is right."""

import http.server
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from decimal import Decimal

from atomic_agents.budget.prices import Prices
from atomic_agents.budget.usage import judge, most_tokens
from atomic_agents.core.errors import ProviderFailed
from atomic_agents.core.model import Answer, Provider, Request, Usage
from atomic_agents.core.values import Usd
from atomic_agents.providers.library import LibraryProvider
from atomic_agents.providers.loopback import LoopbackProvider
from atomic_agents.testing.loopback import Loopback
from atomic_agents.testing.provider_corpus.row import RATES, Expected, Row, Sent
from atomic_agents.testing.wires import WIRES


class ByteServer(Loopback):
    """Answers every question with exactly the bytes it was told to."""

    def __init__(self) -> None:
        self.replies: tuple[Sent, ...] = ()
        self.bodies: list[bytes] = []
        """The questions since it was last told what to send, in order."""
        super().__init__(_Listener(self))

    def send(self, *replies: Sent) -> None:
        """Answer the next questions with these in turn, and all that follow with the last one."""
        self.replies, self.bodies = replies, []

    def provider(self, family: str) -> Provider:
        """The provider that asks this server in the protocol of `family`."""
        versioned = f"{self.url}/v1"
        if family == "ollama":
            return LoopbackProvider({family: versioned})
        return LibraryProvider(keys=lambda _: "k", base_urls={family: versioned if family == "openai" else self.url})


class _Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, server: ByteServer) -> None:
        self.byte_server = server
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listener

    def do_POST(self) -> None:
        """One question."""
        server = self.server.byte_server
        server.bodies.append(self.rfile.read(int(self.headers["content-length"])))
        sent = server.replies[min(len(server.bodies), len(server.replies)) - 1]
        self.send_response(sent.status)
        for name, value in (("content-type", sent.content_type), *sent.headers):
            self.send_header(name, value)
        self.send_header("content-length", str(len(sent.body) + (100 if sent.cut else 0)))
        self.end_headers()
        self.wfile.write(sent.body)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What came of a row: an answer, with what of it counts, or a failure. `streamed` is what the reader was shown."""

    streamed: str
    cost: Usd
    answer: Answer | None = None
    usage: Usage = field(default_factory=Usage)
    doubted: bool = False
    failure: ProviderFailed | None = None


def observe(row: Row, family: str, server: ByteServer) -> Observed:
    """Have `server` send what the row says, and ask it through the adapter of `family`."""
    shown: list[str] = []
    quote = most_cost(row.request)
    server.send(row.sent)
    model = server.provider(family).open(WIRES[family].model)
    try:
        answer = model.ask(row.request, shown.append)
    except ProviderFailed as error:
        cost = quote if error.context["billable"] else Decimal(0)
        return Observed("".join(shown), cost, failure=error)
    judged = judge(row.request, answer)
    cost = _prices().cost("m", judged.usage) or Decimal(0)
    doubted = bool(judged.doubts) or cost > quote
    return Observed("".join(shown), min(cost, quote), answer, judged.usage, doubted)


def differences(expected: Expected, observed: Observed) -> list[str]:
    """Where what came is not what is right, each as a line; `ending` is for whole runs to show."""
    if expected.failure is not None or observed.failure is not None:
        return list(_in_failure(expected, observed))
    return list(_in_answer(expected, observed))


def most_cost(request: Request) -> Usd:
    """The reservation for a request, at the rates of the corpus."""
    most = _prices().most("m", input_tokens=most_tokens(request), output_tokens=request.max_output_tokens)
    return most or Decimal(0)


def _prices() -> Prices:
    return Prices({"m": RATES})


def _in_answer(expected: Expected, observed: Observed) -> Iterator[str]:
    answer = observed.answer or Answer("")
    came = {
        "text": answer.text,
        "calls": tuple((call.name, _canonical(call.arguments)) for call in answer.calls),
        "finish": answer.finish,
        "refusal": answer.refusal,
        "reasoning": answer.reasoning,
        "usage": observed.usage,
        "doubted": observed.doubted,
        "cost": observed.cost,
    }
    right: dict[str, object] = {each.name: getattr(expected, each.name) for each in fields(expected)}
    right["calls"] = tuple((name, _canonical(arguments)) for name, arguments in expected.calls)
    yield from (f"{name}: {value!r}, not {right[name]!r}" for name, value in came.items() if value != right[name])
    ids = [call.id for call in answer.calls]
    if len(set(ids)) < len(ids) or not all(ids):
        yield f"ids: {ids}"
    if expected.reasoning and expected.reasoning in observed.streamed and "</think>" not in observed.streamed:
        yield f"shown: {observed.streamed!r}"


def _in_failure(expected: Expected, observed: Observed) -> Iterator[str]:
    if observed.failure is None or expected.failure is None:
        yield f"failure: {observed.failure!r}, not {expected.failure!r}"
        return
    wanted, error = expected.failure, observed.failure
    if wanted.words not in error.message:
        yield f"words: {error.message!r}, not {wanted.words!r}"
    if wanted.unwanted and wanted.unwanted in f"{error.message}{error.hint}":
        yield f"unwanted: {error.message!r}"
    for name in ("status", "retryable", "retry_after", "billable"):
        if error.context.get(name) != getattr(wanted, name):
            yield f"{name}: {error.context.get(name)!r}, not {getattr(wanted, name)!r}"
    if observed.cost != expected.cost:
        yield f"cost: {observed.cost}, not {expected.cost}"


def _canonical(arguments: str) -> object:
    try:
        return ("JSON", json.dumps(json.loads(arguments), sort_keys=True))
    except ValueError:
        return arguments
