"""Traces: whether the environment asks for them, what a span is to the gateway, and which one an attempt runs under.

The names of the variables and what they mean are OpenTelemetry's; docs/tracing.md lists those that count here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Final, Literal, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from gateway.extras import missing
from gateway.runtime.lean_imports import import_structlog
from gateway.text.redaction import learn_secret
from gateway.text.trace_context import TraceContext

EXTRA: Final = "otel"
MODULES: Final = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
HEADERS: Final = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
RATIO_SAMPLERS: Final = ("traceidratio", "parentbased_traceidratio")
SAMPLERS: Final = (
    "always_on",
    "always_off",
    "parentbased_always_on",
    "parentbased_always_off",
    *RATIO_SAMPLERS,
)
SECRET_CHARS_MIN: Final = 8  # characters of a header's value that is masked from now on wherever it stands

Attributes = Mapping[str, str | int | float | bool]
Kind = Literal["server", "client"]

log = import_structlog().get_logger("gateway.traces")


class Span(Protocol):
    """Something that takes a while. None of its methods raises or waits."""

    @property
    def context(self) -> TraceContext:
        """What is its child continues this."""

    def note(self, name: str, attributes: Attributes) -> None:
        """Something happened in it now."""

    def describe(self, attributes: Attributes) -> None:
        """Say more about it."""

    def fail(self, why: str) -> None:
        """It ended badly: `why` is one of few words, such as a problem's code."""

    def end(self) -> None:
        """It is over, and may be exported. One that never ends is not."""


class Traces(Protocol):
    """Where spans come from."""

    @property
    def on(self) -> bool:
        """Whether `start` makes any."""

    def start(
        self,
        name: str,
        kind: Kind,
        parent: TraceContext | None,
        attributes: Attributes,
        links: Sequence[TraceContext] = (),
    ) -> Span | None:
        """A span that begins now; without a parent it begins a trace. None: there is none. Never raises or waits."""

    async def close(self) -> None:
        """Export what has ended, for a bounded time; later spans go nowhere."""


class NoTraces:
    """Nobody asked for any."""

    on = False

    def start(
        self,
        name: str,
        kind: Kind,
        parent: TraceContext | None,
        attributes: Attributes,
        links: Sequence[TraceContext] = (),
    ) -> Span | None:
        return None

    async def close(self) -> None:
        """Nothing."""


OFF: Final = NoTraces()


class Underway(NamedTuple):
    """What an attempt runs under: its requests carry `context`; `span` is None where no spans are made."""

    context: TraceContext
    span: Span | None = None

    def sends(self, method: str, origin: str) -> None:
        """A request goes to `origin` (host:port; never a path or a query, which may hold secrets)."""
        if self.span is not None:
            host, _, port = origin.rpartition(":")
            self.span.describe(
                {"http.request.method": method, "server.address": host or origin}
                | ({"server.port": int(port)} if port.isascii() and port.isdigit() else {})
            )

    def answered(self, status: int) -> None:
        """It was answered with this status."""
        if self.span is not None:
            self.span.describe({"http.response.status_code": status})


current: Final[ContextVar[Underway | None]] = ContextVar("current_trace", default=None)
"""Set while a sink works on an attempt that belongs to a trace."""


def log_fields(context: TraceContext | None) -> dict[str, str]:
    """What a log line says of its trace; nothing where there is none."""
    return {} if context is None else {"trace_id": context.trace_id, "span_id": context.span_id}


def exemplar(context: TraceContext | None) -> dict[str, str] | None:
    """What a histogram shows beside a value: a trace that somebody records; None: there is none."""
    return log_fields(context) if context is not None and context.sampled else None


def make_traces(environ: Mapping[str, str]) -> Traces:
    """As the environment asks. Raises nothing: where the library is missing, that is said, and there are no spans."""
    if not wanted(environ):
        return OFF
    for variable, text in problems(environ):
        log.error("traces_off", variable=variable, problem=text)
        return OFF
    for value in _header_values(environ):
        learn_secret(value)
    try:
        from gateway.runtime.otel import OtelTraces

        return OtelTraces()
    except Exception:  # because a gateway that tells nothing is better than none
        log.exception("traces_off")
        return OFF


def wanted(environ: Mapping[str, str]) -> bool:
    """Whether spans are to be exported: an endpoint or the exporter is named, and neither is switched off."""
    if _of(environ, "OTEL_SDK_DISABLED").lower() == "true":
        return False
    exporter = _of(environ, "OTEL_TRACES_EXPORTER")
    if exporter:
        return exporter != "none"
    return any(_of(environ, name) for name in ENDPOINTS)


def problems(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Why what the environment asks for cannot be: (variable, sentence) each. No value that may be secret is named."""
    return list(_problems(environ)) if wanted(environ) else []


def _problems(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    asking = next((name for name in ("OTEL_TRACES_EXPORTER", *ENDPOINTS) if _of(environ, name)), "")
    for text in missing(EXTRA, *MODULES):
        yield asking, f"traces are asked for: {text}"
    exporter = _of(environ, "OTEL_TRACES_EXPORTER")
    if exporter not in ("", "otlp"):
        yield "OTEL_TRACES_EXPORTER", f"found {exporter!r}, expected otlp or none"
    for name in PROTOCOLS:
        if _of(environ, name) not in ("", "http/protobuf"):
            yield name, f"found {_of(environ, name)!r}, expected http/protobuf, the one protocol that is spoken"
    for name in ENDPOINTS:
        if _of(environ, name) and not _is_http(_of(environ, name)):
            yield name, "it is no http or https URL with a host"
    sampler = _of(environ, "OTEL_TRACES_SAMPLER").lower()
    if sampler not in ("", *SAMPLERS):
        yield "OTEL_TRACES_SAMPLER", f"found {sampler!r}, expected one of {', '.join(SAMPLERS)}"
    ratio = _of(environ, "OTEL_TRACES_SAMPLER_ARG")
    if sampler in RATIO_SAMPLERS and ratio and not _is_ratio(ratio):
        yield "OTEL_TRACES_SAMPLER_ARG", f"found {ratio!r}, expected a number from 0 to 1"
    propagators = [name.strip() for name in _of(environ, "OTEL_PROPAGATORS").split(",") if name.strip()]
    if propagators and "tracecontext" not in propagators:
        yield "OTEL_PROPAGATORS", "W3C trace context is the one that is spoken: add tracecontext"


def _of(environ: Mapping[str, str], name: str) -> str:
    """Its value; an empty one is as good as none, says the specification."""
    return environ.get(name, "").strip()


def _is_http(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def _is_ratio(text: str) -> bool:
    try:
        return 0.0 <= float(text) <= 1.0
    except ValueError:
        return False


def _header_values(environ: Mapping[str, str]) -> Iterator[str]:
    """The values of the exporter's own headers, which are keys of a collector as a rule."""
    for name in HEADERS:
        for pair in _of(environ, name).split(","):
            value = unquote(pair.partition("=")[2].strip())
            yield from (part for part in {value, *value.split()} if len(part) >= SECRET_CHARS_MIN)
