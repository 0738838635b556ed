"""The feed as JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from plugins.sinks.feed.entry import Attachment
from plugins.sinks.feed.options import FeedOptions
from plugins.sinks.feed.state import FeedItem

VERSION: Final = "https://jsonfeed.org/version/1.1"
MEDIA_TYPE: Final = "application/feed+json"


def json_feed(options: FeedOptions, items: Sequence[FeedItem]) -> bytes:
    """The whole file. The same items make the same bytes."""
    feed: dict[str, object] = {"version": VERSION, "title": options.title, "home_page_url": options.link}
    if options.url is not None:
        feed["feed_url"] = options.url + options.json_name
    if options.description is not None:
        feed["description"] = options.description
    if options.image is not None:
        feed["icon"] = options.image
    if options.author is not None:
        feed["authors"] = [{"name": options.author}]
    feed["language"] = options.language
    feed["items"] = [json_item(item) for item in items]
    return json.dumps(feed, ensure_ascii=False, indent=1).encode("utf-8", "replace") + b"\n"


def json_item(item: FeedItem) -> dict[str, object]:
    """One item of it."""
    shown = item.entry
    document: dict[str, object] = {
        "id": item.name,
        "title": shown.title,
        "content_text": shown.text,
        "date_published": item.at,
    }
    if shown.attachments:
        document["url"] = shown.attachments[0].url
        document["attachments"] = [_attachment(one) for one in shown.attachments]
    return document


def _attachment(attachment: Attachment) -> dict[str, object]:
    document: dict[str, object] = {"url": attachment.url, "mime_type": attachment.type}
    if attachment.size:
        document["size_in_bytes"] = attachment.size
    if attachment.seconds is not None:
        document["duration_in_seconds"] = attachment.seconds
    return document
