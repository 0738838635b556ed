"""Traces: what a span is to the gateway, where spans come from, and which one an attempt runs under."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Final, Literal, NamedTuple, Protocol

from gateway.text.trace_context import TraceContext

Attributes = Mapping[str, str | int | float | bool]

SpanSide = Literal["server", "client"]


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
        kind: SpanSide,
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
        kind: SpanSide,
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


def trace_headers() -> dict[str, str]:
    """`traceparent` and `tracestate` of what a sink sends now, by other ways than `self.http`, which sends them by itself.

    Empty where the attempt belongs to no trace. Ask in the task that `deliver` was called in.
    """
    headers: dict[str, str] = {}
    if (underway := current.get()) is not None:
        underway.context.inject(headers)
    return headers
