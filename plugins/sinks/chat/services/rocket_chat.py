"""Rocket.Chat: incoming webhooks, attachments like Slack's with buttons, texts in Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway import Answer
from plugins.sinks.cards.card import Card
from plugins.sinks.chat import replies
from plugins.sinks.chat.chat_service import Tried
from plugins.sinks.chat.markdown import Attachments


class RocketChat(Attachments):
    """5000 characters are the usual limit of a server."""

    title = "Rocket.Chat"
    rate = "1/s"
    allows = ((2, 1),)  # by taste: its documents name no limit of webhooks
    mentions = "a user's name such as anna, `here` or `all`"
    text_most = 3500
    button_most = 2048
    link_most = 2500

    def mention(self, who: str) -> str:
        if not re.fullmatch(r"@?[A-Za-z0-9][A-Za-z0-9._-]{0,63}", who):
            raise ValueError(self.mentions)
        return f"@{who.removeprefix('@')}"

    def render(self, card: Card) -> dict[str, object]:
        buttons, inline, note = self.links_of(card)
        parts = [self.text(card)] if card.text is not None else []
        if note:
            parts.append(self.fact(note))
        if inline:
            parts.append(" · ".join(self.link(link.label, link.url) for link in inline))
        attachment: dict[str, object] = {
            "color": self.colours[card.severity],
            "title": self.escape(f"{card.mark} {card.title}"),
        }
        if card.links:
            attachment["title_link"] = card.links[0].url
        if parts:
            attachment["text"] = "\n".join(parts)
        if card.text is None and card.facts:
            attachment["fields"] = self.fields(card.facts)
        if buttons:
            attachment["actions"] = [{"type": "button", "text": link.label, "url": link.url} for link in buttons]
        return self.message(card, attachment)

    def fits(self, payload: Mapping[str, Any]) -> bool:
        return all(len(str(attachment)) <= 4800 for attachment in payload["attachments"])

    def judge(self, answer: Answer, tried: Tried) -> str:
        body = replies.body_of(answer)
        if body is not None and answer.status < 300 and body.get("success") is True:
            return "ok"
        words = replies.words_of(body, "error", "message")
        low = words.lower()
        if "too-many-requests" in low or "too many requests" in low:
            raise replies.throttled(answer, replies.error_text(answer, "too fast", words))
        if "invalid-channel" in low or "not-allowed" in low or "invalid integration" in low:
            raise replies.broken(answer, replies.error_text(answer, "success: false", words))
        if body is not None and body.get("success") is False and answer.status < 500 and answer.status not in {
            401, 403, 404, 408, 429,
        }:  # fmt: skip
            raise replies.refused_for_good(answer, replies.error_text(answer, "success: false", words))
        raise replies.not_theirs(answer) if answer.status < 300 else replies.by_status(answer)


SERVICE: Final = RocketChat()
