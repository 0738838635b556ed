"""What the card says: in two languages, in the configured zone, with the links that are wanted and the people who are."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import ALL_TYPES, FILE_COMPLETED, RECORDING_FAILED, RECORDING_STARTED, RECORDING_UNKNOWN, Fault, File
from gateway.testing import FrozenClock, ScriptedServer, delivery, event, events
from plugins.sinks.cards.links import web_link
from plugins.sinks.cards.text import backslashed, cut, cut_markup, cut_tags, escaped, octets, units
from plugins.sinks.cards.words import CHINESE, ENGLISH, size, words
from plugins.sinks.chat.chat_service import service

from .conftest import ALL, MENTION, YES, chatting, texts, view

TWO = (
    File(format="hls", play_url="https://p.example.com/1", download_url="https://d.example.com/1?key=signature"),
    File(format="flv", download_url="https://d.example.com/2?key=signature", duration_seconds=61.0, size_bytes=999),
)


def said(name: str, one: Any, **more: Any) -> str:
    shown = view(more.pop("language", "en"), **more)
    return "\n".join(texts(service(name).compose(shown.card(one))))


@pytest.mark.parametrize("name", ALL)
def test_a_finished_file_says_what_it_is(name: str) -> None:
    for language, expected in (
        ("en", ["Recording file ready", "2m", "3.96 MB"]),
        ("zh", ["录制文件完成", "2分", "3.96 MB"]),
    ):
        shown = said(name, event(), language=language)
        for text in [*expected, "mystream", "1280x720", "2026-01-01 20:02:00 +08:00"]:
            assert text in shown
        assert "https://play.example.com/live/mystream/index.m3u8" in shown
        assert "https://recordings.example.com/live/mystream/index.m3u8" in shown


@pytest.mark.parametrize("name", ALL)
def test_a_failure_says_why_and_which_event(name: str) -> None:
    shown = said(name, event(RECORDING_FAILED, error=Fault(code="E42", message="no signal")))
    assert "Recording failed" in shown
    assert "E42: no signal" in shown
    assert event(RECORDING_FAILED).id in shown


@pytest.mark.parametrize("name", ALL)
def test_each_severity_has_its_own_colour(name: str) -> None:
    made = [json.dumps(service(name).compose(view().card(event(type, stream="s")))) for type in (RECORDING_STARTED, FILE_COMPLETED, RECORDING_FAILED, RECORDING_UNKNOWN)]  # fmt: skip
    colours = {
        "feishu": ["blue", "green", "red", "orange"], "lark": ["blue", "green", "red", "orange"],
        "dingtalk": ["#3370FF", "#2EB886", "#FF0000", "#F5A623"], "wecom": ["comment", '"desc_color": 3', "warning", "warning"],
        "slack": ["#3370ff", "#2eb886", "#e01e5a", "#f5a623"], "discord": [str(0x3370FF), str(0x2EB886), str(0xE01E5A), str(0xF5A623)],
        "teams": ["accent", "good", "attention", "warning"], "telegram": ["\\ud83d\\udd35", "\\u2705", "\\u274c", "\\u26a0"],
        "google-chat": ["#1a73e8", "#1e8e3e", "#d93025", "#f29900"],
        "mattermost": ["#3370ff", "#2eb886", "#e01e5a", "#f5a623"], "rocket-chat": ["#3370ff", "#2eb886", "#e01e5a", "#f5a623"],
    }  # fmt: skip
    for text, colour in zip(made, colours[name], strict=True):
        assert colour in text


@pytest.mark.parametrize("name", ALL)
def test_links_can_be_short_or_none(name: str) -> None:
    one = event(files=TWO)
    assert "https://d.example.com/1?key=signature" in said(name, one)
    short = said(name, one, links="short")
    assert "signature" not in short
    assert "https://d.example.com/1" in short
    assert "example.com/" not in said(name, event(files=TWO, domain="x"), links="none")


ENDS = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SIGNED = File(format="mp4", download_url="https://d.example.com/1?key=signature", expires_at=ENDS)


@pytest.mark.parametrize("name", ALL)
async def test_a_message_says_until_when_its_link_leads_somewhere_and_a_late_one_that_it_has_ended(name: str) -> None:
    for language, late, word in (
        ("en", 0, "Link until"), ("zh", 0, "链接有效至"), ("en", 1, "Link ended"), ("zh", 1, "链接已失效")
    ):  # fmt: skip
        clock = FrozenClock(ENDS - timedelta(hours=1 - late))
        for files in ((SIGNED,), (SIGNED, File(format="flv"))):
            alone, batch = delivery(event(files=files)), [delivery(event(number=n, files=files)) for n in range(2)]
            async with ScriptedServer(otherwise=YES[name]) as server:
                more = {"language": language, "timezone": "UTC"}
                async with chatting(name, server.url, clock, **more) as sink:
                    await sink.deliver(alone)
                    await sink.deliver_batch(batch)
                for got in server.received:
                    shown = "\n".join(texts(json.loads(got.body)))
                    assert word in shown
                    assert "2026-01-02 03:04:05 UTC" in shown


def test_where_no_link_is_shown_none_ends() -> None:
    assert "until" not in said("slack", event(files=(SIGNED,)), links="none")
    assert "until" not in said("slack", event(files=(SIGNED.replace(download_url=None),)))


async def test_links_go_without_their_signature_unless_the_operator_wants_it() -> None:
    for more, shown in (({}, False), ({"links": "full"}, True)):
        async with ScriptedServer(otherwise=YES["slack"]) as server, chatting("slack", server.url, **more) as sink:
            await sink.deliver(delivery(event(files=(SIGNED,))))
            assert (b"key=signature" in server.received[0].body) is shown
            assert b"https://d.example.com/1" in server.received[0].body


@pytest.mark.parametrize("name", ALL)
def test_several_files_are_numbered_and_many_are_counted(name: str) -> None:
    shown = said(name, event(files=TWO))
    assert "Play 1" in shown
    assert "Download 2" in shown
    assert "flv · 1m 1s · 999 B" in shown
    many = said(name, event(files=TWO * 10))
    assert "and 15 more" in many
    assert "Download 6" not in many


@pytest.mark.parametrize("name", ALL)
async def test_a_message_sent_again_says_so(name: str) -> None:
    async with ScriptedServer(otherwise=YES[name]) as server, chatting(name, server.url) as sink:
        await sink.deliver(delivery(event(RECORDING_FAILED), replay=True))
        await sink.deliver(delivery(event(RECORDING_FAILED)))
        again, first = (json.dumps(json.loads(one.body), ensure_ascii=False) for one in server.received)
    assert "sent again" in again
    assert "sent again" not in first


MENTIONED = {
    "feishu": ("<at id=ou_84aad35d084aa403></at>", "all", "<at id=all></at>"),
    "lark": ("<at id=ou_84aad35d084aa403></at>", "all", "<at id=all></at>"),
    "dingtalk": ('"atMobiles": ["13800000000"]', "all", '"isAtAll": true'),
    "wecom": ("<@zhangsan>", "all", '"mentioned_list": ["@all"]'),
    "slack": ("<@U012AB3CD>", "all", "<!channel>"),
    "discord": ('"users": ["80351110224678912"]', "all", '"parse": ["everyone"]'),
    "teams": (
        '"id": "anna@example.com"',
        "0f8fad5b-d9cb-469f-a165-70867728950e",
        "0f8fad5b-d9cb-469f-a165-70867728950e",
    ),
    "telegram": ("@anna_b", "4711", "tg://user?id=4711"),
    "google-chat": ("<users/123456789>", "all", "<users/all>"),
    "mattermost": ("@anna", "channel", "@channel"),
    "rocket-chat": ("@anna", "all", "@all"),
}


@pytest.mark.parametrize("name", ALL)
async def test_who_is_configured_is_mentioned(name: str) -> None:
    one, other, theirs = MENTIONED[name]
    for who, expected in ((MENTION[name], one), (other, theirs)):
        async with ScriptedServer(otherwise=YES[name]) as server, chatting(name, server.url, mention=who) as sink:
            for each in events():
                await sink.deliver(delivery(each))
            for got in server.received:
                assert expected in json.dumps(json.loads(got.body), ensure_ascii=False)


@pytest.mark.parametrize(
    ("name", "who", "expected"),
    [
        ("slack", "S012AB3CD", "<!subteam^S012AB3CD>"),
        ("slack", "here", "<!here>"),
        ("discord", "role:41771983423143936", '"roles": ["41771983423143936"]'),
        ("discord", "here", "@here"),
        ("dingtalk", "manager4711", '"atUserIds": ["manager4711"]'),
        ("dingtalk", "+852-98765432", '"atMobiles": ["+852-98765432"]'),
        ("wecom", "13800000000", '"mentioned_mobile_list": ["13800000000"]'),
        ("mattermost", "@anna", '"text": "@anna"'),
    ],
)
def test_every_kind_of_mention(name: str, who: str, expected: str) -> None:
    for one in events():
        card = replace(view().card(one), mentions=(who,))
        assert expected in json.dumps(service(name).compose(card), ensure_ascii=False)


def test_wecom_calls_by_mobile_in_plain_text_with_links_and_a_template() -> None:
    card = replace(view().card(event()), mentions=("13800000000", "zhangsan"))
    made: Any = service("wecom").compose(card)
    assert made["msgtype"] == "text"
    assert made["text"]["mentioned_list"] == ["zhangsan"]
    assert "播放: https://play.example.com" in made["text"]["content"]
    made = service("wecom").compose(replace(card, text="own words"))
    assert "own words" in made["text"]["content"]


@pytest.mark.parametrize("wrap", ["message", "card"])
async def test_teams_takes_the_card_wrapped_or_bare(wrap: str) -> None:
    async with ScriptedServer(otherwise=YES["teams"]) as server, chatting("teams", server.url, wrap=wrap) as sink:
        await sink.deliver(delivery())
        body = json.loads(server.received[0].body)
    card = body["attachments"][0]["content"] if wrap == "message" else body
    assert card["type"] == "AdaptiveCard"


async def test_a_topic_of_telegram() -> None:
    async with ScriptedServer(otherwise=YES["telegram"]) as server:
        async with chatting("telegram", server.url, thread=7) as sink:
            await sink.deliver(delivery())
        assert json.loads(server.received[0].body)["message_thread_id"] == 7


# -- the small things


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (0, "0s", "0秒"),
        (0.25, "0.2s", "0.2秒"),
        (59.6, "1m", "1分"),
        (120, "2m", "2分"),
        (3725, "1h 2m 5s", "1小时2分5秒"),
        (360000, "100h", "100小时"),
        (-1, "-1 s", "-1 s"),
        (float("nan"), "nan s", "nan s"),
    ],
)
def test_durations(seconds: float, english: str, chinese: str) -> None:
    assert ENGLISH.duration(seconds) == english
    assert CHINESE.duration(seconds) == chinese


@pytest.mark.parametrize(
    ("octets", "text"),
    [(0, "0 B"), (999, "999 B"), (3_957_964, "3.96 MB"), (10**9, "1 GB"), (10**18, "1000000 TB"), (-1, "-1 B")],
)
def test_sizes(octets: int, text: str) -> None:
    assert size(octets) == text


def test_both_languages_have_the_same_words() -> None:
    for part in ("titles", "labels", "brief", "severities"):
        assert getattr(ENGLISH, part).keys() == getattr(CHINESE, part).keys()
    assert ENGLISH.titles.keys() == set(ALL_TYPES)
    assert words("zh-Hant-TW") is CHINESE
    assert words("zhx") is ENGLISH
    assert all(len(word) <= 5 for language in (ENGLISH, CHINESE) for word in language.brief.values())


def test_a_time_beyond_the_calendar_of_the_zone_is_shown_as_it_came() -> None:
    assert view("en", "Pacific/Kiritimati").time(datetime(9999, 12, 31, 23, tzinfo=UTC)) == "9999-12-31 23:00:00 UTC"
    assert view("en", "UTC").time(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01 00:00:00 UTC"


@pytest.mark.parametrize(
    ("url", "shown", "made"),
    [
        ("https://a.example/x?y=1&z=%2F#f", "full", "https://a.example/x?y=1&z=%2F#f"),
        ("https://a.example/x?y=1#f", "short", "https://a.example/x"),
        ("https://a.example/x", "none", None),
        ("HTTPS://A.example:8443/x y", "full", "https://a.example:8443/x%20y"),
        ("https://录制.example/录制", "full", "https://xn--5hqr83g.example/%E5%BD%95%E5%88%B6"),
        ("http://[2001:db8::1]:80/x", "full", "http://[2001:db8::1]:80/x"),
        ("https://a.example/100%", "full", "https://a.example/100%25"),
        ("https://a.example:99999/", "full", None),
        ("https://a..example" + "x" * 80 + "é/", "full", None),
        ("https://a b.example/", "full", None),
        ("https://a.example/" + "x" * 8200, "full", None),
        ("https://a.example/" + "录" * 2000, "full", None),
        ("", "full", None),
        (None, "full", None),
    ],
)
def test_links_are_spelt_in_plain_ascii(url: str | None, shown: Any, made: str | None) -> None:
    if made is not None and "xn--" in made:
        found = web_link(url, shown)
        assert found is not None
        assert found.startswith("https://xn--")
        assert found.isascii()
    else:
        assert web_link(url, shown) == made


@given(st.text(max_size=60), st.integers(0, 50))
def test_cuts_keep_to_their_measure_and_to_whole_characters(text: str, most: int) -> None:
    for measure in (len, octets, units):
        short = cut(text, most, measure)
        assert short == text or (measure(short) <= most and text.startswith(short.removesuffix("…")))
        assert short != text or measure(text) <= most or text == ""
        assert measure(cut_markup(text, most, measure)) <= max(most, measure("…"))


@given(st.text(alphabet="<>&;ab \\", max_size=40), st.integers(1, 30))
def test_cut_markup_leaves_no_half_of_an_escape(text: str, most: int) -> None:
    made = cut_markup(backslashed(text), most).removesuffix("…")
    assert (len(made) - len(made.rstrip("\\"))) % 2 == 0 or made == backslashed(text)
    tags = cut_tags(f"<b>{escaped(text)}</b>", most)
    assert tags.count("<") == tags.count(">")
    assert "&" not in tags.replace("&lt;", "").replace("&gt;", "").replace("&amp;", "")
