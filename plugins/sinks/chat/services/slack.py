"""Slack: incoming webhooks, blocks inside a coloured attachment, plain text elements for everything from outside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from gateway import Answer, inert
from plugins.sinks.cards.card import Card
from plugins.sinks.cards.text import cut, cut_tags
from plugins.sinks.chat import replies
from plugins.sinks.chat.chat_service import Destination, Service, Tried, weight

_COLOURS: Final = {"ok": "#2eb886", "info": "#3370ff", "warn": "#f5a623", "error": "#e01e5a"}
_EVERYBODY: Final = {"all": "<!channel>", "channel": "<!channel>", "here": "<!here>", "everyone": "<!everyone>"}
_UNESCAPABLE: Final = str.maketrans({"*": "∗", "~": "∼", "`": "ˋ"})
_FIELDS_MAX: Final = 10  # of a section
_SECTION_CHARS_MAX: Final = 2900  # characters; it may have 3000
_MESSAGE: Final = frozenset({"invalid_payload", "no_text", "user_not_found", "too_many_attachments"})
_TARGET: Final = frozenset(
    {
        "posting_to_general_channel_denied", "action_prohibited", "invalid_token", "channel_not_found", "no_service",
        "no_service_id", "channel_is_archived", "no_active_hooks", "no_team", "team_disabled",
    }
)  # fmt: skip


class Slack(Service):
    """Fifty blocks, of which a section holds 3000 characters or ten fields of 2000; one message a second, short bursts apart."""

    title = "Slack"
    hosts = ("hooks.slack.com", "hooks.slack-gov.com")
    rate = "1/s"
    allows = ((1, 1),)
    mentions = "a member's id such as U012AB3CD, a group's such as S012AB3CD, `here`, `channel` or `all`"
    text_most = 12_000
    button_most = 3000
    link_most = 2000

    def mention(self, who: str) -> str:
        if who in _EVERYBODY:
            return _EVERYBODY[who]
        if re.fullmatch(r"S[A-Z0-9]{2,30}", who):
            return f"<!subteam^{who}>"
        if not re.fullmatch(r"[UW][A-Z0-9]{2,30}", who):
            raise ValueError(self.mentions)
        return f"<@{who}>"

    def escape(self, text: str) -> str:
        """Only three characters can be escaped; what else would be markup becomes a letter that looks like it."""
        text = inert(re.sub(r"(?<![^\W_])_|_(?![^\W_])", "＿", text.translate(_UNESCAPABLE)))
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    def bold(self, text: str) -> str:
        return f"*{text}*"

    def link(self, label: str, url: str) -> str:
        return f"<{url.replace('&', '&amp;')}|{label}>"

    def trim(self, text: str, most: int) -> str:
        return cut_tags(text, most, escape=self.escape)

    def render(self, card: Card) -> dict[str, object]:
        buttons, _, note = self.links_of(card)  # whatever can stand in text can be a button
        blocks: list[dict[str, object]] = []
        if card.text is not None:
            for part in self._parts(self.text(card) or "-"):
                blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": part, "verbatim": True}})
        facts = [] if card.text is not None else [fact for fact in card.facts if fact.key != "error"]
        for start in range(0, len(facts), _FIELDS_MAX):
            some = facts[start : start + _FIELDS_MAX]
            fields = [_plain(f"{fact.label}\n{fact.value}", 2000) for fact in some]
            blocks.append({"type": "section", "fields": fields})
        if card.text is None and (error := card.fact("error")):
            blocks.append({"type": "section", "text": _plain(f"{error.label}\n{error.value}", 3000)})
        if note:
            blocks.append({"type": "section", "text": _plain(f"{note.label}: {note.value}", 3000)})
        if buttons:
            made = [{"type": "button", "text": _plain(link.label, 75), "url": link.url} for link in buttons[:25]]
            blocks.append({"type": "actions", "elements": made})
        said = [*map(self.mention, card.mentions), f"{card.mark} {self.bold(self.escape(cut(card.title, 150)))}"]
        message: dict[str, object] = {"text": " ".join(said), "unfurl_links": False, "unfurl_media": False}
        if blocks:
            message["attachments"] = [{"color": _COLOURS[card.severity], "blocks": blocks}]
        return message

    def _parts(self, text: str) -> list[str]:
        """The text in pieces that a section can hold, broken between lines."""
        parts: list[str] = []
        for line in text.split("\n"):
            if parts and len(parts[-1]) + 1 + len(line) <= _SECTION_CHARS_MAX:
                parts[-1] += "\n" + line
            else:
                parts.append(self.trim(line, _SECTION_CHARS_MAX))
        return parts[:20]

    def fits(self, payload: Mapping[str, Any]) -> bool:
        sections = [block for one in payload.get("attachments", ()) for block in one["blocks"]]
        texts = [block["text"]["text"] for block in sections if block["type"] == "section" and "text" in block]
        return len(sections) <= 50 and all(len(text) <= 3000 for text in texts) and weight(payload) <= 60_000

    def judge(self, answer: Answer, tried: Tried) -> str:
        code = answer.excerpt.strip()
        if answer.status == 200 and code == "ok":
            return "ok"
        if code in _TARGET:
            raise replies.broken(answer, replies.error_text(answer, code))
        if code in _MESSAGE:
            raise replies.refused_for_good(answer, replies.error_text(answer, code))
        if code == "rollup_error":
            raise replies.busy(answer, replies.error_text(answer, code))
        raise replies.not_theirs(answer) if answer.status < 300 else replies.by_status(answer)

    def advice(self, to: Destination) -> list[str]:
        path = urlsplit(to.url.reveal()).path if to.url is not None else ""
        if path.startswith(("/workflows/", "/triggers/")):
            return ["this URL starts a workflow of Slack, which takes no cards; make an incoming webhook"]
        return []


def _plain(text: str, most: int) -> dict[str, object]:
    return {"type": "plain_text", "text": cut(text, most), "emoji": False}


SERVICE: Final = Slack()
