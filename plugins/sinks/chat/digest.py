"""Several events in one message: as much of each as fits, none left out, and no second message faster than allowed."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from gateway.model import FAILED, Delivery
from plugins.sinks.chat.card import Card, Line, View
from plugins.sinks.chat.service import Service
from plugins.sinks.chat.text import cut
from plugins.sinks.chat.words import SEVERITY, worst

_LEVELS: Final = ((200, True), (120, True), (120, False), (60, False), (24, False))
"""How a line is made smaller: the longest name in characters, and whether it keeps its links."""


@dataclass(frozen=True, slots=True)
class Digest:
    """One message and the deliveries that are in it."""

    deliveries: Sequence[Delivery]
    payload: Mapping[str, Any]


def digests(
    deliveries: Sequence[Delivery], service: Service, view: View, *, keyword: str | None, mentions: tuple[str, ...]
) -> list[Digest]:
    """As few messages as hold all of them. In each of them, and from one to the next, a stream's events keep their order.

    Where one message is not enough, the streams of failed recordings come first.
    """
    whole = _digest(deliveries, service, view, keyword, mentions, "")
    if whole is not None:
        return [whole]
    failed = {one.event.subject for one in deliveries if one.event.type == FAILED}
    left = sorted(deliveries, key=lambda one: one.event.subject not in failed)
    made: list[Digest] = []
    while left:
        count = len(left)
        while (one := _digest(left[:count], service, view, keyword, mentions, str(len(made) + 1))) is None:
            count = max(count * 3 // 4, 1)
            if count == 1:
                break
        made.append(one or _alone(left[0], service, view, keyword, mentions))
        left = left[count:]
    return made


def _digest(
    deliveries: Sequence[Delivery],
    service: Service,
    view: View,
    keyword: str | None,
    mentions: tuple[str, ...],
    number: str,
) -> Digest | None:
    """All of these in one message, as large as it may be; None: they do not fit."""
    words = view.words
    title = words.digest.format(count=len(deliveries)) + (words.part.format(number=number) if number else "")
    card = Card(
        title=titled(title, keyword),
        severity=worst([SEVERITY.get(one.event.type, "warn") for one in deliveries]),
        words=words,
        at=view.local(max(one.event.time or one.event.received_at for one in deliveries)),
        mentions=mentions,
    )
    lines = [view.line(one.event) for one in deliveries]
    for most, links in _LEVELS:
        text = service.newline.join(service.line(_shorter(line, most, links)) for line in lines)
        if service.measure(text) > service.text_most:
            continue
        payload = service.render(replace(card, text=text))
        if service.fits(payload):
            return Digest(deliveries, payload)
    return None


def _alone(one: Delivery, service: Service, view: View, keyword: str | None, mentions: tuple[str, ...]) -> Digest:
    card = view.card(one.event, replay=one.replay)
    return Digest([one], service.compose(replace(card, title=titled(card.title, keyword), mentions=mentions)))


def _shorter(line: Line, most: int, links: bool) -> Line:
    return replace(line, name=cut(line.name, most), links=line.links if links else ())


def titled(title: str, keyword: str | None) -> str:
    """The title with the word that the robot wants."""
    return title if not keyword or keyword in title else f"[{keyword}] {title}"


class Allowance:
    """What a service allows in all, for the further messages of one batch, which the sink's rate does not count.

    They get a quarter of it, because the rate takes about three; where that is nothing they come with a later batch.
    """

    def __init__(self, windows: Sequence[tuple[int, int]]) -> None:
        self._windows = windows
        self._longest = max(seconds for _, seconds in windows)
        self._sent: deque[float] = deque()

    def spend(self, now: float) -> None:
        """A message goes out at `now` (monotonic seconds)."""
        while self._sent and self._sent[0] + self._longest <= now:
            self._sent.popleft()
        self._sent.append(now)

    def wait(self, now: float) -> float:
        """Seconds until a further message may go out."""
        waits = [0.0]
        for count, seconds in self._windows:
            recent = [at for at in self._sent if at + seconds > now]
            over = len(recent) - count // 4
            if recent and over >= 0:
                waits.append(recent[min(over, len(recent) - 1)] + seconds - now)
        return max(waits)
