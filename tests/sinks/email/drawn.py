"""Mails that are drawn and not sent."""

from __future__ import annotations

from typing import Any

from gateway import Event
from gateway.testing import NOW, delivery
from plugins.sinks.cards.card import View
from plugins.sinks.cards.template import zone
from plugins.sinks.cards.words import words
from plugins.sinks.email.address import parse
from plugins.sinks.email.mail_layout import Drawn, draw, draw_digest
from plugins.sinks.email.message import Envelope, compose
from plugins.sinks.email.words import mail_words
from tests.sinks.email.conftest import Mail

SENT = NOW.replace(hour=7)


ENVELOPE = Envelope(sender=parse("Recordings <gw@example.com>"), to=[parse("ops@example.com")])


def drawn(
    *of: Event, language: str = "en", links: Any = "full", timezone: str = "UTC", subject: str | None = None
) -> Drawn:
    view = View(words(language), zone(timezone), links)
    if len(of) == 1:
        return draw(view, mail_words(language), delivery(of[0]), subject)
    return draw_digest(view, mail_words(language), [delivery(one) for one in of])


def made(*of: Event, envelope: Envelope = ENVELOPE, **how: Any) -> Mail:
    draw = drawn(*of, **how)
    data = compose(envelope, of, subject=draw.subject, text=draw.text, html=draw.html, at=SENT)
    return Mail("", [], data, False, None)
