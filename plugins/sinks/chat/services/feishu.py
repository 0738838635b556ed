"""Feishu and Lark: robots of a group, cards of JSON 1.0, signed in the body."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from gateway import Answer
from plugins.sinks.cards.card import Card
from plugins.sinks.chat import replies
from plugins.sinks.chat.chat_service import Destination, Request, Tried, encode, weight
from plugins.sinks.chat.markdown import Lookalikes

_COLOURS: Final = {"ok": "green", "info": "blue", "warn": "orange", "error": "red"}
_TARGET: Final = {
    19001: "the robot is gone or its URL is wrong",
    19007: "the robot is not enabled",
    19021: "check `secret` and this machine's clock",
    19022: "this machine's address is not on the robot's list",
    19024: "the robot wants a keyword: set `keyword`",
}
_MESSAGE: Final = frozenset({19002, 19036, 200621, 230099})
_THROTTLED: Final = frozenset({11232, 99991400})
_WIDE: Final = frozenset({"stream", "error", "file", "id", "note", "problems"})


def sign(secret: str, at: int) -> str:
    """The signature of a second: the time and the secret are the key, and the message is empty."""
    digest = hmac.new(f"{at}\n{secret}".encode(), b"", hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


class Feishu(Lookalikes):
    """20 KB, 5 messages a second and 100 a minute a robot."""

    title = "Feishu"
    hosts = ("open.feishu.cn", "open.larksuite.com")
    rate = "4/3s"
    allows = ((100, 60), (5, 1))
    takes = ("secret",)
    mentions = "an open_id such as ou_84aad35d084aa403a838cf73ee18467, or `all`"
    text_most = 15_000
    button_most = 4096
    link_most = 8192

    def mention(self, who: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", who):
            raise ValueError(self.mentions)
        return f"<at id={who}></at>"

    def render(self, card: Card) -> dict[str, object]:
        buttons, inline, note = self.links_of(card)
        elements: list[dict[str, object]] = []
        if card.mentions:
            elements.append(_div("lark_md", " ".join(map(self.mention, card.mentions))))
        if card.text is not None:
            elements.append(_div("lark_md", self.text(card) or "-"))
        elif card.facts:
            fields = [
                {"is_short": fact.key not in _WIDE, "text": _text_element("plain_text", f"{fact.label}\n{fact.value}")}
                for fact in card.facts
            ]
            elements.append({"tag": "div", "fields": fields})
        if note:
            elements.append(_div("plain_text", f"{note.label}: {note.value}"))
        if inline:
            elements.append(_div("lark_md", " ".join(self.link(link.label, link.url) for link in inline)))
        if buttons:
            elements.append(
                {"tag": "action", "actions": [_button(link.label, link.url, link.kind) for link in buttons]}
            )
        if not elements:
            elements.append(_div("plain_text", card.title))
        header = {"title": _text_element("plain_text", card.title), "template": _COLOURS[card.severity]}
        body = {"config": {"wide_screen_mode": True}, "header": header, "elements": elements}
        return {"msg_type": "interactive", "card": body}

    def fits(self, payload: Mapping[str, object]) -> bool:
        return weight(payload) <= 19_500  # the signature comes on top

    def request(self, to: Destination, payload: Mapping[str, object], now: datetime) -> Request:
        assert to.url is not None
        signed = dict(payload)
        if to.secret is not None:
            at = int(now.timestamp())
            signed = {"timestamp": str(at), "sign": sign(to.secret.reveal(), at), **signed}
        return Request(to.url.reveal(), encode(signed))

    def judge(self, answer: Answer, tried: Tried) -> str:
        body = replies.body_of(answer)
        if body is None:
            raise replies.not_theirs(answer) if answer.status < 300 else replies.by_status(answer, _reset(answer))
        code = replies.code_of(body, "code")
        if code is None and "code" not in body:
            code = replies.code_of(body, "StatusCode")  # the older answer; beside `code` it says nothing
        words = replies.words_of(body, "msg", "StatusMessage")
        if code == 0 and 200 <= answer.status < 300:
            return "ok"
        if code in _THROTTLED or (code == 9499 and "too many request" in words.lower()):
            raise replies.throttled(answer, replies.error_text(answer, code, words), _reset(answer), _aside(answer))
        hint = _TARGET.get(code) if code is not None else None
        if hint:
            raise replies.broken(answer, replies.error_text(answer, code, words, hint))
        if code in _MESSAGE or code == 9499:
            raise replies.refused_for_good(answer, replies.error_text(answer, code, words))
        if code is None and answer.status < 300:
            raise replies.not_theirs(answer)
        if answer.status < 300 or code == 2200:
            raise replies.busy(answer, replies.error_text(answer, code, words))
        raise replies.by_status(answer, _reset(answer))


def _reset(answer: Answer) -> timedelta | None:
    return replies.seconds(answer.headers.get("x-ogw-ratelimit-reset"))


def _aside(answer: Answer) -> timedelta:
    """A second; around the full and half hour, when everybody's robots speak, some more, each time others."""
    if answer.now.minute % 30:
        return timedelta(seconds=1)
    return timedelta(seconds=5 + (answer.now.microsecond // 1000 + answer.now.second * 7) % 26)


def _text_element(tag: str, content: str) -> dict[str, object]:
    return {"tag": tag, "content": content}


def _div(tag: str, content: str) -> dict[str, object]:
    return {"tag": "div", "text": _text_element(tag, content)}


def _button(label: str, url: str, kind: str) -> dict[str, object]:
    return {
        "tag": "button", "text": _text_element("plain_text", label), "type": "primary" if kind == "play" else "default", "url": url,
    }  # fmt: skip


SERVICE: Final = Feishu()
