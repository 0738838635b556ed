"""Keeps a feed of the newest finished recordings: RSS with podcast tags, and JSON Feed."""

from plugins.sinks.feed.options import FeedOptions
from plugins.sinks.feed.sink import Feed

__all__ = ["Feed", "FeedOptions"]
