"""Discord: webhooks of a channel, an embed, link buttons, and never a mention that was not configured."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from gateway import Answer, format_time
from plugins.sinks.cards.card import Card
from plugins.sinks.cards.text import cut, plain, units
from plugins.sinks.chat import replies
from plugins.sinks.chat.chat_service import Destination, Request, Tried, encode, with_query
from plugins.sinks.chat.markdown import Backslashes

_COLOURS: Final = {"ok": 0x2EB886, "info": 0x3370FF, "warn": 0xF5A623, "error": 0xE01E5A}
_EVERYBODY: Final = {"all": "@everyone", "everyone": "@everyone", "here": "@here"}
_TARGET: Final = {
    10003: "", 10015: "the webhook was deleted", 50027: "the webhook's token is wrong",
    220001: "the channel is a forum: add thread_id= to the URL", 220002: "", 40333: "",
}  # fmt: skip
_MESSAGE: Final = frozenset({50006, 50035, 50109, 200000})
_BUSY: Final = frozenset({20028, 20029, 40062})


class Discord(Backslashes):
    """One embed of 6000 characters, 25 fields of 1024, buttons with URLs of 512; about 5 messages in 2 s, 30 a minute."""

    title = "Discord"
    hosts = ("discord.com", "discordapp.com")
    rate = "2/5s"
    allows = ((30, 60), (5, 2))
    mentions = "a user's id, `role:` and a role's id, `here` or `all`"
    text_most = 4000
    button_most = 512
    link_most = 900

    def measure(self, text: str) -> int:
        return units(text)

    def mention(self, who: str) -> str:
        if who in _EVERYBODY:
            return _EVERYBODY[who]
        if not re.fullmatch(r"(role:)?\d{5,25}", who, re.A):
            raise ValueError(self.mentions)
        return f"<@&{who.removeprefix('role:')}>" if who.startswith("role:") else f"<@{who}>"

    def render(self, card: Card) -> dict[str, object]:
        buttons, inline, note = self.links_of(card)
        embed: dict[str, object] = {
            "title": self.trim(self.escape(f"{card.mark} {card.title}"), 256),
            "color": _COLOURS[card.severity],
            "timestamp": format_time(card.at),
        }
        fields: list[dict[str, object]] = []
        if card.text is not None:
            embed["description"] = self.text(card) or "-"
        else:
            fields = [
                {
                    "name": self.escape(fact.label),
                    "value": fact.value if fact.ours else self.value(cut(fact.value, 1000, units)),
                    "inline": fact.key not in {"stream", "error", "id", "problems"},
                }
                for fact in card.facts
            ]
        if note:
            fields.append({"name": note.label, "value": self.escape(note.value), "inline": False})
        fields += [
            {"name": link.label, "value": self.link(link.label, link.url), "inline": False} for link in inline
        ]  # because a button takes no longer URL
        if fields:
            embed["fields"] = fields[:25]
        message: dict[str, object] = {"embeds": [embed], "allowed_mentions": self._allowed(card)}
        if card.mentions:
            message["content"] = " ".join(map(self.mention, card.mentions))
        if buttons:
            rows = [buttons[at : at + 5] for at in range(0, min(len(buttons), 25), 5)]
            message["components"] = [
                {"type": 1, "components": [{"type": 2, "style": 5, "label": one.label, "url": one.url} for one in row]}
                for row in rows
            ]
        return message

    def _allowed(self, card: Card) -> dict[str, object]:
        """Nobody but whom the configuration names."""
        allowed: dict[str, object] = {"parse": ["everyone"] if any(who in _EVERYBODY for who in card.mentions) else []}
        named = [who for who in card.mentions if who not in _EVERYBODY]
        if users := [who for who in named if not who.startswith("role:")]:
            allowed["users"] = users
        if roles := [who.removeprefix("role:") for who in named if who.startswith("role:")]:
            allowed["roles"] = roles
        return allowed

    def fits(self, payload: Mapping[str, Any]) -> bool:
        embed = payload["embeds"][0]
        texts = [embed["title"], embed.get("description", "")]
        for field in embed.get("fields", ()):
            texts += [field["name"], field["value"]]
        return units("".join(texts)) <= 6000 and all(units(field["value"]) <= 1024 for field in embed.get("fields", ()))

    def request(self, to: Destination, payload: Mapping[str, object], now: datetime) -> Request:
        assert to.url is not None
        # `wait`, because without it a message that was not taken is answered like one that was; the other for buttons
        return Request(with_query(to.url.reveal(), wait="true", with_components="true"), encode(payload))

    def judge(self, answer: Answer, tried: Tried) -> str:
        body = replies.body_of(answer)
        if answer.status < 300 and (answer.status == 204 or (body is not None and "id" in body)):
            return plain(f"message {body['id']}", 60) if body else "accepted"
        number = replies.code_of(body, "code") if body else None
        words = replies.words_of(body, "message")
        if answer.status == 429:
            detail = replies.error_text(answer, number or "too fast", words)
            raise replies.throttled(answer, detail, replies.seconds(body.get("retry_after")) if body else None)
        if number in _TARGET:
            raise replies.broken(answer, replies.error_text(answer, number, words, _TARGET[number]))
        if number in _MESSAGE:
            raise replies.refused_for_good(answer, replies.error_text(answer, number, words))
        if number in _BUSY:
            raise replies.throttled(answer, replies.error_text(answer, number, words))
        raise replies.not_theirs(answer) if answer.status < 300 else replies.by_status(answer)


SERVICE: Final = Discord()
