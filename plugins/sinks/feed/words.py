"""The words of feeds that cards do not have, in English and Chinese."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from plugins.sinks.cards.words import in_language


@dataclass(frozen=True, kw_only=True)
class FeedWords:
    """One language. Braces hold what is put in."""

    signed: str
    no_address: str
    more_files: str  # {count}


ENGLISH: Final = FeedWords(
    signed="The link is signed and is left out of this feed; the event has it.",
    no_address="There is no address to open it at yet.",
    more_files="and {count} more files",
)
CHINESE: Final = FeedWords(
    signed="链接带有签名，未列入本订阅源，见事件本身。",
    no_address="暂无可打开的地址。",
    more_files="另有 {count} 个文件",
)


def feed_words(language: str) -> FeedWords:
    """The words of a language tag."""
    return in_language(language, ENGLISH, CHINESE)
