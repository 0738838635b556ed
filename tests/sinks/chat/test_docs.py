"""The documents say of each service what its code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from plugins.sinks.cards.sandbox import OUTPUT_CHARS_MAX
from plugins.sinks.cards.template import TEMPLATE_CHARS_MAX, Template
from plugins.sinks.cards.template_filters import FILTERS
from plugins.sinks.chat.chat_service import service
from plugins.sinks.chat.options import ChatOptions

from .conftest import ALL, SIGNED, options, view

DOCS = Path(__file__).resolve().parents[3] / "docs"
ENGLISH = (DOCS / "sinks.md").read_text().split("\n## chat\n", 1)[1].split("\n## ", 1)[0]
CHINESE = (DOCS / "sinks.zh-CN.md").read_text()


def row(text: str, name: str) -> list[str]:
    [line] = [line for line in text.splitlines() if re.match(rf"\| [^|]*`{name}`", line)]
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("name", ALL)
def test_the_table_says_what_each_needs_signs_with_and_how_fast_it_goes(name: str) -> None:
    _, needs, signs, _, rate, _ = row(ENGLISH, name)
    served = service(name)
    assert re.findall(r"`(\w+)`", needs) == list(served.needs)
    assert ("secret" in signs) == (name in SIGNED) == ("secret" in served.takes)
    assert rate.split(",")[0] == served.rate
    chinese = row(CHINESE.split("## 默认频率", 1)[1], name)[1]
    assert served.rate in chinese


def test_the_other_rate_of_telegram_is_told() -> None:
    one = ChatOptions.model_validate(options("telegram", chat_id="4711"))
    other = service("telegram").rate_of(one)
    assert other in row(ENGLISH, "telegram")[4]
    assert other in row(CHINESE.split("## 默认频率", 1)[1], "telegram")[1]


def test_every_filter_is_told_and_every_one_told_is_there() -> None:
    table = ENGLISH.split("| filter | gives |", 1)[1].split("\n\n", 1)[0]
    told = {name for cell in re.findall(r"^\| ([^|]*) \|", table, re.M) for name in re.findall(r"`(\w+)", cell)}
    assert told == {*FILTERS, *Template("x", None, view())._filters()}
    assert TEMPLATE_CHARS_MAX == 8 * 1024
    assert OUTPUT_CHARS_MAX == 64 * 1024


def test_every_service_has_its_part_in_both_languages() -> None:
    for name in ALL:
        assert f"`{name}`" in CHINESE
        assert service(name).title.split()[-1] in ENGLISH
        assert re.search(rf"service: {name}\b|或 `{name}`", CHINESE)
