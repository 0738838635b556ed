"""What a chat service is to the sink: a form for cards, an escape, limits, a request, and a reading of its answers."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final, Literal, Protocol, get_args
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from gateway import Answer, Refused, Secret, encode_json
from plugins.sinks.cards.card import Card, DigestLine, Fact, Link
from plugins.sinks.cards.text import cut_markup

ServiceName = Literal[
    "feishu", "lark", "dingtalk", "wecom", "slack", "discord", "teams", "telegram", "google-chat", "mattermost",
    "rocket-chat",
]  # fmt: skip
NAMES: Final[tuple[ServiceName, ...]] = get_args(ServiceName)
LEVELS: Final = ((1024, True), (300, True), (300, False), (80, False), (24, False))
"""How a card is made smaller: the longest value in characters, and whether it keeps its links."""


class Destination(Protocol):
    """Where messages go, as a person wrote it down: what a service may read of the options."""

    @property
    def url(self) -> Secret | None: ...
    @property
    def secret(self) -> Secret | None: ...
    @property
    def token(self) -> Secret | None: ...
    @property
    def chat_id(self) -> str | None: ...
    @property
    def base_url(self) -> str: ...
    @property
    def thread(self) -> int | None: ...
    @property
    def wrap(self) -> Literal["message", "card"]: ...


@dataclass(frozen=True, slots=True)
class Request:
    """One POST."""

    url: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Tried:
    """What an answer is judged by besides itself: which attempt it was, and what the one before had been told."""

    attempt: int = 1
    memo: Mapping[str, object] = field(default_factory=dict)


class Service(ABC):
    """One service. It has no state: whatever it is told comes as arguments. Lengths of URLs are in characters."""

    title: ClassVar[str]  # its name, as people write it
    hosts: ClassVar[Sequence[str]] = ()  # its own, and what lies below them; empty: it is at home anywhere
    rate: ClassVar[str]  # below what it allows, with room for messages that were under way for different times
    allows: ClassVar[Sequence[tuple[int, int]]]  # messages in seconds, as it documents them
    needs: ClassVar[Sequence[str]] = ("url",)
    takes: ClassVar[Sequence[str]] = ()  # options that only some services have
    mentions: ClassVar[str]  # whom it can mention, for the error text
    text_most: ClassVar[int]
    button_most: ClassVar[int] = 0  # longest URL of a button; 0: it has none
    link_most: ClassVar[int] = 0  # longest URL of a link inside text
    newline: ClassVar[str] = "\n"
    facts_in_text: ClassVar[bool] = False

    # -- its markup

    @abstractmethod
    def mention(self, who: str) -> str:
        """The markup that mentions this one. Raises ValueError for what it cannot mention."""

    @abstractmethod
    def escape(self, text: str) -> str:
        """One line from outside, made harmless inside its markup."""

    def measure(self, text: str) -> int:
        """How long the service finds a text, in the unit of `text_most`."""
        return len(text)

    def value(self, text: str) -> str:
        """The same where a whole value stands: may be put into a code span."""
        return self.escape(text)

    @abstractmethod
    def bold(self, text: str) -> str:
        """Markup around what is escaped already."""

    @abstractmethod
    def link(self, label: str, url: str) -> str:
        """A link with our own label; `url` is plain ASCII in which nothing ends a link."""

    def trim(self, text: str, most: int) -> str:
        """Its markup cut to `most` by its measure."""
        return cut_markup(text, most, self.measure)

    def fact(self, fact: Fact) -> str:
        """A labelled value as a line of text."""
        value = self.escape(fact.value) if fact.ours else self.value(fact.value)
        return f"{self.bold(self.escape(fact.label))}: {value}"

    def line(self, line: DigestLine) -> str:
        """One event of a digest as a line of text."""
        parts = [f"{line.mark} {self.escape(line.title)}", self.value(line.name)]
        if line.note:
            parts.append(self.escape(line.note))
        most = self.link_most or self.button_most
        parts += [self.link(link.label, link.url) for link in line.links if len(link.url) <= most]
        if any(len(link.url) > most for link in line.links):
            parts.append(self.escape(f"({line.left_out})"))
        return " · ".join(parts)

    # -- its message

    @abstractmethod
    def render(self, card: Card) -> dict[str, object]:
        """The message as JSON, every element within its own limit."""

    @abstractmethod
    def fits(self, payload: Mapping[str, object]) -> bool:
        """Whether the message as a whole is within the limits."""

    def compose(self, card: Card) -> dict[str, object]:
        """The message of this card, with as much of it as there is room for."""
        for most, links in LEVELS:
            smaller = card.shortened(most, links=links)
            if (most, links) != LEVELS[-1] and self._is_crowded(smaller):
                continue  # because a cut would take the last facts, where shorter values leave something of each
            payload = self.render(smaller)
            if self.fits(payload):
                return payload
        raise Refused(f"this card cannot be made small enough for {self.title}")

    def text(self, card: Card) -> str:
        """The facts, or what stands in their place, as text, at most as long as there may be text."""
        most = min(card.text_most, self.text_most)
        return self.trim(card.text if card.text is not None else self._facts(card), most)

    def _is_crowded(self, card: Card) -> bool:
        return self.facts_in_text and card.text is None and self.measure(self._facts(card)) > self.text_most

    def _facts(self, card: Card) -> str:
        return self.newline.join(map(self.fact, card.facts))

    def links_of(self, card: Card) -> tuple[list[Link], list[Link], Fact | None]:
        """The card's links that can be buttons, those that can stand in text, and a word about the others."""
        buttons = [link for link in card.links if len(link.url) <= self.button_most]
        inline = [link for link in card.links if link not in buttons and len(link.url) <= self.link_most]
        if not card.unshown and len(buttons) + len(inline) == len(card.links):
            return buttons, inline, None
        said = card.words.not_shown.format(id=card.id or "…")
        return buttons, inline, Fact("note", card.words.labels["note"], said)

    # -- its protocol

    def rate_of(self, to: Destination) -> str:
        """The rate that fits these options."""
        return self.rate

    def request(self, to: Destination, payload: Mapping[str, object], now: datetime) -> Request:
        """The POST of one attempt, signed now where the service has a signature."""
        assert to.url is not None
        return Request(to.url.reveal(), encode(payload))

    def again(self, payload: Mapping[str, object], memo: Mapping[str, object]) -> Mapping[str, object]:
        """The message, changed by what an earlier attempt was told."""
        return payload

    @abstractmethod
    def judge(self, answer: Answer, tried: Tried) -> str:
        """The receipt where the service took it; raises Retry, Refused or Unavailable where not."""

    def advice(self, to: Destination) -> list[str]:
        """What looks wrong about these options, beyond the host."""
        return []


def service(name: str) -> Service:
    """The one of this name; the code of the others is not loaded."""
    module = "feishu" if name == "lark" else name.replace("-", "_")
    found: Service = importlib.import_module(f"plugins.sinks.chat.services.{module}").SERVICE
    return found


def encode(payload: Mapping[str, object]) -> bytes:
    """Compact JSON in UTF-8, letters of every language as they are: what is measured is what is sent."""
    return encode_json(payload).encode()


def weight(payload: Mapping[str, object]) -> int:
    """Bytes of the body."""
    return len(encode(payload))


def with_query(url: str, **changes: str) -> str:
    """The URL with these query values, encoded once; the rest of its query stays as it was written."""
    parts = urlsplit(url)
    kept = [pair for pair in parts.query.split("&") if pair and pair.split("=")[0] not in changes]
    return urlunsplit(parts._replace(query="&".join([*kept, urlencode(changes)])))


def query_of(url: str) -> dict[str, str]:
    """The URL's query values."""
    return dict(parse_qsl(urlsplit(url).query))
