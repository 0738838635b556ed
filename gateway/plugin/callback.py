"""One HTTP request of a vendor, byte for byte as it came: what a source verifies and normalises."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from gateway.model import Value
from gateway.model.lock_free_property import lock_free_property
from gateway.text.json_bounds import NODES_MAX, UNVERIFIED_NODES_MAX
from gateway.text.strict_json import Document, decode_document
from gateway.text.trace_context import TRACEPARENT, TRACESTATE, TraceContext

if TYPE_CHECKING:
    from starlette.datastructures import Headers

    from gateway.runtime.traces import Span


_TRACEPARENT: Final = TRACEPARENT.encode()


class Callback(Value, frozen=True, dict=True):
    """One HTTP request as it came. `headers` is multi-valued and case-insensitive; `body` is untouched."""

    source: str
    method: str
    path: str
    headers: Headers
    body: bytes
    peer: str | None
    received_at: datetime

    @classmethod
    def of(
        cls,
        source: str,
        body: bytes,
        *,
        headers: Iterable[tuple[str, str]],
        received_at: datetime,
        path: str = "/hooks/",
        method: str = "POST",
        peer: str | None = None,
    ) -> Self:
        """What the public listener would make of this request."""
        from starlette.datastructures import Headers

        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        return cls(source, method, path, Headers(raw=raw), body, peer, received_at)

    def __rich_repr__(self) -> list[tuple[str, object]]:
        """What is shown: not the body, which may hold credentials."""
        return [(name, getattr(self, name)) for name in self.__struct_fields__ if name != "body"]

    def __repr__(self) -> str:
        return f"Callback({', '.join([f'{name}={value!r}' for name, value in self.__rich_repr__()])})"

    def json(self, *, verified: bool = False) -> dict[str, Any]:
        """The body as one JSON object, decoded once. Raises Malformed.

        `normalise` reads it with all that no store could hold repaired; the core names that in `problems`, and sees to
        it that two bodies that differ only there are told apart. `verify` reads it as it came, with NUL and halves of
        surrogate pairs escaped, and is refused a key that is there twice. `verified` in a `verify` that has found the
        signature of the whole body right: then a large document is worth its time.
        """
        if verified:
            self.believe()
        document = self.document
        return document.plain if document.plain_alone else self._seen

    def when_known(self, release: Callable[[], None]) -> None:
        """For the core: what to call once the sender is known; till then the body counts as a stranger's."""
        self.__dict__["_held"] = release

    def known(self) -> None:
        """For the core, on its loop: the sender is known."""
        if (release := self.__dict__.pop("_held", None)) is not None:
            release()

    def doubt(self) -> None:
        """For the core: until `believe`, the body may hold no more values than are decoded for anybody who asks."""
        self.__dict__["_nodes_max"] = UNVERIFIED_NODES_MAX

    def believe(self) -> None:
        """For the core: the sender is known, so the body may hold as many values as a vendor sends."""
        self.__dict__["_nodes_max"] = NODES_MAX

    @lock_free_property
    def trace(self) -> TraceContext | None:
        """For the core: the trace that the request belongs to; what its sender says, until `follow`."""
        for name, _ in self.headers.raw:  # because nearly every callback has none, and `getlist` takes thrice as long
            if name == _TRACEPARENT:
                headers = self.headers
                return TraceContext.of_headers(headers.getlist(TRACEPARENT), headers.getlist(TRACESTATE))
        return None

    def head_is_known(self, media_type: str | None) -> None:
        """For the core: a head like this was looked at before, with this Content-Type and no trace in it."""
        beside = self.__dict__
        beside["media_type"], beside["trace"] = media_type, None

    @lock_free_property
    def media_type(self) -> str | None:
        """For the core: what its Content-Type says, as `headers` has it, which takes thrice as long to ask."""
        for name, value in self.headers.raw:
            if name == b"content-type":
                return value.decode("latin-1")
        return None

    @property
    def span(self) -> Span | None:
        """For the core: what stands for it in its trace, where spans are made."""
        return self.__dict__.get("_span")

    def follow(self, span: Span) -> None:
        """For the core: what comes of it continues this span."""
        self.__dict__["_span"] = span
        self.__dict__["trace"] = span.context

    def read_as(self, view: Literal["plain", "escaped", "raw", "first", "last"]) -> None:
        """For the core: how `json` shows a body that something is odd in, from now on."""
        beside = self.__dict__
        beside["_view"] = view
        beside.pop("_seen", None)

    @property
    def decoded(self) -> Document | None:
        """For the core: the document, if somebody read it already."""
        return self.__dict__.get("document")

    @lock_free_property
    def document(self) -> Document:
        """For the core: the body with all the ways to read it. Raises Malformed."""
        return decode_document(self.body, self.__dict__.get("_nodes_max", NODES_MAX))

    @lock_free_property
    def _seen(self) -> dict[str, Any]:
        view = self.__dict__.get("_view", "plain")
        if view in ("escaped", "raw"):
            return self.document.original(escape=view == "escaped")
        if view in ("first", "last"):
            return self.document.naming(0 if view == "first" else -1)
        return self.document.plain
