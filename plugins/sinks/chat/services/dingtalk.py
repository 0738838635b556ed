"""DingTalk: robots of a group, action cards in a Markdown of its own, signed in the query."""

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
from plugins.sinks.cards.text import cut
from plugins.sinks.chat import replies
from plugins.sinks.chat.chat_service import Destination, Request, Tried, encode, query_of, weight, with_query
from plugins.sinks.chat.markdown import Lookalikes

_COLOURS: Final = {"ok": "#2EB886", "info": "#3370FF", "warn": "#F5A623", "error": "#FF0000"}
_MOBILE: Final = re.compile(r"1\d{10}|\+\d{1,4}-\d{4,15}", re.A)
_BUSY: Final = frozenset({-1, 88, 90018})
_TARGET: Final = frozenset({300001, 300005, 400013, 400101, 400102, 400106})
_MESSAGE: Final = frozenset({40035, 43004, 400105, 460101})
_BANNED: Final = timedelta(minutes=5)  # how long an address that called too often is answered without a code
_310000: Final = (  # one code, four meanings; the words are English or Chinese
    (("keyword", "关键词"), "the robot wants a keyword: set `keyword`"),
    (("timestamp", "时间"), "check this machine's clock"),
    (("sign", "签名"), "check `secret`"),
    (("whitelist", "白名单", "ip "), "this machine's address is not on the robot's list"),
)


def sign(secret: str, at: int) -> str:
    """The signature of a millisecond, not yet encoded for a URL: the secret is the key, time and secret the message."""
    digest = hmac.new(secret.encode(), f"{at}\n{secret}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


class DingTalk(Lookalikes):
    """20 000 bytes, 20 messages a minute a robot; who sends more is silenced for ten minutes."""

    title = "DingTalk"
    hosts = ("oapi.dingtalk.com", "api.dingtalk.io")
    rate = "5/20s"
    allows = ((20, 60),)
    takes = ("secret",)
    mentions = "a mobile number such as 13800000000, a user id, or `all`"
    text_most = 12_000
    button_most = 2048
    link_most = 6000
    newline = "\n\n"
    facts_in_text = True

    def mention(self, who: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_.+$:-]{1,64}", who):
            raise ValueError(self.mentions)
        return f"@{who}"

    def render(self, card: Card) -> dict[str, object]:
        buttons, inline, note = self.links_of(card)
        if card.mentions:  # an action card mentions nobody
            buttons, inline = [], [*buttons, *inline]
        heading = f'<font color="{_COLOURS[card.severity]}">{card.mark} {self.escape(card.title)}</font>'
        parts = [f"### {heading}"]
        if text := self._card_text(card):
            parts.append(text)
        if note:
            parts.append(self.fact(note))
        if inline:
            parts.append(" ".join(self.link(link.label, link.url) for link in inline))
        preview = cut(f"{card.mark} {card.title}", 100)
        if buttons:
            shown = [{"title": link.label, "actionURL": link.url} for link in buttons]
            made = {"title": preview, "text": "\n\n".join(parts), "btnOrientation": "1", "btns": shown}
            return {"msgtype": "actionCard", "actionCard": made}
        who = list(card.mentions)
        if who:
            parts.append(" ".join(self.mention(one) for one in who if one != "all"))
        message = {"title": preview, "text": "\n\n".join(filter(None, parts))}
        others = [one for one in who if one != "all"]
        at = {
            "atMobiles": [one for one in others if _MOBILE.fullmatch(one)],
            "atUserIds": [one for one in others if not _MOBILE.fullmatch(one)],
            "isAtAll": "all" in who,
        }
        return {"msgtype": "markdown", "markdown": message, "at": at}

    def _card_text(self, card: Card) -> str:
        if card.text is not None:
            return self.text(card)
        return self.trim("\n".join(f"- {self.fact(fact)}" for fact in card.facts), self.text_most)

    def fits(self, payload: Mapping[str, object]) -> bool:
        return weight(payload) <= 19_500

    def request(self, to: Destination, payload: Mapping[str, object], now: datetime) -> Request:
        assert to.url is not None
        url = to.url.reveal()
        if to.secret is not None:
            at = round(now.timestamp() * 1000)
            url = with_query(url, timestamp=str(at), sign=sign(to.secret.reveal(), at))
        return Request(url, encode(payload))

    def judge(self, answer: Answer, tried: Tried) -> str:
        body = replies.body_of(answer)
        if body is None:
            if answer.status < 300:
                raise replies.not_theirs(answer, _BANNED)
            raise replies.by_status(answer, replies.rising(60, 600, tried.attempt))
        code = replies.code_of(body, "errcode")
        words = replies.words_of(body, "errmsg")
        if code == 0 and 200 <= answer.status < 300:
            return "ok"
        if body.get("punish") or (code is None and replies.code_of(body, "status") == 1111):
            detail = replies.error_text(answer, "calls from this address are punished", str(body.get("punish")))
            raise replies.throttled(answer, detail, _BANNED, replies.seconds(body.get("wait")))
        if code in {130101, 410100}:
            raise replies.throttled(
                answer, replies.error_text(answer, code, words), replies.rising(60, 600, tried.attempt)
            )
        if code in _TARGET:
            raise replies.broken(answer, replies.error_text(answer, code, words))
        if code == 310000:
            hint = next((hint for marks, hint in _310000 if any(mark in words.lower() for mark in marks)), "")
            raise replies.broken(answer, replies.error_text(answer, code, words, hint))
        if code in _MESSAGE:
            raise replies.refused_for_good(answer, replies.error_text(answer, code, words))
        if code in _BUSY or (code not in {None, 0} and answer.status < 300):
            raise replies.busy(answer, replies.error_text(answer, code, words))
        raise replies.not_theirs(answer, _BANNED) if answer.status < 300 else replies.by_status(answer)

    def advice(self, to: Destination) -> list[str]:
        if to.url is not None and "access_token" not in query_of(to.url.reveal()):
            return ["the URL has no access_token=, which every robot of DingTalk has"]
        return []


SERVICE: Final = DingTalk()
