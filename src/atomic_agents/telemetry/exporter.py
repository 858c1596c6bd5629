"""Sends spans to a collector from a thread of its own, so that no run waits for it and none fails by it."""

import logging
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from atomic_agents.telemetry import spans
from atomic_agents.telemetry.names import PROVIDERS_WITHIN, Name, Operation
from atomic_agents.telemetry.spans import Span

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan

_SCOPE = "atomic_agents"
_SENDER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
_PATIENCE = 2.0  # seconds that a process which ends gives a collector that has not answered yet


def is_installed() -> bool:
    """Whether the extra `otel` is."""
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False


class Exporter:
    """Sends runs that have ended to `collector`. `content` says whether spans carry what was said.

    Where exactly, and how it is spoken to, OpenTelemetry's own exporter reads from the standard variables.
    """

    def __init__(self, collector: str, *, version: str, content: bool) -> None:
        self._collector = collector
        self._version = version
        self._content = content
        self._queue: queue.SimpleQueue[tuple[str, str, Sequence[spans.Event]]] = queue.SimpleQueue()
        self._change = threading.Condition()
        self._under_way = 0
        self._trouble = ""
        self._worker: threading.Thread | None = None

    def export(self, run_id: str, root: str, events: Sequence[spans.Event]) -> None:
        """Send a run that has ended, soon; `root` is the run at the top of those that led to it, or itself."""
        with self._change:
            self._under_way += 1
            if self._worker is None or not self._worker.is_alive():  # a forked child has no thread but its own
                self._worker = threading.Thread(target=self._work, name="traces", daemon=True)
                self._worker.start()
        self._queue.put((run_id, root, events))

    def flush(self) -> tuple[str, ...]:
        """Wait until everything is sent, 2 s at most and no longer than until something goes wrong; say what did."""
        with self._change:
            done = self._change.wait_for(lambda: self._trouble or not self._under_way, _PATIENCE)
            trouble = self._trouble if done else f"no answer in {_PATIENCE:.0f} s"
            self._trouble = ""
        return (f"the run was not sent as a trace to {self._collector}: {trouble}",) if trouble else ()

    def _work(self) -> None:
        while True:
            run_id, root, events = self._queue.get()
            try:
                found = spans.of(run_id, root, events, content=self._content)
                with _heard(self._say):
                    sent = self._send(found)
            except Exception as error:  # noqa: BLE001 - whatever it is, no run fails by it, and it is said
                sent = False
                self._say(_innermost(error))
            with self._change:
                self._under_way -= 1
                if sent:
                    self._trouble = ""
                self._change.notify_all()

    def _send(self, found: Sequence[Span]) -> bool:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - 120 ms
        from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult  # noqa: PLC0415 - the same

        exporter: SpanExporter = OTLPSpanExporter()
        try:
            resource = _resource(self._version)
            result = exporter.export([_readable(span, resource, self._version) for span in found])
        finally:
            exporter.shutdown()
        return result is SpanExportResult.SUCCESS

    def _say(self, trouble: str) -> None:
        with self._change:
            self._trouble = trouble
            self._change.notify_all()


class _Ear(logging.Handler):
    """Hears why something could not be sent: OpenTelemetry's exporter tells nobody but its log."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        reasons = [arg for arg in record.args if isinstance(arg, BaseException)] if record.args else []
        self._say(_innermost(reasons[0]) if reasons else record.getMessage())


@contextmanager
def _heard(say: Callable[[str], None]) -> Iterator[None]:
    logger, ear = logging.getLogger(_SENDER), _Ear(say)
    logger.addHandler(ear)
    try:
        yield
    finally:
        logger.removeHandler(ear)


def _innermost(error: BaseException) -> str:
    """The reason at the bottom: HTTP libraries wrap `Connection refused` in several sentences."""
    while (deeper := error.__cause__ or error.__context__) is not None and str(deeper):
        error = deeper
    plain = error.strerror if isinstance(error, OSError) else ""
    return plain or " ".join(str(error).split()) or type(error).__name__


def _resource(version: str) -> "Resource":
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415 - heavy

    ours = Resource({"service.name": "atomic-agents", "service.version": version})
    return ours.merge(OTELResourceDetector().detect())


def _readable(span: Span, resource: "Resource", version: str) -> "ReadableSpan":
    from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415 - heavy
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope  # noqa: PLC0415 - heavy
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags  # noqa: PLC0415 - heavy

    def context(span_id: int) -> SpanContext:
        return SpanContext(span.trace, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))

    leaves = span.operation is Operation.MODEL and span.attributes[Name.PROVIDER] not in PROVIDERS_WITHIN
    return ReadableSpan(
        name=span.name,
        context=context(span.id),
        parent=context(span.parent) if span.parent else None,
        resource=resource,
        attributes=span.attributes,
        kind=SpanKind.CLIENT if leaves else SpanKind.INTERNAL,
        status=Status(StatusCode.ERROR, span.error) if span.error else Status(),
        start_time=span.start,
        end_time=span.end,
        instrumentation_scope=InstrumentationScope(_SCOPE, version),
    )
