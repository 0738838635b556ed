"""Mattermost: incoming webhooks, attachments like Slack's, but texts in Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway import Answer
from plugins.sinks.cards.card import Card
from plugins.sinks.cards.text import cut
from plugins.sinks.chat import replies
from plugins.sinks.chat.chat_service import Tried
from plugins.sinks.chat.markdown import Attachments

_MESSAGE: Final = ("parse", "decode", "text")


class Mattermost(Attachments):
    """16 383 characters of text, of which older servers take 7900 in attachments; a server may limit the rate."""

    title = "Mattermost"
    rate = "5/s"
    allows = ((10, 1),)
    mentions = "a user's name such as anna, `here`, `channel` or `all`"
    text_most = 6000
    link_most = 3000

    def mention(self, who: str) -> str:
        if not re.fullmatch(r"@?[a-z0-9][a-z0-9._-]{0,63}", who):
            raise ValueError(self.mentions)
        return f"@{who.removeprefix('@')}"

    def render(self, card: Card) -> dict[str, object]:
        _, inline, note = self.links_of(card)
        title = f"{card.mark} {card.title}"
        parts = [self.text(card)] if card.text is not None else []
        if inline:
            parts.append(" · ".join(self.link(link.label, link.url) for link in inline))
        attachment: dict[str, object] = {
            "fallback": self.escape(cut(title, 150)),
            "color": self.colours[card.severity],
            "title": self.escape(title),
        }
        if inline:
            attachment["title_link"] = inline[0].url
        if parts:
            attachment["text"] = "\n".join(parts)
        facts = [*([] if card.text is not None else card.facts), *([note] if note else [])]
        if facts:
            attachment["fields"] = self.fields(facts)
        return self.message(card, attachment)

    def fits(self, payload: Mapping[str, Any]) -> bool:
        return all(len(str(attachment)) <= 7600 for attachment in payload["attachments"])

    def judge(self, answer: Answer, tried: Tried) -> str:
        if answer.status == 200 and answer.body.strip() == b"ok":
            return "ok"
        body = replies.body_of(answer)
        name, words = replies.words_of(body, "id"), replies.words_of(body, "message")
        if answer.status == 429:
            wait = replies.seconds(answer.headers.get("x-ratelimit-reset"))
            raise replies.throttled(answer, replies.error_text(answer, name or "too fast", words), wait)
        if name.startswith("web.incoming_webhook."):
            if name.split(".")[2] in _MESSAGE:
                raise replies.refused_for_good(answer, replies.error_text(answer, name, words))
            hint = "incoming webhooks are switched off on the server" if ".disabled." in name else ""
            raise replies.broken(answer, replies.error_text(answer, name, words, hint))
        raise replies.not_theirs(answer) if answer.status < 300 else replies.by_status(answer)


SERVICE: Final = Mattermost()
