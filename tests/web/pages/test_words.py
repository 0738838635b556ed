"""The languages of the pages: whole, with the same places for values, and times and numbers as their readers write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from gateway.model import ALL_TYPES
from gateway.web.pages.codes import CODES
from gateway.web.pages.formats import Formats
from gateway.web.pages.words import LANGUAGES, PageWords, catalogue, preferred
from tests.web.pages.browser import Browser
from tests.web.pages.texts import texts

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
OTHERS = [language for language in LANGUAGES if language != "en"]


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_is_there_in_every_language_and_no_text_that_is_not_shown(language: str) -> None:
    assert set(catalogue(language)) == texts()


def test_every_type_of_event_has_a_name_alarms_too() -> None:
    assert set(CODES["type"]) >= set(ALL_TYPES)


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_has_the_places_of_its_text_and_is_one(language: str) -> None:
    for english, other in catalogue(language).items():
        assert sorted(re.findall(r"\{\w+\}", english)) == sorted(re.findall(r"\{\w+\}", other)), english
        assert other.strip(), english
    same = {english for english, other in catalogue(language).items() if english == other}
    assert same == {"{sink}: {n}"} & same


def formats(language: str) -> Formats:
    return Formats(PageWords(language), timezone(timedelta(hours=8)), "Asia/Shanghai", NOW)


@pytest.mark.parametrize(
    ("stamp", "english", "chinese"),
    [
        ("2026-11-29T11:59:01.5Z", "19:59:01", "19:59:01"),
        ("2026-11-28T01:00:00Z", "Nov 28 09:00:00", "11月28日 09:00:00"),
        ("2025-01-02T00:00:00Z", "Jan 2 2025 08:00:00", "2025年1月2日 08:00:00"),
    ],
)
def test_a_time_is_in_the_configured_zone_and_in_the_form_of_the_language(
    stamp: str, english: str, chinese: str
) -> None:
    assert f">{english}</time>" in formats("en").time(stamp)
    assert f">{chinese}</time>" in formats("zh").time(stamp)
    assert "Asia/Shanghai" in formats("zh").time(stamp)


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (0, "now", "刚刚"),
        (59, "59 s ago", "59 秒前"),
        (90, "1 min ago", "1 分钟前"),
        (3600, "1 h ago", "1 小时前"),
        (3 * 3600 + 300, "3 h 5 min ago", "3 小时 5 分钟前"),
        (3 * 86400, "3 d ago", "3 天前"),
        (-41, "in 41 s", "41 秒后"),
    ],
)
def test_how_long_ago_is_said_in_the_largest_unit(seconds: float, english: str, chinese: str) -> None:
    stamp = (NOW - timedelta(seconds=seconds)).isoformat()
    assert f">{english}</time>" in formats("en").ago(stamp)
    assert f">{chinese}</time>" in formats("zh").ago(stamp)


@pytest.mark.parametrize(
    ("stamp", "shown"), [(None, "–"), ("", "–"), ("<b>", "&lt;b&gt;"), ("9999-99-99", "9999-99-99"), ("now", "now")]
)
def test_what_is_no_time_is_shown_as_it_came(stamp: str | None, shown: str) -> None:
    assert str(formats("en").time(stamp)) == shown
    assert str(formats("en").ago(stamp)) == shown


def test_behind_a_time_that_is_twice_stands_which_of_them_it_is() -> None:
    berlin = Formats(PageWords("en"), ZoneInfo("Europe/Berlin"), "Europe/Berlin", NOW)
    assert 'title="2026-10-25 02:30:00 Europe/Berlin (+02:00)"' in berlin.time("2026-10-25T00:30:00.5Z")
    assert 'title="2026-10-25 02:30:00 Europe/Berlin (+01:00)"' in berlin.time("2026-10-25T01:30:00.5Z")
    assert 'title="2026-10-25 03:30:00 Europe/Berlin"' in berlin.time("2026-10-25T02:30:00.5Z")


@pytest.mark.parametrize("stamp", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Shanghai"])
def test_the_first_and_the_last_moment_of_the_calendar_can_be_shown_in_any_zone(zone: str, stamp: str) -> None:
    formats = Formats(PageWords("en"), ZoneInfo(zone), zone, NOW)
    for shown in (formats.time(stamp), formats.ago(stamp), formats.clock(stamp)):
        assert re.search("[0-9]", shown)
    assert f'<time datetime="{stamp}"' in formats.time(stamp)


def test_numbers_sizes_and_durations_are_readable() -> None:
    f = formats("en")
    assert [f.number(n) for n in (0, 999, 1234567)] == ["0", "999", "1,234,567"]
    assert [f.bytes(n) for n in (0, 1023, 1536, 5 * 2**30)] == ["0 B", "1,023 B", "1.5 KiB", "5.0 GiB"]
    assert [f.seconds(n) for n in (0.0031, 1.25, 75)] == ["3 ms", "1.2 s", "1 min"]
    assert formats("zh").seconds(0.0031) == "3 毫秒"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB", "en"),
        ("de,zh-TW;q=0.5,en;q=0.4", "zh"),
        ("de-DE,fr", None),
        ("zh;q=0", None),
        ("", None),
        (";;;,,,q=", None),
        ("x" * 100_000, None),
        ("zh;q=9", None),
    ],
)
def test_the_language_is_the_one_that_the_browser_wants_most(header: str, language: str | None) -> None:
    assert preferred(header) == language


def test_a_language_and_a_theme_are_kept_by_the_browser_and_leave_the_address(operator: Browser) -> None:
    assert b'lang="en"' in operator.get("/events").body
    reply = operator.get("/events?type=recording.*&lang=zh")
    assert (reply.status, reply.header("location")) == (303, "/events?type=recording.%2A")
    assert b'lang="zh-CN"' in operator.get("/events").body
    assert b"data-theme" not in operator.get("/events").body
    operator.get("/events?theme=dark")
    assert b'data-theme="dark"' in operator.get("/events").body
    operator.get("/events?theme=system")
    assert b"data-theme" not in operator.get("/events").body
    for value in ("xx", "zh%0d%0aX", '"><script>'):
        operator.get(f"/events?lang={value}&theme={value}")
        assert b"data-theme" not in operator.get("/events").body
