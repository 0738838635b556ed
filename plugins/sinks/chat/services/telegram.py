"""Telegram: a bot that sends HTML to a chat, with buttons; values from outside stand in code, where nothing is looked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from gateway import Answer, Retry
from plugins.sinks.cards.card import Card
from plugins.sinks.cards.text import cut, cut_tags, escaped, units, without_tags
from plugins.sinks.chat import replies
from plugins.sinks.chat.chat_service import Destination, Request, Service, Tried, encode

_UNREADABLE: Final = (
    "can't parse entities",
    "message is too long",
    "button_url_invalid",
    "inline keyboard",
    "http url",
)
_TARGET: Final = ("chat not found", "message thread not found", "not enough rights", "bot was kicked", "topic_closed")


class Telegram(Service):
    """4096 characters and 100 entities; one message a second a chat, 20 a minute a group."""

    title = "Telegram"
    hosts = ("api.telegram.org",)
    rate = "1/4s"
    allows = ((20, 60), (1, 1))
    needs = ("token", "chat_id")
    takes = ("token", "chat_id", "base_url", "thread")
    mentions = "a user's name such as @anna, or a user's id"
    text_most = 3600
    button_most = 2048
    link_most = 4096
    facts_in_text = True

    def measure(self, text: str) -> int:
        return units(without_tags(text))

    def mention(self, who: str) -> str:
        if re.fullmatch(r"@[A-Za-z0-9_]{3,32}", who):
            return who
        if not re.fullmatch(r"\d{3,20}", who, re.A):
            raise ValueError(self.mentions)
        return f'<a href="tg://user?id={who}">{who}</a>'

    def escape(self, text: str) -> str:
        return escaped(text)

    def value(self, text: str) -> str:
        return f"<code>{escaped(text)}</code>"

    def bold(self, text: str) -> str:
        return f"<b>{text}</b>"

    def link(self, label: str, url: str) -> str:
        return f'<a href="{url.replace("&", "&amp;")}">{label}</a>'

    def trim(self, text: str, most: int) -> str:
        return cut_tags(text, most, self.measure)

    def render(self, card: Card) -> dict[str, object]:
        buttons, inline, note = self.links_of(card)
        parts = [f"{card.mark} {self.bold(self.escape(card.title))}", self.text(card)]
        if note:
            parts.append(self.fact(note))
        if inline:
            parts.append(" ".join(self.link(link.label, link.url) for link in inline))
        if card.mentions:
            parts.append(" ".join(map(self.mention, card.mentions)))
        message: dict[str, object] = {
            "text": "\n".join(filter(None, parts)),
            "parse_mode": "HTML",
            "link_preview_options": {"is_disabled": True},
        }
        if buttons:
            rows = [buttons[at : at + 2] for at in range(0, len(buttons), 2)]
            keys = [[{"text": link.label, "url": link.url} for link in row] for row in rows]
            message["reply_markup"] = {"inline_keyboard": keys}
        return message

    def fits(self, payload: Mapping[str, Any]) -> bool:
        text = payload["text"]
        return self.measure(text) <= 4096 and len(re.findall(r"<[a-z]", text)) <= 100 and len(text) <= 16_000

    def rate_of(self, to: Destination) -> str:
        return "1/2s" if to.chat_id and to.chat_id.isdigit() else self.rate  # one person is no group

    def again(self, payload: Mapping[str, Any], memo: Mapping[str, object]) -> Mapping[str, object]:
        changed = dict(payload)
        if memo.get("plain"):
            keys = changed.pop("reply_markup", {"inline_keyboard": []})["inline_keyboard"]
            links = [f"{key['text']}: {key['url']}" for row in keys for key in row]
            changed["text"] = cut("\n".join([without_tags(changed["text"]), *links]), 4096, units)
            del changed["parse_mode"]
        if "chat_id" in memo:
            changed["chat_id"] = memo["chat_id"]
        return changed

    def request(self, to: Destination, payload: Mapping[str, object], now: datetime) -> Request:
        assert to.token is not None
        body = {"chat_id": to.chat_id, **payload}
        if to.thread is not None:
            body["message_thread_id"] = to.thread
        return Request(f"{to.base_url.rstrip('/')}/bot{to.token.reveal()}/sendMessage", encode(body))

    def judge(self, answer: Answer, tried: Tried) -> str:
        body = replies.body_of(answer)
        if body is None:
            raise replies.not_theirs(answer) if answer.status < 300 else replies.by_status(answer)
        if body.get("ok") is True and answer.status < 300:
            result = body.get("result")
            number = replies.code_of(result, "message_id") if isinstance(result, dict) else None
            return f"message {number}" if number else "ok"
        code = replies.code_of(body, "error_code") or answer.status
        words = replies.words_of(body, "description")
        low = words.lower()
        given = body.get("parameters")
        parameters: Mapping[str, object] = given if isinstance(given, dict) else {}
        if code == 429:
            detail = replies.error_text(answer, code, words)
            raise replies.throttled(answer, detail, replies.seconds(parameters.get("retry_after")))
        if moved := replies.code_of(parameters, "migrate_to_chat_id"):
            hint = f"the group became a supergroup: set chat_id to {moved}; sent there meanwhile"
            detail = replies.error_text(answer, code, words, hint)
            raise Retry(detail, memo={"chat_id": moved}, status=answer.status)
        if code == 400 and any(mark in low for mark in _UNREADABLE):
            if tried.memo.get("plain"):
                raise replies.refused_for_good(answer, replies.error_text(answer, code, words))
            raise Retry(
                replies.error_text(answer, code, words, "next as plain text without buttons"),
                memo={"plain": True},
                status=400,
            )
        if code in {401, 403, 404} or (code == 400 and any(mark in low for mark in _TARGET)):
            hint = {401: "the token was revoked", 404: "the token is wrong"}.get(code, "")
            raise replies.broken(answer, replies.error_text(answer, code, words, hint))
        if code == 400:
            raise replies.refused_for_good(answer, replies.error_text(answer, code, words))
        raise replies.not_theirs(answer) if answer.status < 300 else replies.by_status(answer)


SERVICE: Final = Telegram()
