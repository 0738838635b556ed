"""Times, numbers, sizes and durations as a person of this language and time zone reads them."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from markupsafe import Markup, escape

from gateway.fields.locale import is_twice
from gateway.text.escaping import visible
from gateway.web.pages.words import PageWords

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


class Formats:
    """`now` is the moment the page is made for."""

    def __init__(self, words: PageWords, zone: tzinfo, zone_name: str, now: datetime) -> None:
        self._words = words
        self._zone = zone
        self.zone_name = zone_name
        self._now = now

    def time(self, text: str | None) -> Markup:
        """A time in the person's zone, short; the whole of it is behind it."""
        at = _parsed(text)
        if at is None:
            return _dash(text)
        return self._element(at, self._short(at))

    def ago(self, text: str | None) -> Markup:
        """How long ago, or in how long."""
        at = _parsed(text)
        if at is None:
            return _dash(text)
        seconds = (self._now - at).total_seconds()
        word = self.span(abs(seconds))
        if abs(seconds) < 1:
            shown = self._words("now")
        elif seconds > 0:
            shown = self._words("{span} ago", span=word)
        else:
            shown = self._words("in {span}", span=word)
        return self._element(at, shown)

    def span(self, seconds: float) -> str:
        """A duration in its largest unit, or two of them."""
        whole = round(seconds)
        if whole < 60:
            return self._words("{n} s", n=whole)
        if whole < 3600:
            return self._words("{n} min", n=whole // 60)
        if whole < 86400:
            hours, minutes = whole // 3600, whole % 3600 // 60
            return self._words("{n} h", n=hours) + (f" {self._words('{n} min', n=minutes)}" if minutes else "")
        days = whole // 86400
        return self._words("{n} d", n=f"{days:,}")

    def seconds(self, value: float) -> str:
        """How long something took."""
        if value < 1:
            return self._words("{n} ms", n=round(value * 1000))
        return self._words("{n} s", n=f"{value:,.1f}") if value < 60 else self.span(value)

    def number(self, value: float | None) -> str:
        """With marks between the thousands; where counting ended early it says so."""
        return "–" if value is None else f"{value:,}"

    def bytes(self, value: int | None) -> str:
        """A size."""
        if value is None:
            return "–"
        size, unit = float(value), 0
        while size >= 1024 and unit < len(_UNITS) - 1:
            size, unit = size / 1024, unit + 1
        return f"{value:,} B" if unit == 0 else f"{size:,.1f} {_UNITS[unit]}"

    def clock(self, text: str) -> str:
        """The hour and minute of a time, for the axis of a plot; with the day where it is not today."""
        at = _parsed(text)
        if at is None:
            return ""
        local = self._local(at)
        if local.date() == self._local(self._now).date():
            return f"{local:%H:%M}"
        return f"{self._day(local)} {local:%H:%M}"

    def _local(self, at: datetime) -> datetime:
        """The time in the zone, or as it was where the calendar ends there."""
        try:
            return at.astimezone(self._zone)
        except OverflowError:
            return at

    def _short(self, at: datetime) -> str:
        local, today = self._local(at), self._local(self._now)
        if local.date() == today.date():
            return f"{local:%H:%M:%S}"
        year = "" if local.year == today.year else (f"{local.year}年" if self._zh else f" {local.year}")
        day = self._day(local)
        return f"{year}{day} {local:%H:%M:%S}" if self._zh else f"{day}{year} {local:%H:%M:%S}"

    def _day(self, local: datetime) -> str:
        return f"{local.month}月{local.day}日" if self._zh else f"{_MONTHS[local.month - 1]} {local.day}"

    @property
    def _zh(self) -> bool:
        return self._words.language == "zh"

    def _element(self, at: datetime, shown: str) -> Markup:
        local = self._local(at)
        zone = f"{self.zone_name} ({local.isoformat(timespec='seconds')[19:]})" if is_twice(local) else self.zone_name
        if self._zh:
            title = f"{local.year}年{local.month}月{local.day}日 {local:%H:%M:%S} {zone}"
        else:
            title = f"{local.year}-{local.month:02}-{local.day:02} {local:%H:%M:%S} {zone}"
        stamp = at.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
        return Markup('<time datetime="{}" title="{}">{}</time>').format(stamp, title, shown)


def _parsed(text: str | None) -> datetime | None:
    try:
        at = datetime.fromisoformat(text or "")
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _dash(text: str | None) -> Markup:
    return escape(visible(text)) if text else Markup("–")
