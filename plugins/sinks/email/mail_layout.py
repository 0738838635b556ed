"""What the mail says, drawn twice from the same cards: as text, and as HTML with nothing remote in it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import jinja2

from gateway import RECORDING_FAILED, Delivery
from plugins.sinks.cards.card import View
from plugins.sinks.cards.differences import severity_of
from plugins.sinks.cards.text import plain
from plugins.sinks.cards.words import MARKS, Severity, worst
from plugins.sinks.email.words import MailWords

_COLOURS: Final[dict[Severity, str]] = {"ok": "#15803d", "info": "#1d4ed8", "warn": "#b45309", "error": "#b91c1c"}
_FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Drawn:
    """The three texts of one mail. `subject` is still as it came; a header makes it one line."""

    subject: str
    text: str
    html: str


def draw(
    view: View, words: MailWords, delivery: Delivery, subject: str | None = None, *, now: datetime | None = None
) -> Drawn:
    """The mail of one event, as it is sent at `now`. `subject` takes the place of the built-in one."""
    event = delivery.event
    card = view.card(event, replay=delivery.replay, now=now)
    usual = view.words.title(event.type) + (view.words.replay if delivery.replay else "")
    usual += f": {event.subject}" if event.subject else ""
    footer = words.footer.format(source=plain(event.source), trust=event.trust.value, id=plain(event.ref, 80))
    return _render(
        subject or usual,
        words=words,
        title=card.title,
        mark=card.mark,
        colour=_COLOURS[card.severity],
        summary=" · ".join(fact.value for fact in card.facts[:4]),
        card=card,
        lines=(),
        footer=footer,
    )


def draw_digest(view: View, words: MailWords, deliveries: Sequence[Delivery], *, now: datetime | None = None) -> Drawn:
    """One mail about several events, a line each, as it is sent at `now`."""
    events = [delivery.event for delivery in deliveries]
    severity = worst([severity_of(event) for event in events])
    title = view.words.digest.format(count=len(events))
    if failed := sum(event.type == RECORDING_FAILED for event in events):
        title += f" ({words.failed.format(count=failed)})"
    lines = [view.line(event, now) for event in events]
    return _render(
        title,
        words=words,
        title=title,
        mark=MARKS[severity],
        colour=_COLOURS[severity],
        summary=" · ".join(line.name for line in lines[:4]),
        card=None,
        lines=lines,
        footer=words.digest_footer,
    )


def _render(subject: str, **values: object) -> Drawn:
    made = {name: template.render(values) for name, template in templates().items()}
    return Drawn(subject, _squeezed(made["mail.txt"]), made["mail.html"])


@functools.cache
def templates() -> dict[str, jinja2.Template]:
    """Read and compiled once."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return {name: environment.get_template(name) for name in ("mail.txt", "mail.html")}


def _squeezed(text: str) -> str:
    """No more than one empty line in a row."""
    lines = text.split("\n")
    kept = [line for number, line in enumerate(lines) if line or (number and lines[number - 1])]
    return "\n".join(kept)
