"""Several events in one message: as much of each as fits, none left out, and no second message faster than allowed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from gateway import RECORDING_FAILED, Delivery, SlidingWindow
from plugins.sinks.cards.card import Card, View
from plugins.sinks.cards.differences import severity_of
from plugins.sinks.cards.text import cut
from plugins.sinks.cards.words import worst
from plugins.sinks.chat.chat_service import Service

_LEVELS: Final = ((200, True), (120, True), (120, False), (60, False), (24, False))
"""How a line is made smaller: the longest name in characters, and whether it keeps its links."""


@dataclass(frozen=True, slots=True)
class Digest:
    """One message and the deliveries that are in it."""

    deliveries: Sequence[Delivery]
    payload: Mapping[str, object]


def digests(
    deliveries: Sequence[Delivery],
    service: Service,
    view: View,
    *,
    keyword: str | None,
    mentions: tuple[str, ...],
    now: datetime | None = None,
) -> Iterator[Digest]:
    """As few messages as hold all of them, made as they are asked for. In each of them, and from one to the next, a
    stream's events keep their order. Where one message is not enough, the streams of failed recordings come first.
    """
    writer = _DigestWriter(service, view, keyword, mentions, now)
    whole = writer.whole(deliveries)
    if whole is not None:
        yield whole
        return
    failed = {one.event.subject for one in deliveries if one.event.type == RECORDING_FAILED}
    left = sorted(deliveries, key=lambda one: one.event.subject not in failed)
    number = 1
    while left:
        made = writer.part(left, number) or writer.alone(left[0])
        yield made
        left = left[len(made.deliveries) :]
        number += 1


class _DigestWriter:
    """Writes digests of one batch."""

    def __init__(
        self, service: Service, view: View, keyword: str | None, mentions: tuple[str, ...], now: datetime | None
    ) -> None:
        self._service = service
        self._view = view
        self._now = now
        self._keyword = keyword
        self._mentions = mentions
        self._gap = service.measure(service.newline)

    def whole(self, deliveries: Sequence[Delivery]) -> Digest | None:
        """All of these in one message, as large as it may be; None: they do not fit."""
        for level in _LEVELS:
            lines = self._lines(deliveries, level)
            if (
                len(lines) == len(deliveries)
                and (payload := self._payload(deliveries, lines, "", links=level[1])) is not None
            ):
                return Digest(deliveries, payload)
        return None

    def part(self, deliveries: Sequence[Delivery], number: int) -> Digest | None:
        """The first of these, as many as one message holds; None: not even one."""
        lines = self._lines(deliveries, _LEVELS[-1])
        while lines:
            some = deliveries[: len(lines)]
            title = self._view.words.part.format(number=number)
            if (payload := self._payload(some, lines, title, links=False)) is not None:
                return Digest(some, payload)
            lines = lines[: len(lines) * 3 // 4]
        return None

    def alone(self, delivery: Delivery) -> Digest:
        """A message of its own, for one that is too long for a line."""
        card = self._view.card(delivery.event, replay=delivery.replay, now=self._now)
        card = replace(card, title=titled(card.title, self._keyword), mentions=self._mentions)
        return Digest([delivery], self._service.compose(card))

    def _lines(self, deliveries: Sequence[Delivery], level: tuple[int, bool]) -> list[str]:
        """The lines of the first of these, as many as there is room for text."""
        most, links = level
        fitting: list[str] = []
        room = self._service.text_most
        if not links and self._has_links(deliveries):
            room -= self._service.measure(self._service.escape(f"({self._view.words.links_left_out})")) + self._gap
        for one in deliveries:
            line = self._view.line(one.event, self._now)
            short = replace(line, name=cut(line.name, most), links=line.links if links else ())
            text = self._service.line(short)
            room -= self._service.measure(text) + (self._gap if fitting else 0)
            if room < 0:
                break
            fitting.append(text)
        return fitting

    def _has_links(self, deliveries: Sequence[Delivery]) -> bool:
        return any(self._view.links_of(one.event.files[:1]) for one in deliveries)

    def _payload(
        self, deliveries: Sequence[Delivery], lines: Sequence[str], part: str, *, links: bool
    ) -> Mapping[str, object] | None:
        words = self._view.words
        left_out = (
            [] if links or not self._has_links(deliveries) else [self._service.escape(f"({words.links_left_out})")]
        )
        card = Card(
            title=titled(words.digest.format(count=len(deliveries)) + part, self._keyword),
            severity=worst([severity_of(one.event) for one in deliveries]),
            words=words,
            at=self._view.local(max(one.event.time or one.event.received_at for one in deliveries)),
            mentions=self._mentions,
            text=self._service.newline.join([*lines, *left_out]),
        )
        payload = self._service.render(card)
        return payload if self._service.fits(payload) else None


def titled(title: str, keyword: str | None) -> str:
    """The title with the word that the robot wants."""
    return title if not keyword or keyword in title else f"[{keyword}] {title}"


class MessageAllowance:
    """What a service allows in all, for the further messages of one batch, which the sink's rate does not count.

    They get a quarter of it, because the rate takes about three; where that is nothing they come with a later batch.
    """

    def __init__(self, windows: Sequence[tuple[int, int]]) -> None:
        self._windows = [(count // 4, SlidingWindow(seconds)) for count, seconds in windows]

    def spend(self, now: float) -> None:
        """A message goes out at `now` (monotonic seconds)."""
        for _, window in self._windows:
            window.add(now)

    def wait(self, now: float) -> float:
        """Seconds until a further message may go out."""
        return max([0.0, *(window.wait(now, most) for most, window in self._windows)])
