"""One neutral card made from an event: what is to be said of it, before any service's form and limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Final, Literal

from gateway import RECORDING_FAILED, RECORDING_UNKNOWN, Alarm, Event, File, alarm_text, redact, visible
from plugins.sinks.cards.differences import differences, severity_of
from plugins.sinks.cards.links import LinksShown, web_link
from plugins.sinks.cards.text import cut, plain, unlinked
from plugins.sinks.cards.words import MARKS, Severity, Words, size

FILES_SHOWN_MAX: Final = 5  # the whole event is in the store
TITLE_CHARS_MAX: Final = 150
_NAME_CHARS_MAX: Final = 60  # of a stream inside a title
_ERROR_CHARS_MAX: Final = 1024


@dataclass(frozen=True, slots=True)
class Fact:
    """One labelled value, on one line. `ours`: the gateway made it, so there is nothing in it to be careful with."""

    key: str
    label: str
    value: str
    ours: bool = True


@dataclass(frozen=True, slots=True)
class Link:
    """Somewhere to go, in plain ASCII; see `links`."""

    kind: Literal["play", "download"]
    label: str
    url: str


@dataclass(frozen=True, slots=True)
class DigestLine:
    """One event inside a digest. `name` came from outside; the rest is ours."""

    mark: str
    title: str
    name: str
    note: str = ""
    links: tuple[Link, ...] = ()
    left_out: str = ""  # what is said where a link is too long


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What every service draws in its own way. All texts are plain, one line each, but `text`.

    `text` stands in the place of the facts and is in the service's own markup already.
    """

    title: str
    severity: Severity
    words: Words
    at: datetime  # when it happened, in the zone that is shown
    id: str = ""
    facts: tuple[Fact, ...] = ()
    links: tuple[Link, ...] = ()
    text: str | None = None
    text_most: int = 64 * 1024
    mentions: tuple[str, ...] = ()
    unshown: bool = False  # links were left out, because there was no room

    @property
    def mark(self) -> str:
        """The colour, for services that have none."""
        return MARKS[self.severity]

    def fact(self, key: str) -> Fact | None:
        """The fact of this key, if there is one."""
        return next((fact for fact in self.facts if fact.key == key), None)

    def shortened(self, most: int, *, links: bool) -> Card:
        """With no value longer than `most` characters, and perhaps without links."""
        facts = tuple(replace(fact, value=cut(fact.value, most)) for fact in self.facts)
        card = replace(self, facts=facts, title=cut(self.title, max(most, 40)), text_most=min(self.text_most, 8 * most))
        return card if links or not self.links else replace(card, links=(), unshown=True)


@dataclass(frozen=True, slots=True)
class View:
    """How cards are made for one sink."""

    words: Words
    zone: tzinfo
    links: LinksShown = "full"

    def time(self, at: datetime) -> str:
        """`2026-01-01 20:00:00 +08:00`."""
        local = self.local(at)
        offset = local.strftime("%z")
        shown = "UTC" if offset in {"", "+0000"} else f"{offset[:3]}:{offset[3:5]}"
        return f"{local:%Y-%m-%d %H:%M:%S} {shown}"

    def local(self, at: datetime) -> datetime:
        """The time in the zone, or as it was where the calendar ends there."""
        try:
            return at.astimezone(self.zone)
        except OverflowError:
            return at

    def card(self, event: Event, *, replay: bool = False, now: datetime | None = None) -> Card:
        """The card of one event, as it is read at `now`. Never fails, whatever the event lacks or holds."""
        title = self.words.title(event.type) + (self.words.replay if replay else "")
        if event.alarm is not None:
            title += f" · {unlinked(event.alarm.about, _NAME_CHARS_MAX)}"
        elif event.stream:
            title += f" · {unlinked(event.stream, _NAME_CHARS_MAX)}"
        return Card(
            title=title,
            severity=severity_of(event),
            words=self.words,
            at=self.local(event.time or event.received_at),
            id=" ".join(visible(event.ref).split()),
            facts=tuple(self._facts(event, now) if event.alarm is None else self._alarm(event, event.alarm)),
            links=self.links_of(event.files[:FILES_SHOWN_MAX]) if event.alarm is None else self._page(event.alarm),
        )

    def line(self, event: Event, now: datetime | None = None) -> DigestLine:
        """The line of one event inside a digest that is read at `now`."""
        notes = []
        for file in event.files[:1]:
            if file.duration_seconds is not None:
                notes.append(self.words.duration(file.duration_seconds))
            if file.size_bytes is not None:
                notes.append(size(file.size_bytes))
            if self._is_linked(file) and file.expires_at is not None:
                notes.append(f"{self.words.labels[_end_of(file.expires_at, now)]} {self.time(file.expires_at)}")
        if differs := differences(event, self.words):
            notes.append(f"{self.words.labels['differs']}: {differs}")
        if len(event.files) > 1:
            notes.append(self.words.more_files.format(count=len(event.files) - 1))
        name = plain("/".join(part for part in (event.app, event.stream) if part) or event.source, 200)
        if event.error is not None and (said := _error(event)):
            name += f": {plain(said, 200)}"
        if event.alarm is not None:
            name = plain(self._sentence(event, event.alarm), 300)
        return DigestLine(
            MARKS[severity_of(event)],
            self.words.title(event.type),
            name,
            ", ".join(notes),
            self.links_of(event.files[:1]) if event.alarm is None else self._page(event.alarm),
            self.words.links_left_out,
        )

    def links_of(self, files: Sequence[File]) -> tuple[Link, ...]:
        """Play and download of each file; numbered where there are several."""
        links: list[Link] = []
        for number, file in enumerate(files, 1):
            end = f" {number}" if len(files) > 1 else ""
            if url := web_link(file.play_url, self.links):
                links.append(Link("play", self.words.play + end, url))
            if url := web_link(file.download_url, self.links):
                links.append(Link("download", self.words.download + end, url))
        return tuple(links)

    # -- alarms

    def _sentence(self, event: Event, alarm: Alarm) -> str:
        """In the recipients' language, whichever the event's own text is in."""
        return alarm_text(event.type, alarm.about, alarm.count, language=self.words.language)

    def _alarm(self, event: Event, alarm: Alarm) -> Iterator[Fact]:
        yield self._fact("what", self._sentence(event, alarm), ours=False)
        if alarm.detail:
            yield self._fact("cause", alarm.detail, ours=False, most=_ERROR_CHARS_MAX)
        yield self._fact("since", self.time(alarm.since or event.time or event.received_at))

    def _page(self, alarm: Alarm) -> tuple[Link, ...]:
        url = web_link(alarm.link, "none" if self.links == "none" else "full")  # it is ours, and no signature
        return (Link("play", self.words.open, url),) if url else ()

    # -- parts

    def _facts(self, event: Event, now: datetime | None) -> Iterator[Fact]:
        if event.subject:
            yield self._fact("stream", event.subject, ours=False)
        if event.error is not None and (said := _error(event)):
            yield self._fact("error", said, ours=False, most=_ERROR_CHARS_MAX)
        if differs := differences(event, self.words):
            yield self._fact("differs", differs)
        if event.type == RECORDING_UNKNOWN and event.vendor_type:
            yield self._fact("kind", event.vendor_type, ours=False)
        if len(event.files) == 1:
            yield from self._file_view(event.files[0], event, now)
        else:
            if event.format:
                yield self._fact("format", event.format, ours=False)
            for number, file in enumerate(event.files[:FILES_SHOWN_MAX], 1):
                yield Fact("file", f"{self.words.labels['file']} {number}", self._summary(file, now), ours=False)
            if len(event.files) > FILES_SHOWN_MAX:
                yield self._fact("file", self.words.more_files.format(count=len(event.files) - FILES_SHOWN_MAX))
        shown = [file.ended_at for file in event.files if file.ended_at is not None]
        if not shown or (event.time is not None and event.time not in shown):
            yield self._fact("time", self.time(event.time or event.received_at))
        if event.problems:
            yield self._fact("problems", ", ".join(event.problems), ours=False, most=200)
        if event.type in {RECORDING_FAILED, RECORDING_UNKNOWN}:
            yield self._fact("id", event.ref, ours=False, most=80)

    def _file_view(self, file: File, event: Event, now: datetime | None) -> Iterator[Fact]:
        if form := file.format or event.format:
            yield self._fact("format", form, ours=False, most=40)
        if file.duration_seconds is not None:
            yield self._fact("duration", self.words.duration(file.duration_seconds))
        if file.size_bytes is not None:
            yield self._fact("size", size(file.size_bytes))
        if file.width and file.height:
            yield self._fact("picture", f"{file.width}x{file.height}")
        if file.started_at is not None:
            yield self._fact("started", self.time(file.started_at))
        if file.ended_at is not None:
            yield self._fact("ended", self.time(file.ended_at))
        if file.archived is not None:
            yield self._fact("archived", redact(file.archived.url), ours=False)
        if self._is_linked(file) and file.expires_at is not None:
            yield self._fact(_end_of(file.expires_at, now), self.time(file.expires_at))

    def _is_linked(self, file: File) -> bool:
        return bool(web_link(file.play_url, self.links) or web_link(file.download_url, self.links))

    def _summary(self, file: File, now: datetime | None) -> str:
        parts = [plain(file.format, 40)] if file.format else []
        if file.duration_seconds is not None:
            parts.append(self.words.duration(file.duration_seconds))
        if file.size_bytes is not None:
            parts.append(size(file.size_bytes))
        if file.width and file.height:
            parts.append(f"{file.width}x{file.height}")
        if self._is_linked(file) and file.expires_at is not None:
            parts.append(f"{self.words.labels[_end_of(file.expires_at, now)]} {self.time(file.expires_at)}")
        return " · ".join(parts) or "-"

    def _fact(self, key: str, value: str, *, ours: bool = True, most: int = 600) -> Fact:
        return Fact(key, self.words.labels[key], value if ours else plain(value, most) or "-", ours)


def _end_of(expires_at: datetime, now: datetime | None) -> str:
    """The key of the label: a message that comes late says that there is nothing to open any more."""
    return "link_ended" if now is not None and expires_at <= now else "link_until"


def _error(event: Event) -> str:
    fault = event.error
    return ": ".join(part for part in (fault.code, fault.message) if part) if fault else ""
