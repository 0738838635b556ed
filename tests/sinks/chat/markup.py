"""What each service reads as markup in a message, and what a reader of that markup makes of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import Any

from markdown_it import MarkdownIt

from .conftest import texts

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
MARKDOWN = {"feishu", "lark", "dingtalk", "wecom", "discord", "teams", "mattermost", "rocket-chat"}


def marked(name: str, message: Mapping[str, Any]) -> Iterator[str]:
    """The texts of a message that the service reads as markup; in the others nothing is."""
    if name in {"feishu", "lark"}:
        for one in maps(message):
            if one.get("tag") == "lark_md":
                yield one["content"]
    elif name == "dingtalk":
        yield message[message["msgtype"]]["text"]
    elif name == "wecom":
        if "markdown" in message:
            yield message["markdown"]["content"]
    elif name == "slack":
        yield message["text"]
        yield from (one["text"] for one in maps(message) if one.get("type") == "mrkdwn")
    elif name == "teams":
        for one in maps(message):
            if one.get("type") == "TextBlock":
                yield one["text"]
            if one.get("type") == "FactSet":
                yield from texts(one["facts"])
    elif name == "telegram":
        yield message["text"]
    elif name == "google-chat":
        for one in maps(message):
            for key in ("textParagraph", "decoratedText"):
                if key in one:
                    yield one[key]["text"]
    else:  # embeds and attachments, in which every text is
        for key in ("embeds", "attachments"):
            for one in maps(message.get(key, [])):
                yield from (value for part, value in one.items() if isinstance(value, str) and part not in _NO_TEXT)


_NO_TEXT = {"timestamp", "color", "title_link", "url", "type"}


def maps(value: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        yield value
        for inner in value.values():
            yield from maps(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from maps(inner)


def skeleton(name: str, text: str) -> list[object]:
    """What a reader of this markup makes of the text, without the letters."""
    if name == "slack":
        return re.findall(r"<[^>]*>", text) + re.findall(r"(?<!\w)[*_~`]|[*_~`](?!\w)", text)
    if name in MARKDOWN:
        tokens = READER.parse(text)
        flat = [inner for token in tokens for inner in (token, *(token.children or ()))]
        dull = {"text", "text_special", "softbreak", "inline"}
        return [
            (one.type, dict(one.attrs), one.content if "html" in one.type else "")
            for one in flat
            if one.type not in dull
        ]
    found: list[object] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            found.append((tag, attrs))

        def handle_endtag(self, tag: str) -> None:
            found.append(tag)

    Reader().feed(text)
    return found


def shape(name: str, text: str) -> object:
    """The skeleton without the addresses, which do differ."""
    return re.sub(r"https://d\.example[^'\"|>]*", "URL", str(skeleton(name, text)))
