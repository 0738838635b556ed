"""Spans by OpenTelemetry's SDK, exported in batches by a thread of its own over OTLP/HTTP. Imported only when it is wanted."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)
from opentelemetry.trace import Span as SdkSpan

from gateway.runtime.failure_shield import harmless
from gateway.runtime.lean_imports import import_structlog
from gateway.runtime.logs import once_in
from gateway.runtime.otlp_session import exporting_session
from gateway.runtime.traces import Attributes, SpanSide
from gateway.text.trace_context import TraceContext
from gateway.version import __version__

SERVICE: Final = "recording-gateway"
CLOSE_SECONDS: Final = 2.0  # for the last export; a collector that does not answer holds up nobody's end
_KINDS: Final = {"server": SpanKind.SERVER, "client": SpanKind.CLIENT}

log = import_structlog().get_logger("gateway.traces")
_once: Final = once_in(60.0)


class OtelSpan:
    """One span of the SDK's."""

    __slots__ = ("_span", "context")

    def __init__(self, span: SdkSpan) -> None:
        self._span = span
        about = span.get_span_context()
        self.context = TraceContext(
            f"{about.trace_id:032x}", f"{about.span_id:016x}", int(about.trace_flags), about.trace_state.to_header()
        )

    @harmless
    def note(self, name: str, attributes: Attributes) -> None:
        self._span.add_event(name, dict(attributes))

    @harmless
    def describe(self, attributes: Attributes) -> None:
        self._span.set_attributes(dict(attributes))

    @harmless
    def fail(self, why: str) -> None:
        self._span.set_attribute("error.type", why)
        self._span.set_status(Status(StatusCode.ERROR, why))

    @harmless
    def end(self) -> None:
        self._span.end()


class OtelTraces:
    """One a gateway: a provider of its own, because what runs beside it in the process may have another."""

    on = True

    def __init__(self, exporter: SpanExporter | None = None) -> None:
        """`exporter` is for tests; without it the variables of the environment say where spans go."""
        self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter(session=exporting_session())))
        self._tracer = self._provider.get_tracer("recording_gateway", __version__)

    def start(
        self,
        name: str,
        kind: SpanSide,
        parent: TraceContext | None,
        attributes: Attributes,
        links: Sequence[TraceContext] = (),
    ) -> OtelSpan | None:
        """A span; None where the SDK fails, which is said once a minute."""
        try:
            return OtelSpan(
                self._tracer.start_span(
                    name,
                    # never the SDK's own current span, which is that of whoever embeds the gateway
                    Context() if parent is None else _remote(parent),
                    _KINDS[kind],
                    dict(attributes),
                    [Link(_span_context(link)) for link in links],
                    record_exception=False,
                    set_status_on_exception=False,
                )
            )
        except Exception:
            if (quiet := _once("span")) is not None:
                log.exception("span_failed", span=name, quiet=quiet)
            return None

    async def close(self) -> None:
        """Export what is left, for two seconds; then the thread is left behind, and ends with the process."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def shut() -> None:
            try:
                self._provider.shutdown()
            except Exception:
                log.exception("traces_not_closed")
            try:
                loop.call_soon_threadsafe(done.set)
            except RuntimeError:  # the loop did not wait, and is closed
                return

        threading.Thread(target=shut, name="traces: last export", daemon=True).start()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await done.wait()
        except TimeoutError:
            log.warning("traces_not_exported", seconds=CLOSE_SECONDS)


def _resource() -> Resource:
    """What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say, and our own names where they say nothing."""
    ours = {
        "service.name": SERVICE,
        "service.version": __version__,
        "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
    }
    stated = Resource.create({}).attributes
    unnamed = str(stated.get("service.name", "")).startswith("unknown_service")
    return Resource.create(
        {name: value for name, value in ours.items() if name not in stated or (name == "service.name" and unnamed)}
    )


def _span_context(context: TraceContext) -> SpanContext:
    return SpanContext(
        int(context.trace_id, 16),
        int(context.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(context.flags),
        trace_state=TraceState.from_header([context.state]) if context.state else TraceState(),
    )


def _remote(context: TraceContext) -> Context:
    return set_span_in_context(NonRecordingSpan(_span_context(context)), Context())
