import gzip
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from atomic_agents import config
from atomic_agents.bootstrap import open_workspace
from atomic_agents.core.change import Put
from atomic_agents.core.model import ToolCall, Usage
from atomic_agents.telemetry import names
from atomic_agents.testing.deeds import apply
from atomic_agents.testing.loopback import Loopback
from atomic_agents.testing.servers import OpenAIServer, Reply
from atomic_agents.testing.shell import Shell
from atomic_agents.vault import layout

pytest.importorskip("opentelemetry.sdk", reason="needs the extra [otel]")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="needs the extra [otel]")

CLIENT, INTERNAL, ERROR = 3, 1, 2
CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


class Collector(Loopback):
    """Takes OTLP over HTTP as collectors do: `spans` are those that came, `headers` those of the last request."""

    def __init__(self, status: int = 200) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        self.requests: list[ExportTraceServiceRequest] = []
        self.headers: dict[str, str] = {}
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.headers = {name.lower(): value for name, value in self.headers.items()}
                packed = self.headers.get("content-encoding") == "gzip"
                assert self.path == "/v1/traces"
                collector.requests.append(
                    ExportTraceServiceRequest.FromString(gzip.decompress(body) if packed else body)
                )
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                """Say nothing."""

        super().__init__(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))

    @property
    def spans(self) -> list[Any]:
        return [
            span
            for request in self.requests
            for of_resource in request.resource_spans
            for of_scope in of_resource.scope_spans
            for span in of_scope.spans
        ]

    @property
    def resource(self) -> dict[str, object]:
        return attributes(self.requests[-1].resource_spans[0].resource)

    def span(self, name: str) -> Any:
        (found,) = [span for span in self.spans if span.name == name]
        return found


def attributes(of: Any) -> dict[str, object]:
    found = {}
    for pair in of.attributes:
        kind = pair.value.WhichOneof("value")
        value = getattr(pair.value, kind)
        found[pair.key] = [each.string_value for each in value.values] if kind == "array_value" else value
    return found


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        yield server


def sending(shell: Shell, url: str, **more: str) -> Shell:
    return Shell(shell.root, shell.home, {**shell.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": url, **more})


@pytest.fixture
def quoting(shell: Shell) -> Shell:
    """An agent without a key that knows when beans are watered."""
    shell("init", "scout", "--model", "embedded:quote")
    shell("run", "scout", "--work-item", "remember: the beans are watered on Tuesdays")
    return shell


def ask(shell: Shell) -> Any:
    done = shell("run", "scout", "--work-item", "When are the beans watered?", "--json")
    assert done.code == 0, done.err
    return done.value


def test_a_run_arrives_at_the_collector_with_its_request_below_it(quoting: Shell, collector: Collector) -> None:
    value = ask(sending(quoting, collector.url))

    run, asked = collector.span("invoke_agent scout"), collector.span("chat quote")
    assert (run.parent_span_id, asked.parent_span_id) == (b"", run.span_id)
    assert run.trace_id == asked.trace_id
    assert (run.kind, asked.kind) == (INTERNAL, INTERNAL)
    assert run.start_time_unix_nano <= asked.start_time_unix_nano <= asked.end_time_unix_nano <= run.end_time_unix_nano
    assert attributes(run)["atomic_agents.run_id"] == value["run_id"]
    assert (collector.resource["service.name"], collector.headers["content-type"]) == (
        "atomic-agents",
        "application/x-protobuf",
    )
    assert not re.search("beans|Tuesdays", str(collector.requests))


def test_what_was_said_is_sent_where_the_standard_option_asks_for_it(quoting: Shell, collector: Collector) -> None:
    ask(sending(quoting, collector.url, **{CAPTURE: "true"}))

    assert "When are the beans watered?" in str(attributes(collector.span("chat quote"))["gen_ai.input.messages"])


def test_the_standard_variables_are_heeded(quoting: Shell, collector: Collector) -> None:
    ask(
        sending(
            quoting, "http://127.0.0.1:1", OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{collector.url}/v1/traces",
            OTEL_SERVICE_NAME="garden", OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=home",
            OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20x", OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
        )
    )  # fmt: skip

    assert collector.resource["service.name"] == "garden"
    assert collector.resource["deployment.environment.name"] == "home"
    assert (collector.headers["authorization"], collector.headers["content-encoding"]) == ("Bearer x", "gzip")


@pytest.mark.parametrize("off", [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}])
def test_nothing_is_sent_where_it_is_turned_off(quoting: Shell, collector: Collector, off: dict[str, str]) -> None:
    ask(sending(quoting, collector.url, **off))

    assert collector.requests == []


def test_requests_tools_failures_and_costs_are_spans(shell: Shell, collector: Collector) -> None:
    replies = [
        Reply("busy", status=529, error_type="x"),
        Reply(calls=[ToolCall("c1", "recall", '{"query": "beans"}'), ToolCall("c2", "fly", "{}")]),
        Reply("On Tuesdays.", usage=Usage(4_000, 20)),
    ]
    with OpenAIServer(replies) as server:
        keyed = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": server.url}
        told = sending(Shell(shell.root, shell.home, keyed), collector.url)
        told("init", "scout", "--model", "openai:gpt-5-mini")
        value = ask(told)

    run = attributes(collector.span("invoke_agent scout"))
    failed, wants, says = [span for span in collector.spans if span.name == "chat gpt-5-mini"]
    assert (failed.status.code, attributes(failed)["error.type"]) == (ERROR, "529")
    assert failed.status.message == "openai:gpt-5-mini answered 529: busy"
    assert says.kind == CLIENT
    assert attributes(wants)["gen_ai.response.finish_reasons"] == ["tool_calls"]
    assert attributes(says)["gen_ai.usage.input_tokens"] == 4_000
    costs = [float(str(attributes(span)["atomic_agents.cost_usd"])) for span in (failed, wants, says)]
    assert run["atomic_agents.cost_usd"] == pytest.approx(sum(costs)) == pytest.approx(value["cost_usd"])
    assert attributes(collector.span("execute_tool recall"))["gen_ai.tool.call.id"] == "c1"
    assert collector.span("execute_tool fly").status.code == ERROR


@contextmanager
def mute() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@contextmanager
def gone() -> Iterator[str]:
    with mute() as url:
        pass
    yield url


@contextmanager
def refusing() -> Iterator[str]:
    with Collector(401) as server:
        yield server.url


@pytest.mark.parametrize(
    ("server", "why"), [(gone, "Connection refused"), (mute, "no answer in 2 s"), (refusing, "401")]
)
def test_a_collector_that_is_no_good_costs_no_run_and_is_said(quoting: Shell, server: Any, why: str) -> None:
    with server() as url:
        told = sending(quoting, url)
        done = told("run", "scout", "--work-item", "When are the beans watered?")

    assert done.code == 0
    assert "Tuesdays" in done.out
    (said,) = [line for line in done.err.splitlines() if "trace" in line]
    assert said.startswith(f"warning: the run was not sent as a trace to {url}: ")
    assert why in said


def test_a_run_whose_process_died_is_sent_by_whoever_closes_it(shell: Shell, collector: Collector) -> None:
    with OpenAIServer([Reply("a slow answer in many pieces", pause=5)]) as server:
        keyed = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": server.url}
        told = sending(Shell(shell.root, shell.home, keyed), collector.url)
        told("init", "scout", "--model", "openai:gpt-5-mini")
        process = told.start("run", "scout", "--work-item", "go")
        while not server.requests:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
        process.communicate()
        told("info", "scout")

    run, asked = collector.span("invoke_agent scout"), collector.span("chat gpt-5-mini")
    assert attributes(run)["atomic_agents.status"] == "crashed"
    assert (run.status.code, asked.status.message) == (ERROR, "it was never answered")


def test_a_child_is_in_the_trace_of_the_run_that_its_transcript_names(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    workspace = open_workspace(config.load(str(tmp_path)))
    ids = {agent: f"run-20261122-120000-000000-0000000{agent}" for agent in "abc"}
    for agent, above in (("a", ""), ("b", "a"), ("c", "b")):
        started = {"event": "started", "agent": agent, "model": "scripted:m"}
        started |= {"parent_run_id": ids[above], "parent_agent": above} if above else {}
        lines = ({"ts": "2026-11-22T12:00:00+00:00", **event} for event in (started, {"event": "closed"}))
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        apply(workspace.store, Put(layout.run_transcript(agent, ids[agent]), text.encode()))

    for agent in "cba":
        workspace.export_run(agent, ids[agent])

    assert workspace.notices() == ()
    one, two, three = (collector.span(f"invoke_agent {agent}") for agent in "abc")
    assert one.trace_id == two.trace_id == three.trace_id
    assert (two.parent_span_id, three.parent_span_id) == (one.span_id, two.span_id)


def test_a_command_that_sends_nothing_imports_nothing_for_it(quoting: Shell) -> None:
    code = (
        "import sys\nfrom atomic_agents.__main__ import main\n"
        f"sys.argv = ['a', 'run', 'scout', '--root', {str(quoting.root)!r}, '--work-item', 'beans?']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'atomic_agents.telemetry'))])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


def test_every_name_of_the_conventions_is_one_that_they_have() -> None:
    from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as theirs

    known = {value for name, value in vars(theirs).items() if name.startswith("GEN_AI_")} | {"error.type"}
    ours = {str(name) for name in names.Name if not name.startswith("atomic_agents.")}

    assert ours - known == set()
