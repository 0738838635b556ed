"""The words of mails that cards do not have, in English and Chinese."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from plugins.sinks.cards.words import in_language


@dataclass(frozen=True, kw_only=True)
class MailWords:
    """One language. Braces hold what is put in."""

    language: str  # for the HTML's `lang`
    failed: str  # {count}
    footer: str  # {source} {trust} {id}
    digest_footer: str


ENGLISH: Final = MailWords(
    language="en",
    failed="{count} failed",
    footer="Sent by Recording Gateway · source {source} · trust {trust} · event {id}",
    digest_footer="Sent by Recording Gateway",
)
CHINESE: Final = MailWords(
    language="zh-CN",
    failed="{count} 条失败",
    footer="由 Recording Gateway 发送 · 来源 {source} · 可信度 {trust} · 事件 {id}",
    digest_footer="由 Recording Gateway 发送",
)


def mail_words(language: str) -> MailWords:
    """The words of a language tag."""
    return in_language(language, ENGLISH, CHINESE)
