"""Posts an event to a program on this machine exactly as the sink `forward` would, signed afresh, and keeps the answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Self

from gateway.cli.pull_client import PulledEvent
from gateway.egress.answers import Answer, judge
from gateway.egress.client import Http
from gateway.errors import DeliveryFailed, GatewayError
from gateway.runtime.clock import Clock
from gateway.text.secret import Secret

if TYPE_CHECKING:
    from gateway.model import Delivery
    from gateway.plugin import Sink

EXCERPT_CHARS_MAX: Final = 400  # of an answer's body, of which a line shows what fits


@dataclass(frozen=True, slots=True)
class LocalAnswer:
    """What came of one request. `failure` says why it is no success; `reached`: something answered at all."""

    status: int | None
    seconds: float
    size: int
    excerpt: str
    failure: str | None = None

    @property
    def reached(self) -> bool:
        return self.status is not None


class LocalPost:
    """One address. Use it in an `async with`."""

    def __init__(self, url: str, secret: str, timeout: timedelta) -> None:
        self.url = url
        self._secret = secret
        self._timeout = timeout
        self._http = _Watched(timeout=timeout.total_seconds())

    async def __aenter__(self) -> Self:
        """Raises GatewayError where `forward` cannot post to such a URL."""
        self._sink = self._forward()
        await self._http.open()
        await self._sink.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._sink.close()
        await self._http.close()

    def _forward(self) -> Sink:
        """The sink itself, by its installed type, because what it sends is what a receiver must learn to take."""
        from pydantic import ValidationError

        from gateway.plugin.registry import Registry
        from gateway.runtime.lean_imports import import_structlog

        cls = Registry().sink("forward")
        sign = {"scheme": "standard-webhooks", "secrets": (Secret(self._secret),)}
        try:
            options = cls.Options.model_validate({"url": self.url, "sign": sign})
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"])) or "url"
            raise GatewayError(f"{place}: expected {first['msg']}") from None
        return cls("listen", options, http=self._http, log=import_structlog().get_logger("listen"))

    async def post(self, fetched: PulledEvent, *, replay: bool = False) -> LocalAnswer:
        """One request, and what was answered."""
        self._http.seen, self._http.size = (None, ""), 0
        clock = self._http.clock
        started = clock.monotonic()
        failure: str | None = None
        try:
            await self._sink.deliver(self._delivery(fetched, replay=replay))
        except DeliveryFailed as error:
            failure = str(error)
        status, excerpt = self._http.seen
        return LocalAnswer(
            status=status,
            seconds=clock.monotonic() - started,
            size=self._http.size,
            excerpt=excerpt,
            failure=failure,
        )

    def _delivery(self, fetched: PulledEvent, *, replay: bool) -> Delivery:
        from gateway import compact_json
        from gateway.events.cloudevents import from_document, keep_json
        from gateway.model import Delivery

        try:
            event = from_document(fetched.document)
        except Exception:  # of a gateway of another version
            raise GatewayError("this is no event that this version can read; is the gateway a newer one?") from None
        keep_json(event, compact_json.encode_json(fetched.document))
        now = Clock().now()
        return Delivery(
            id=0,
            event=event,
            sink="listen",
            attempt=fetched.attempt,
            first_attempt_at=now,
            deadline=now + self._timeout,
            replay=replay or fetched.replay,
        )


class _Watched(Http):
    """The client that a sink is handed, which shows what was sent and answered."""

    seen: tuple[int | None, str] = (None, "")  # the status, and the beginning of the body on one line
    size = 0

    async def request(self, method: str, url: str, **rest: Any) -> Answer:
        classify = rest.get("classify") or judge

        def see(answer: Answer) -> None:
            self.seen = answer.status, " ".join(answer.excerpt[:EXCERPT_CHARS_MAX].split())
            classify(answer)

        self.size = len(rest.get("content") or b"")
        return await super().request(method, url, **{**rest, "classify": see})
