"""Google Chat: webhooks of a space, cards of version 2, in whose texts a few HTML tags mean something."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Final

from gateway import Answer, inert
from plugins.sinks.cards.card import Card
from plugins.sinks.cards.text import cut_tags, escaped, octets, plain
from plugins.sinks.chat import replies
from plugins.sinks.chat.chat_service import Service, Tried, weight

_COLOURS: Final = {"ok": "#1e8e3e", "info": "#1a73e8", "warn": "#f29900", "error": "#d93025"}
_TARGET: Final = frozenset({"PERMISSION_DENIED", "UNAUTHENTICATED", "NOT_FOUND", "FAILED_PRECONDITION"})


class GoogleChat(Service):
    """32 000 bytes; one message a second a space, shared by all of its webhooks."""

    title = "Google Chat"
    hosts = ("chat.googleapis.com",)
    rate = "1/2s"
    allows = ((1, 1),)
    mentions = "a user such as users/123456789, or `all`"
    text_most = 12_000
    button_most = 2048
    link_most = 6000
    newline = "<br>"

    def measure(self, text: str) -> int:
        return octets(text)

    def mention(self, who: str) -> str:
        if who == "all":
            return "<users/all>"
        if not re.fullmatch(r"(users/)?\d{3,30}", who, re.A):
            raise ValueError(self.mentions)
        return f"<users/{who.removeprefix('users/')}>"

    def escape(self, text: str) -> str:
        return escaped(text)

    def bold(self, text: str) -> str:
        return f"<b>{text}</b>"

    def link(self, label: str, url: str) -> str:
        return f'<a href="{html.escape(url)}">{label}</a>'

    def trim(self, text: str, most: int) -> str:
        return cut_tags(text, most, octets)

    def render(self, card: Card) -> dict[str, object]:
        buttons, inline, note = self.links_of(card)
        # the header reads no markup, so the colour stands in a line of its own
        kind = card.title.split(" · ")[0]
        widgets = [_paragraph(f'<font color="{_COLOURS[card.severity]}">{self.bold(self.escape(kind))}</font>')]
        if card.text is not None:
            widgets.append(_paragraph(self.text(card).replace("\n", "<br>") or "-"))
        else:
            widgets += [
                {"decoratedText": {"topLabel": fact.label, "text": self.escape(fact.value), "wrapText": True}}
                for fact in card.facts
            ]
        if note:
            widgets.append(_paragraph(self.fact(note)))
        if inline:
            widgets.append(_paragraph(" ".join(self.link(link.label, link.url) for link in inline)))
        if buttons:
            made = [{"text": link.label, "onClick": {"openLink": {"url": link.url}}} for link in buttons]
            widgets.append({"buttonList": {"buttons": made}})
        header = {"title": inert(f"{card.mark} {card.title}")}
        shown = {"cardId": "recording", "card": {"header": header, "sections": [{"widgets": widgets}]}}
        message: dict[str, object] = {"cardsV2": [shown]}
        if card.mentions:
            message["text"] = " ".join(map(self.mention, card.mentions))
        return message

    def fits(self, payload: Mapping[str, object]) -> bool:
        return weight(payload) <= 28_000

    def judge(self, answer: Answer, tried: Tried) -> str:
        body = replies.body_of(answer)
        if body is not None and answer.status < 300 and "error" not in body:
            return plain(str(body.get("name") or "ok"), 120)
        found = body.get("error") if body else None
        error: Mapping[str, object] = found if isinstance(found, dict) else {}
        status, words = error.get("status"), replies.words_of(error, "message")
        if status == "RESOURCE_EXHAUSTED" or answer.status == 429:
            detail = replies.error_text(answer, status or "too fast", words)
            raise replies.throttled(answer, detail, replies.rising(2, 60, tried.attempt))
        if status in _TARGET:
            raise replies.broken(answer, replies.error_text(answer, status, words))
        if status == "INVALID_ARGUMENT":
            raise replies.refused_for_good(answer, replies.error_text(answer, status, words))
        raise replies.not_theirs(answer) if answer.status < 300 else replies.by_status(answer)


def _paragraph(text: str) -> dict[str, object]:
    return {"textParagraph": {"text": text}}


SERVICE: Final = GoogleChat()
