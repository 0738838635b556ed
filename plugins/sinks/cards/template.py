"""Templates that people write for titles and texts: Jinja2 with nothing in it that runs, reaches out or grows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from gateway import ALL_TYPES, Event, sample, to_document
from gateway.extras import how_to_install
from plugins.sinks.cards.card import View
from plugins.sinks.cards.links import LinksShown, web_link
from plugins.sinks.cards.text import Clean, Escape, Invalid, plain
from plugins.sinks.cards.words import size, words

if TYPE_CHECKING:
    from plugins.sinks.cards.sandbox import Compiled

TEMPLATE_CHARS_MAX: Final = 8 * 1024  # characters of a template


class Template:
    """One template of one sink. Values are escaped as they are put in; what the template itself holds is markup."""

    def __init__(self, text: str, escape: Escape, view: View, *, clean: Clean = plain) -> None:
        """`clean` makes one harmless line of each value before it is escaped. Raises Invalid."""
        try:
            from plugins.sinks.cards.sandbox import compiled
        except ModuleNotFoundError:
            raise Invalid(f"templates need Jinja2: {how_to_install('chat')}") from None
        self._view = view
        self._compiled: Compiled = compiled(text, escape, self._filters(), clean)

    def render(self, event: Event, *, strict: bool = False) -> str:
        """At most 64 KiB; what is longer is cut, or with `strict` a mistake. Raises Invalid."""
        document = {"subject": None, "time": None} | to_document(event)  # what is absent is nothing, not a mistake
        return self._compiled.render({"event": document}, strict=strict).strip()

    def _filters(self) -> Mapping[str, tuple[Callable[[object], object], bool]]:
        """By name: a function of one value, and whether what it gives is harmless as it is."""
        return {
            "size": (lambda value: size(value) if isinstance(value, int) else "", False),
            "duration": (
                lambda value: self._view.words.duration(value) if isinstance(value, int | float) else "",
                False,
            ),
            "time": (self._time, False),
            "url": (self._url, True),
        }

    def _time(self, value: object) -> str:
        try:
            return self._view.time(datetime.fromisoformat(value)) if isinstance(value, str) else ""
        except ValueError:
            return ""

    def _url(self, value: object) -> str:
        return (web_link(value, self._view.links) or "") if isinstance(value, str) else ""


@lru_cache(maxsize=64)  # because each row of a table of owners brings the same one
def try_out(text: str, escape: Escape, timezone: str, language: str, links: LinksShown) -> None:
    """Render it over a full and a sparse sample of every event type. Raises Invalid."""
    template = Template(text, escape, view_of(language, timezone, links))
    for type in ALL_TYPES:
        for full in (True, False):
            try:
                template.render(sample(type, full=full), strict=True)
            except Invalid as error:
                raise Invalid(f"{error} (tried on a {'full' if full else 'sparse'} {type})") from None


def view_of(language: str, timezone: str, links: LinksShown) -> View:
    """As the options of a sink say it."""
    return View(words(language), zone(timezone), links)


def zone(name: str) -> tzinfo:
    """The zone of this name; UTC needs no time zone database."""
    return UTC if name == "UTC" else ZoneInfo(name)
