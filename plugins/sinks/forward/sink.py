"""The sink `forward`: signed requests to one URL, one an event or one a batch."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote, urlsplit

from gateway import (
    ANSWER_BYTES_MAX,
    CLOUDEVENTS_JSON,
    WEBHOOK_ID,
    WEBHOOK_TIMESTAMP,
    AddressGuard,
    Answer,
    Delivery,
    DeliveryFailed,
    DeliveryResult,
    Done,
    Event,
    Refused,
    Retry,
    Sink,
    Trust,
    Unavailable,
    Via,
    computed,
    failure_of,
    is_small,
    learn_secret,
    reach_url,
    to_json,
)
from plugins.sinks.forward import bodies
from plugins.sinks.forward.access_token import AccessToken, bearer
from plugins.sinks.forward.advice import advice
from plugins.sinks.forward.batches import ANSWER_BYTES_EACH, BATCHED, batch_id, parts, results_of
from plugins.sinks.forward.bodies import Body
from plugins.sinks.forward.options import ForwardOptions
from plugins.sinks.forward.said_errors import failure_said
from plugins.sinks.forward.sent_request import ASCII, SentRequest, encoded, provenance
from plugins.sinks.forward.shape.parts import MEDIA_TYPES, NOTHING_FILLED, body_kind
from plugins.sinks.forward.shape.template_marks import is_template, parted
from plugins.sinks.forward.signatures import GitHubScheme, HuaweiLiveScheme
from plugins.sinks.forward.signers import Signers

if TYPE_CHECKING:
    from plugins.sinks.forward.shape.filler import Shape

EVENTS_HEADER: Final = "recording-gateway-events"
_NOT_SENT: Final = Retry("not sent: an earlier request of this batch failed")


class Forward(Sink):
    """Posts each event, or with `delivery.batch` what waits, to one URL. At least once: the receiver drops repeats."""

    type = "forward"
    batches_when_asked = True
    Options = ForwardOptions
    owner_columns = {"url": "url", "secret": "sign.secrets[]"}  # noqa: RUF012  # as its base declares it
    options: ForwardOptions

    async def open(self) -> None:
        """Load certificates, keys and libraries, so that the first delivery need not wait. Connects to nothing."""
        for _, value in parse_qsl(urlsplit(self.options.url).query):
            if not is_template(value):
                learn_secret(value)  # because a receiver may echo its own URL's token
        for _, template in self.options.header_templates:
            for word in template.secret_words():
                learn_secret(word)
        try:
            self._signers.load()
        except ImportError:
            raise Unavailable("the library behind Ed25519 keys cannot be loaded") from None
        await self.http.prepare(self.options.url, self._via)

    async def preview(self, delivery: Delivery) -> str | None:
        """None: what `deliver` gives to `http` is shown. No token is asked for then, a word stands in its place."""
        if self._token is not None:
            self._token.rehearse()
        return None

    async def deliver(self, delivery: Delivery) -> str | Done | None:
        """2xx is delivered; everything else is what docs/sinks.md says of it."""
        if self.batched:
            [result] = await self.deliver_batch([delivery])
            if isinstance(result, Exception):
                raise result
            return result
        event, now = delivery.event, self.http.clock.now()
        small = is_small(event) and self._shape is None  # because a template may loop
        message = self._message(event, now) if small else await asyncio.to_thread(self._message, event, now)
        return _receipt(await self._send(event.ref, now, message, [delivery]))

    def _message(self, event: Event, now: datetime) -> SentRequest:
        """Everything of the request but what is made of the whole of it. Raises Refused."""
        options = self.options
        filled = NOTHING_FILLED
        if self._shape is not None:
            try:
                filled = self._shape.fill(event, self._secrets)
            except ValueError as error:
                raise Refused(f"the request cannot be made of this event: {error}") from None
        body = self._body(event, now) if filled.body is None else Body(filled.body, MEDIA_TYPES[self._kind], {})
        headers = {"content-type": options.content_type or self._media_type(body), **provenance(event)}
        if self._signers.github is not None:
            headers |= {"x-github-event": encoded(event.type), "x-github-delivery": event.ref}
        headers |= self._extra
        headers |= filled.headers
        headers |= body.headers
        return SentRequest(filled.method or options.method, filled.url or options.url, body.content, headers)

    async def deliver_batch(self, deliveries: Sequence[Delivery]) -> Sequence[DeliveryResult]:
        """One request for all that fit into `batch_bytes`; after one that fails, what is left is tried again later."""
        events = [delivery.event for delivery in deliveries]
        documents = await computed(lambda: [to_json(event).encode() for event in events], events)
        results: list[DeliveryResult] = [_NOT_SENT] * len(deliveries)
        for positions, content in parts(deliveries, documents, self.options.batch_bytes):
            members = [deliveries[position] for position in positions]
            found: list[DeliveryResult]
            try:
                found = await self._send_batch(members, content)
            except DeliveryFailed as failure:
                found = [failure] * len(members)
            for position, result in zip(positions, found, strict=True):
                results[position] = result
            if isinstance(found[0], Unavailable) or (isinstance(found[0], Retry) and found[0].service):
                break  # because it is in trouble, and the next request would only add to it
        return results

    async def _send_batch(self, members: Sequence[Delivery], content: bytes) -> list[DeliveryResult]:
        headers = {
            "content-type": self.options.content_type or BATCHED,
            EVENTS_HEADER: str(len(members)),
            **self._extra,
        }
        id, now = batch_id([delivery.event for delivery in members]), self.http.clock.now()
        limit = ANSWER_BYTES_MAX + ANSWER_BYTES_EACH * len(members)
        message = SentRequest(self.options.method, self.options.url, content, headers)
        answer = await self._send(id, now, message, members, limit=limit)
        return results_of(answer, members, _receipt(answer))

    def _send(
        self,
        id: str,
        now: datetime,
        message: SentRequest,
        members: Sequence[Delivery],
        *,
        limit: int = ANSWER_BYTES_MAX,
    ) -> Awaitable[Answer]:
        """Sign it and send it. Not a coroutine of its own, because each delivery would go twice through one more."""
        method, url, content, headers = message.method, message.url, message.content, message.headers
        headers[WEBHOOK_ID] = id
        headers[WEBHOOK_TIMESTAMP] = stamp = str(int(now.timestamp()))
        headers |= self._signers.content_headers(id, int(stamp), content)
        if members[0].replay:
            headers["webhook-replay"] = "true"
        headers |= self._signers.request_headers(method, url, headers, content, now)

        classify, via, token = functools.partial(self._classify, members), self._via, self._token
        if token is None:
            return self.http.request(
                method, url, content=content, headers=headers, classify=classify, via=via, limit=limit
            )
        call = functools.partial(
            self.http.request, method, url, content=content, classify=classify, via=via, limit=limit
        )
        return self._send_with_token(token, call, headers)

    async def _send_with_token(
        self, tokens: AccessToken, call: Callable[..., Awaitable[Answer]], headers: Mapping[str, str]
    ) -> Answer:
        """Once more with another token where the first is not taken."""
        token = await tokens.get()
        try:
            return await call(headers={**headers, **bearer(token)})
        except DeliveryFailed as failure:
            if failure.status != 401:
                raise
        tokens.forget(token)
        return await call(headers={**headers, **bearer(await tokens.get())})

    def _media_type(self, body: Body) -> str:
        """GitHub's own middleware takes nothing but application/json, and CloudEvents are JSON."""
        return (
            bodies.JSON if self._signers.github is not None and body.media_type == CLOUDEVENTS_JSON else body.media_type
        )

    def _body(self, event: Event, now: datetime) -> Body:
        match self.options.body:
            case "event":
                return bodies.structured(event)
            case "binary":
                return bodies.binary(event)
            case "raw":
                return bodies.raw(event)
        [afresh] = [sign for sign in self.options.signs if isinstance(sign, HuaweiLiveScheme)]
        return bodies.huawei_live(event, afresh, now)

    def _classify(self, members: Sequence[Delivery], answer: Answer) -> None:
        options = self.options
        if options.errors is not None and (said := failure_said(options.errors, answer)) is not None:
            raise said
        if 200 <= answer.status < 300:
            return
        failure = failure_of(answer, retry=options.retry_statuses, permanent=options.permanent_statuses)
        if answer.status == 404 and 404 not in options.retry_statuses and not isinstance(failure, Refused):
            tried = self.http.clock.now() - max(delivery.first_attempt_at for delivery in members)
            if tried >= options.not_found_grace:
                raise Refused(f"{failure.detail}; so it has been since the first attempt", status=404)
        raise failure

    @functools.cached_property
    def _signers(self) -> Signers:
        return Signers(self.options.signs)

    @functools.cached_property
    def _token(self) -> AccessToken | None:
        scheme = self._signers.oauth2
        # a socket is the target's, and a token is had elsewhere
        return None if scheme is None else AccessToken(scheme, self.http, dataclasses.replace(self._via, uds=None))

    @functools.cached_property
    def _extra(self) -> dict[str, str]:
        return {name.lower(): quote(value.reveal(), safe=ASCII) for name, value in self.options.plain_headers}

    @functools.cached_property
    def _shape(self) -> Shape | None:
        if (parts := self.options.shape_parts) is None:
            return None
        from plugins.sinks.forward.shape.filler import shape_of  # because only these forwards need templates and CEL

        return shape_of(parts)

    @functools.cached_property
    def _secrets(self) -> dict[str, str]:
        return {name: value.reveal() for name, value in self.options.secrets.items()}

    @functools.cached_property
    def _kind(self) -> str:
        return body_kind(self.options.content_type) or "json"

    @functools.cached_property
    def _via(self) -> Via:
        options = self.options
        return Via(
            guard=None if options.allow_private else AddressGuard(),
            proxy=options.proxy.reveal() if options.proxy else None,
            verify=options.verify,
            ca=options.ca,
            certificate=options.certificate,
            key=options.key,
            uds=options.uds,
        )

    @classmethod
    def takes_batches(cls, options: ForwardOptions | None = None) -> bool:
        """CloudEvents know batches of whole events; GitHub's receivers take one event a request, and a template sees one."""
        return options is None or (
            options.body == "event"
            and options.shape_parts is None
            and not any(isinstance(s, GitHubScheme) for s in options.signs)
        )

    @property
    def wanted_fields(self) -> Sequence[str]:
        return ("raw",) if self.options.body in ("raw", "huawei-live") else ()

    @property
    def wanted_trust(self) -> Trust:
        """A receiver of the vendor's own words takes them for the vendor's, so the vendor should have signed them."""
        return Trust.FIELDS if self.options.body in ("raw", "huawei-live") else Trust.NONE

    async def connect(self) -> str | None:
        """TCP and TLS; through a proxy or a unix socket nothing is tried."""
        if self.options.proxy is not None or self.options.uds is not None:
            return None
        return await reach_url(parted(self.options.url)[0], ca=self.options.ca, verify=self.options.verify)

    def advice(self) -> list[str]:
        """What a careful reviewer would say about these options."""
        return list(advice(self.options))


def _receipt(answer: Answer) -> str:
    again = "; a kept connection had been closed, sent again on a fresh one" if answer.resent else ""
    return f"HTTP {answer.status}{again}"
