"""WeCom: robots of a group; template cards where there is something to open, else Markdown, and plain text for mobiles."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from gateway import Answer, inert
from plugins.sinks.cards.card import Card
from plugins.sinks.cards.text import cut, octets
from plugins.sinks.chat import replies
from plugins.sinks.chat.chat_service import Destination, Tried, query_of
from plugins.sinks.chat.markdown import Lookalikes

_COLOURS: Final = {"ok": "info", "info": "comment", "warn": "warning", "error": "warning"}
_DESCRIPTIONS: Final = {"ok": 3, "info": 0, "warn": 2, "error": 2}
_MOBILE: Final = re.compile(r"1\d{10}", re.A)
_TARGET: Final = {93000: "the robot is gone or its URL is wrong", 40001: "", 40093: "", 48002: "", 50003: ""}
_MESSAGE: Final = frozenset({40008, 40033, 40035, 40058, 40063, 44004, 45002, 45034})
_ROWS_MAX: Final = 6
_JUMPS_MAX: Final = 3  # of a template card; with more to show a message is Markdown
_WAIT: Final = timedelta(minutes=1)
_BYTES_MAX: Final = {"markdown": 4096, "text": 2048}  # bytes of the content


class WeCom(Lookalikes):
    """4096 bytes of Markdown or 2048 of text, 20 messages a minute a robot, whether they were taken or not."""

    title = "WeCom"
    hosts = ("qyapi.weixin.qq.com",)
    rate = "5/20s"
    allows = ((20, 60),)
    mentions = "a user id, a mobile number such as 13800000000, or `all`"
    text_most = 3400
    link_most = 1500
    facts_in_text = True

    def mention(self, who: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_.@-]{1,64}", who):
            raise ValueError(self.mentions)
        return f"<@{who}>"

    def render(self, card: Card) -> dict[str, object]:
        if any(who == "all" or _MOBILE.fullmatch(who) for who in card.mentions):
            return self._plain(card)
        if card.text is None and not card.mentions and (made := self._template(card)) is not None:
            return made
        return self._markdown(card)

    def fits(self, payload: Mapping[str, Any]) -> bool:
        kind = payload["msgtype"]
        return kind not in _BYTES_MAX or octets(payload[kind]["content"]) <= _BYTES_MAX[kind]

    def _template(self, card: Card) -> dict[str, object] | None:
        """A card with something to open; None where this one has nothing, or more to say than there is room for."""
        stream, extra = card.fact("stream"), [fact for fact in card.facts if fact.key in card.words.brief]
        if (
            not 0 < len(card.links) <= _JUMPS_MAX
            or any(len(link.url) > 2048 for link in card.links)
            or not stream
            or len(stream.value) > 112
        ):
            return None
        if len(extra) > _ROWS_MAX or len(extra) + 1 != len(card.facts) or any(len(fact.value) > 26 for fact in extra):
            return None
        what, _, which = _clear(card.title).partition(" · ")
        rows = [{"keyname": card.words.brief[fact.key], "value": _clear(fact.value)} for fact in extra]
        jumps = [{"type": 1, "title": cut(link.label, 13), "url": link.url} for link in card.links]
        template = {
            "card_type": "text_notice",
            "source": {"desc": card.words.severities[card.severity], "desc_color": _DESCRIPTIONS[card.severity]},
            "main_title": {"title": cut(what, 26), **({"desc": cut(which, 30)} if which else {})},
            "sub_title_text": _clear(stream.value),
            "horizontal_content_list": rows,
            "jump_list": jumps,
            "card_action": {"type": 1, "url": card.links[0].url},
        }
        return {"msgtype": "template_card", "template_card": template}

    def _markdown(self, card: Card) -> dict[str, object]:
        _, inline, note = self.links_of(card)
        heading = f'<font color="{_COLOURS[card.severity]}">{self.escape(card.title)}</font>'
        parts = [f"### {card.mark} {heading}", self.text(card)]
        if note:
            parts.append(self.fact(note))
        parts.append(" ".join(self.link(link.label, link.url) for link in inline))
        parts.append(" ".join(map(self.mention, card.mentions)))
        return {"msgtype": "markdown", "markdown": {"content": "\n".join(filter(None, parts))}}

    def _plain(self, card: Card) -> dict[str, object]:
        """Only plain text can call everybody, or somebody by the mobile."""
        parts = [f"{card.mark} {_clear(card.title)}"]
        if card.text is not None:
            parts.append(self.trim(card.text, min(card.text_most, 1400)))
        else:
            parts += [f"{fact.label}: {_clear(fact.value)}" for fact in card.facts]
        if note := self.links_of(card)[2]:
            parts.append(f"{note.label}: {note.value}")
        parts += [f"{link.label}: {link.url}" for link in card.links if len(link.url) <= self.link_most]
        said = [who for who in card.mentions if who != "all" and not _MOBILE.fullmatch(who)]
        mobiles = [who for who in card.mentions if _MOBILE.fullmatch(who)]
        listed = [*said, *(["@all"] if "all" in card.mentions else [])]
        content = {"content": "\n".join(parts), "mentioned_list": listed, "mentioned_mobile_list": mobiles}
        return {"msgtype": "text", "text": content}

    def judge(self, answer: Answer, tried: Tried) -> str:
        body = replies.body_of(answer)
        if body is None:
            raise replies.not_theirs(answer) if answer.status < 300 else replies.by_status(answer, _WAIT)
        code = replies.code_of(body, "errcode")
        words = replies.words_of(body, "errmsg")
        if code == 0 and 200 <= answer.status < 300:
            return "ok"
        if code in {45009, 45033}:
            raise replies.throttled(answer, replies.error_text(answer, code, words), _WAIT)
        if code in _TARGET:
            raise replies.broken(answer, replies.error_text(answer, code, words, _TARGET[code]))
        if code in _MESSAGE:
            raise replies.refused_for_good(answer, replies.error_text(answer, code, words))
        if code == -1 or (code not in {None, 0} and answer.status < 300):
            raise replies.busy(answer, replies.error_text(answer, code, words))
        raise replies.not_theirs(answer) if answer.status < 300 else replies.by_status(answer, _WAIT)

    def advice(self, to: Destination) -> list[str]:
        if to.url is not None and "key" not in query_of(to.url.reveal()):
            return ["the URL has no key=, which every robot of WeCom has"]
        return []


def _clear(text: str) -> str:
    """For elements without markup: a mention is one even there, and a backslash can be refused as an illegal character."""
    return inert(text.replace("<", "＜").replace("\\", "＼"))


SERVICE: Final = WeCom()
