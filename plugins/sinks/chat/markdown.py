"""What the services whose texts are Markdown share: how it makes bold and links, and how a text is kept from being markup."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from plugins.sinks.cards.card import Card, Fact
from plugins.sinks.cards.text import backslashed, code, lookalike, octets
from plugins.sinks.chat.chat_service import Service

_WIDE: Final = frozenset({"stream", "error", "id", "note", "problems"})  # facts that need a line of their own


class Markdown(Service):
    """Its own escape is still missing: the dialects differ in what a backslash does."""

    def bold(self, text: str) -> str:
        return f"**{text}**"

    def link(self, label: str, url: str) -> str:
        return f"[{label}]({url})"


class Lookalikes(Markdown):
    """A dialect without an escape: what would be markup becomes a letter that looks like it. Lengths are bytes."""

    def measure(self, text: str) -> int:
        return octets(text)

    def escape(self, text: str) -> str:
        return lookalike(text)


class Backslashes(Markdown):
    """A dialect in which a backslash escapes, and in which a value can stand in a code span."""

    def escape(self, text: str) -> str:
        return backslashed(text)

    def value(self, text: str) -> str:
        return code(text)


class Attachments(Backslashes):
    """Messages with attachments as Slack once had them."""

    colours: Final = {"ok": "#2eb886", "info": "#3370ff", "warn": "#f5a623", "error": "#e01e5a"}

    def fields(self, facts: Sequence[Fact]) -> list[dict[str, object]]:
        """The facts in two columns, long ones across both."""
        return [
            {
                "title": fact.label,
                "value": self.escape(fact.value) if fact.ours else self.value(fact.value),
                "short": fact.key not in _WIDE,
            }
            for fact in facts
        ]

    def message(self, card: Card, attachment: dict[str, object]) -> dict[str, object]:
        """The attachment, and above it whom the configuration mentions."""
        message: dict[str, object] = {"attachments": [attachment]}
        if card.mentions:
            message["text"] = " ".join(map(self.mention, card.mentions))
        return message
