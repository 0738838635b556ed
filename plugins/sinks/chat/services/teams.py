"""Microsoft Teams: a Workflows webhook that posts an adaptive card; text runs, which read no Markdown, for what came from outside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from gateway import Answer, inert
from plugins.sinks.cards.card import Card
from plugins.sinks.cards.text import backslashed
from plugins.sinks.chat import replies
from plugins.sinks.chat.chat_service import Destination, Request, Tried, encode, weight
from plugins.sinks.chat.markdown import Markdown

_ACTIONS_MAX: Final = 6  # more are not shown
_STYLES: Final = {"ok": "good", "info": "accent", "warn": "warning", "error": "attention"}
_COLOURS: Final = {"ok": "Good", "info": "Accent", "warn": "Warning", "error": "Attention"}


class Teams(Markdown):
    """About 28 KB, four messages a second; an answer says that the flow began, not that the card was posted."""

    title = "Microsoft Teams"
    hosts = ("logic.azure.com", "environment.api.powerplatform.com", "webhook.office.com")
    rate = "2/s"
    allows = ((4, 1),)
    takes = ("wrap",)
    mentions = "a user's principal name such as anna@example.com, or a user's object id"
    text_most = 6000
    button_most = 4096
    newline = "\n\n"

    def mention(self, who: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_.+-]{1,64}@[A-Za-z0-9.-]{1,128}|[0-9A-Fa-f-]{36}", who):
            raise ValueError(self.mentions)
        return f"<at>{who}</at>"

    def escape(self, text: str) -> str:
        return backslashed(text)

    def render(self, card: Card) -> dict[str, Any]:
        buttons, _, note = self.links_of(card)
        heading = {"size": "Large", "weight": "Bolder", "color": _COLOURS[card.severity]}
        title = {"type": "Container", "style": _STYLES[card.severity], "items": [_text_run((card.title, heading))]}
        body: list[dict[str, Any]] = [title]
        if card.text is not None:
            body.append({"type": "TextBlock", "text": self.text(card) or "-", "wrap": True})
        else:
            body += [
                _text_run((f"{fact.label}: ", {"weight": "Bolder"}), (fact.value, {}))
                for fact in card.facts
                if not fact.ours
            ]
            if ours := [{"title": fact.label, "value": fact.value} for fact in card.facts if fact.ours]:
                body.append({"type": "FactSet", "facts": ours})
        if note:
            body.append(_text_run((f"{note.label}: {note.value}", {})))
        content: dict[str, Any] = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "msteams": {"width": "Full"},
            "body": body,
        }
        if card.mentions:
            mentions = [self.mention(who) for who in card.mentions]
            body.append({"type": "TextBlock", "text": " ".join(mentions), "wrap": True})
            content["msteams"]["entities"] = [
                {"type": "mention", "text": text, "mentioned": {"id": who, "name": who}}
                for text, who in zip(mentions, card.mentions, strict=True)
            ]
        if buttons:
            content["actions"] = [
                {"type": "Action.OpenUrl", "title": link.label, "url": link.url} for link in buttons[:_ACTIONS_MAX]
            ]
        if more := buttons[_ACTIONS_MAX:]:
            links = " · ".join(self.link(link.label, link.url) for link in more)
            body.append({"type": "TextBlock", "text": links, "wrap": True})
        return content

    def fits(self, payload: Mapping[str, object]) -> bool:
        return weight(payload) <= 19_500

    def request(self, to: Destination, payload: Mapping[str, object], now: datetime) -> Request:
        assert to.url is not None
        body = dict(payload)
        if to.wrap == "message":
            kind = "application/vnd.microsoft.card.adaptive"
            body = {"type": "message", "attachments": [{"contentType": kind, "contentUrl": None, "content": body}]}
        return Request(to.url.reveal(), encode(body))

    def judge(self, answer: Answer, tried: Tried) -> str:
        if 200 <= answer.status < 300:
            return "accepted by the flow"
        body = replies.body_of(answer) or {}
        error = body.get("error")
        code = error.get("code") if isinstance(error, dict) else None
        words = replies.words_of(error, "message") if isinstance(error, dict) else ""
        if code in {"WorkflowTriggerIsNotEnabled", "WorkflowNotFound"}:
            raise replies.broken(answer, replies.error_text(answer, code, words, "the flow is off or was deleted"))
        if code == "TriggerInputSchemaMismatch":
            hint = "the flow wants another form: try `wrap: card`, or `wrap: message`"
            raise replies.refused_for_good(answer, replies.error_text(answer, code, words, hint))
        raise replies.by_status(answer, timedelta(seconds=10))

    def advice(self, to: Destination) -> list[str]:
        host = (urlsplit(to.url.reveal()).hostname or "") if to.url is not None else ""
        if host.endswith("webhook.office.com"):
            return ["connectors of Office 365 are being retired; make a webhook with Workflows instead"]
        return []


def _text_run(*parts: tuple[str, Mapping[str, str]]) -> dict[str, object]:
    return {
        "type": "RichTextBlock",
        "inlines": [{"type": "TextRun", "text": inert(text), **style} for text, style in parts],
    }


SERVICE: Final = Teams()
