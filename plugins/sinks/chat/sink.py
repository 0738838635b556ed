"""The sink: makes the card, posts it, and hands the service's answer to the service's own file."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from gateway import (
    Answer,
    Delivery,
    DeliveryResult,
    Refused,
    Retry,
    Sink,
    Via,
    computed,
    is_loopback,
    reach_url,
    without_gaps,
)
from plugins.sinks.cards.card import TITLE_CHARS_MAX, Card, View
from plugins.sinks.cards.template import Template, view_of
from plugins.sinks.cards.text import Invalid, unlinked
from plugins.sinks.chat.chat_service import Service, Tried, service
from plugins.sinks.chat.digest import MessageAllowance, digests, titled
from plugins.sinks.chat.options import ChatOptions

_LASTING: Final = frozenset({"chat_id"})  # what one delivery was told and all later ones need


class Chat(Sink):
    """Posts one card an event, or one digest a batch. Chats know no ids: a second try can be seen twice."""

    type = "chat"
    Options = ChatOptions
    owner_columns = {  # noqa: RUF012  # as its base declares it
        **{name: name for name in ("url", "secret", "token", "chat_id", "thread", "keyword", "language", "timezone")},
        "mention": "mention[]",
    }
    options: ChatOptions

    @classmethod
    def usual_rate(cls, options: ChatOptions) -> str:
        """What fits the service."""
        return service(options.service).rate_of(options)

    async def open(self) -> None:
        """Load the service's code and the templates, so that the first delivery need not wait. Connects to nothing."""
        _ = self._service, self._templates
        url = self.options.url.reveal() if self.options.url is not None else self.options.base_url
        await self.http.prepare(url, self._via)

    async def deliver(self, delivery: Delivery) -> str:
        """Delivered is what the service says yes to in its own words."""
        payload = await computed(lambda: self._service.compose(self._card(delivery)), [delivery.event])
        return await self._post(payload, delivery.attempt, delivery.memo)

    async def deliver_batch(self, deliveries: Sequence[Delivery]) -> Sequence[DeliveryResult]:
        """One digest, or as many as hold them all while the service allows more; the rest are to come again."""
        ordered = sorted(deliveries, key=lambda delivery: delivery.id)  # as they were taken in
        remaining = digests(
            ordered,
            self._service,
            self._view,
            keyword=self.options.keyword,
            mentions=self.options.mention,
            now=self.http.clock.now(),
        )
        results: dict[int, str | Exception] = {}
        rest: Exception | None = None  # why no further message of this batch is sent
        events = [delivery.event for delivery in deliveries]
        number = -1
        while (digest := await computed(lambda: next(remaining, None), events)) is not None:
            number += 1
            wait = self._allowance.wait(self.http.clock.monotonic()) if number else 0.0
            if wait > 0:
                rest = Retry("there was no room in this message: with the next one", timedelta(seconds=wait))
                break
            outcome = await self._outcome(digest.payload, digest.deliveries)
            if isinstance(outcome, Refused) and len(digest.deliveries) > 1:
                if not number:
                    raise outcome  # because one of them may be what it does not like: the core sends each for itself
                outcome = Retry(f"refused together: {outcome.detail}", status=outcome.status)
                rest = Retry("not sent: an earlier message of this batch was refused")  # or it would overtake
            elif isinstance(outcome, Exception) and not isinstance(outcome, Refused):
                rest = outcome  # it holds for the whole service
            results |= {id(delivery): outcome for delivery in digest.deliveries}
            if rest is not None:
                break
        return [results.get(id(delivery), rest) for delivery in deliveries]

    async def _outcome(self, payload: Mapping[str, object], deliveries: Sequence[Delivery]) -> str | Exception:
        memo: dict[str, object] = {}
        for delivery in deliveries:
            memo |= delivery.memo
        try:
            return await self._post(payload, max(delivery.attempt for delivery in deliveries), memo)
        except Exception as error:
            return error

    # -- making

    def _card(self, delivery: Delivery) -> Card:
        event, options = delivery.event, self.options
        card = self._view.card(event, replay=delivery.replay, now=self.http.clock.now())
        title, text = self._templates
        changes: dict[str, Any] = {"mentions": options.mention}
        if title is not None and (made := self._rendered(title, delivery)):
            changes["title"] = unlinked(" ".join(without_gaps(made).split()), TITLE_CHARS_MAX)
        if text is not None and (made := self._rendered(text, delivery)):
            changes["text"] = made
        card = replace(card, **changes)
        return replace(card, title=titled(card.title, options.keyword))

    def _rendered(self, template: Template, delivery: Delivery) -> str | None:
        """None: it fails on this event, so the built-in card is used, because a message is worth more than its form."""
        try:
            return template.render(delivery.event)
        except Invalid as error:
            self.log.warning("template_failed", id=delivery.event.ref, error=str(error))
            return None

    # -- sending

    async def _post(self, payload: Mapping[str, object], attempt: int, memo: Mapping[str, object]) -> str:
        known = {**self._learnt, **memo}
        served, clock = self._service, self.http.clock
        request = served.request(self.options, served.again(payload, known), clock.now())
        self._allowance.spend(clock.monotonic())
        answer = await self.http.post(
            request.url,
            content=request.body,
            headers={"content-type": "application/json; charset=utf-8"},
            via=self._via,
            classify=_unjudged,
        )
        try:
            return served.judge(answer, Tried(attempt, known))
        except Retry as error:
            if error.memo and (lasting := {key: error.memo[key] for key in _LASTING & error.memo.keys()}):
                self._learnt.update(lasting)
                self.log.warning("chat_moved", sink=self.name, **lasting)
            raise

    @functools.cached_property
    def _service(self) -> Service:
        return service(self.options.service)

    @functools.cached_property
    def _view(self) -> View:
        return view_of(self.options.language, self.options.timezone, self.options.links)

    @functools.cached_property
    def _templates(self) -> tuple[Template | None, Template | None]:
        title, text = self.options.title, self.options.template
        return (
            None if title is None else Template(title, None, self._view),
            None if text is None else Template(text, self._service.escape, self._view),
        )

    @functools.cached_property
    def _allowance(self) -> MessageAllowance:
        return MessageAllowance(self._service.allows)

    @functools.cached_property
    def _learnt(self) -> dict[str, object]:
        return {}

    @functools.cached_property
    def _via(self) -> Via:
        options = self.options
        return Via(proxy=options.proxy.reveal() if options.proxy else None, ca=options.ca)

    # -- advising

    async def connect(self) -> str | None:
        """TCP and TLS with the service; through a proxy nothing is tried."""
        if self.options.proxy is not None:
            return None
        url = self.options.base_url if self.options.url is None else self.options.url.reveal()
        return await reach_url(url, ca=self.options.ca)

    def advice(self) -> list[str]:
        """What looks wrong, and what a person who reads the URL cannot see."""
        served = self._service
        url = urlsplit(self.options.url.reveal() if self.options.url is not None else self.options.base_url)
        host = (url.hostname or "").lower()
        if host.endswith(".invalid"):
            return []  # because it stands for a URL that is not here
        advice = served.advice(self.options)
        theirs = any(host == own or host.endswith("." + own) for own in served.hosts)
        if served.hosts and not theirs:
            advice.append(
                f"the host {host} is not one of {served.title}'s own ({', '.join(served.hosts)}); "
                "right for a proxy of yours, which then sees every message and can send its own"
            )
        if url.scheme.lower() == "http" and not (theirs or is_loopback(host)):
            advice.append("a plain http URL lets anybody on the way read the messages and the robot's key; use https")
        elif url.scheme.lower() == "http" and theirs:
            advice.append(f"{served.title} is called over https")
        return advice


def _unjudged(answer: Answer) -> None:
    """Let every answer through: the service's file reads its body first."""
