"""A yes and its receipt, and what each service wants to be left alone for."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from gateway import DeliveryFailed, Refused, Retry, learn_secret
from gateway.testing import FrozenClock, Reply, ScriptedServer, delivery
from tests.sinks.chat.replies import HTML, code, discord, errcode, judged, telegram

from .conftest import YES, answer, chatting

YESES = [
    *((service, reply) for service, reply in YES.items()),
    ("feishu", answer({"StatusCode": 0, "StatusMessage": "success"})),
    ("feishu", answer({"code": 0})),
    ("dingtalk", errcode("0", "ok")),
    ("wecom", errcode(0, "ok. Warning: wrong json format.")),
    ("slack", answer("ok\n")),
    ("discord", answer("", 204)),
    ("teams", answer("", 200)),
    ("teams", answer("anything", 201)),
    ("telegram", answer({"ok": True})),
    ("google-chat", answer({})),
]


@pytest.mark.parametrize(("service", "reply"), YESES, ids=lambda one: one if isinstance(one, str) else None)
async def test_a_yes_is_delivered_with_a_receipt(service: str, reply: Reply) -> None:
    async with ScriptedServer(reply) as server, chatting(service, server.url) as sink:
        receipt = await sink.deliver(delivery())
    assert receipt
    assert len(receipt) <= 120


@pytest.mark.parametrize("service", ["discord", "telegram", "google-chat"])
async def test_the_receipt_names_the_message_where_the_service_does(service: str) -> None:
    async with ScriptedServer(YES[service]) as server, chatting(service, server.url) as sink:
        assert "message" in await sink.deliver(delivery())


async def test_dingtalk_is_left_alone_for_longer_each_time() -> None:
    waits = [(await judged("dingtalk", errcode(130101), attempt)).after for attempt in (1, 2, 3, 4, 5, 50)]  # type: ignore[attr-defined]
    assert [wait.total_seconds() for wait in waits] == [60, 120, 240, 480, 600, 600]


@pytest.mark.parametrize(("minute", "least"), [(0, 5), (30, 5), (31, 1), (59, 1)])
async def test_feishu_is_avoided_around_the_full_and_half_hour(minute: int, least: int) -> None:
    clock = FrozenClock(datetime(2026, 1, 1, 10, minute, 3, tzinfo=UTC))
    after = (await judged("feishu", code(11232), 1, clock)).after  # type: ignore[attr-defined]
    assert least <= after.total_seconds() <= 30


async def test_nonsense_in_a_delay_is_no_delay() -> None:
    for value in ("soon", -1, None, [], True, float("1e300"), "99999999999999999999"):
        failure = await judged("discord", answer({"retry_after": value}, 429))
        assert isinstance(failure, Retry)
        assert failure.after is None or failure.after.total_seconds() == 86400


async def test_what_the_service_says_is_shown_on_one_line_and_without_what_it_echoes() -> None:
    reply = errcode(93000, "bad\n\x1b[2J key url-canary-0123456789 " + "x" * 1000)
    failure = await judged("wecom", reply)
    assert failure.detail.isprintable()
    assert "********" in failure.detail
    assert len(failure.detail) < 400


async def test_only_throttling_and_trouble_count_towards_the_circuit() -> None:
    for service, reply in (("feishu", code(11232)), ("dingtalk", errcode(130101)), ("slack", answer(HTML))):
        failure = await judged(service, reply)
        assert isinstance(failure, Retry)
        assert failure.service


# -- Telegram tells what to do better


async def test_a_group_that_became_a_supergroup_is_followed_and_the_user_told() -> None:
    moved = telegram(400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=-100987654321)
    async with (
        ScriptedServer(moved, otherwise=YES["telegram"]) as server,
        chatting("telegram", server.url, chat_id="-4321") as sink,
    ):
        with pytest.raises(Retry, match="set chat_id to -100987654321") as told:
            await sink.deliver(delivery())
        assert told.value.memo == {"chat_id": -100987654321}
        await sink.deliver(delivery(attempt=2, memo=told.value.memo))
        await sink.deliver(delivery())  # another one, which was told nothing
        first, second, third = (json.loads(one.body)["chat_id"] for one in server.received)
    assert (first, second, third) == ("-4321", -100987654321, -100987654321)


async def test_html_that_telegram_cannot_read_goes_once_more_as_plain_text() -> None:
    bad = telegram(400, "Bad Request: can't parse entities: unclosed tag")
    longer = telegram(400, "Bad Request: message is too long")
    async with ScriptedServer(bad, longer) as server, chatting("telegram", server.url) as sink:
        with pytest.raises(Retry, match="plain text") as told:
            await sink.deliver(delivery())
        with pytest.raises(Refused):
            await sink.deliver(delivery(attempt=2, memo=told.value.memo or {}))
        body = json.loads(server.received[1].body)
    assert "parse_mode" not in body
    assert "<b>" not in body["text"]
    assert "mystream" in body["text"]


@pytest.mark.parametrize(
    "words", ["BUTTON_URL_INVALID", "inline keyboard button URL 'http://nas/x' is invalid: Wrong HTTP URL"]
)
async def test_a_link_that_telegram_makes_no_button_of_goes_as_text(words: str) -> None:
    bad = telegram(400, f"Bad Request: {words}")
    async with ScriptedServer(bad, otherwise=YES["telegram"]) as server, chatting("telegram", server.url) as sink:
        with pytest.raises(Retry) as told:
            await sink.deliver(delivery())
        await sink.deliver(delivery(attempt=2, memo=told.value.memo or {}))
        body = json.loads(server.received[1].body)
    assert "reply_markup" not in body
    assert "Play: https://play.example.com/live/mystream/index.m3u8" in body["text"]
    assert len(body["text"]) <= 4096


@pytest.mark.parametrize("service", ["feishu", "dingtalk", "wecom", "telegram", "discord", "mattermost", "rocket-chat"])
async def test_an_echo_in_another_case_is_masked_as_well_as_shown(service: str) -> None:
    words = "Sorry: SEC-Canary-ABCDEF0123456789"
    bodies = {
        "feishu": code(19021, words), "dingtalk": errcode(310000, words), "wecom": errcode(93000, words),
        "telegram": telegram(403, words), "discord": discord(10015, 404, words),
        "mattermost": answer({"id": "web.incoming_webhook.invalid.app_error", "message": words}, 400),
        "rocket-chat": answer({"success": False, "error": words}, 400),
    }  # fmt: skip
    learn_secret("SEC-Canary-ABCDEF0123456789")
    async with ScriptedServer(bodies[service]) as server, chatting(service, server.url) as sink:
        with pytest.raises(DeliveryFailed) as failed:
            await sink.deliver(delivery())
    assert "canary" not in failed.value.detail.lower()
    assert "Sorry: ********" in failed.value.detail
