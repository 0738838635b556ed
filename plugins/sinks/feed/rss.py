"""The feed as RSS 2.0 with the tags of podcasts."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from gateway import parse_time
from plugins.sinks.feed.options import FeedOptions
from plugins.sinks.feed.state import FeedItem

MEDIA_TYPE: Final = "application/rss+xml"
_EMPTY: Final = datetime(
    2000, 1, 1, tzinfo=UTC
)  # when a feed without items was built: a file that stays the same is not written
_UNFIT: Final = re.compile(
    "[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]"
)  # XML has no such characters


def rss(options: FeedOptions, items: Sequence[FeedItem]) -> bytes:
    """The whole file. The same items make the same bytes."""
    from feedgen.feed import FeedGenerator  # type: ignore[import-untyped]

    feed = FeedGenerator()
    feed.load_extension("podcast")
    feed.generator("Recording Gateway")
    feed.title(_xml(options.title))
    feed.description(_xml(options.description or options.title))
    if options.url is not None:
        feed.link(href=options.url + options.rss_name, rel="self", type=MEDIA_TYPE)
    feed.link(href=options.link, rel="alternate")  # last, because the last is the channel's
    feed.language(options.language)
    feed.lastBuildDate(max((parse_time(item.entry.at) for item in items), default=_EMPTY))
    _podcast(feed, options)
    for item in items:
        _add(feed.add_entry(order="append"), item)
    written: bytes = feed.rss_str(pretty=True)
    return written


def _podcast(feed: Any, options: FeedOptions) -> None:
    podcast = feed.podcast
    podcast.itunes_explicit("yes" if options.explicit else "no")
    podcast.itunes_summary(_xml(options.description or options.title))
    if options.author is not None:
        podcast.itunes_author(_xml(options.author))
        if options.email is not None:
            podcast.itunes_owner(name=_xml(options.author), email=options.email)
    if options.image is not None:
        podcast.itunes_image(options.image)
        feed.image(url=options.image, title=_xml(options.title), link=options.link)
    if options.category is not None:
        podcast.itunes_category({"cat": _xml(options.category)})


def _add(entry: Any, item: FeedItem) -> None:
    shown = item.entry
    entry.title(_xml(shown.title) or item.name)
    entry.guid(_xml(item.name), permalink=False)
    entry.pubDate(parse_time(item.at))
    text = [html.escape(line) for line in shown.text.split("\n")]
    if shown.attachments:
        first = shown.attachments[0]
        entry.link(href=first.url)
        entry.enclosure(first.url, str(first.size), first.type)  # an item has one; the others stand in its text
        if first.seconds is not None:
            entry.podcast.itunes_duration(round(first.seconds))
        text += [f'<a href="{html.escape(one.url)}">{html.escape(one.url)}</a>' for one in shown.attachments[1:]]
    entry.description(_xml("<br>".join(text)))


def _xml(text: str) -> str:
    return _UNFIT.sub("\ufffd", text)
