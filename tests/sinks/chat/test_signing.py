"""Feishu and DingTalk swap key, message, unit and place; each attempt is signed when it is made."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway import Retry
from gateway.testing import FrozenClock, ScriptedServer, delivery
from plugins.sinks.chat.services import dingtalk, feishu

from .conftest import YES, answer, chatting


@pytest.mark.parametrize(
    ("at", "signature"),
    [
        (100, "jquNHnVOwmDRfw+vqTIrY5dooJAgi5EcRtLsQE4wfXg="),
        (1599360473, "l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8="),
    ],
)
def test_feishus_vectors(at: int, signature: str) -> None:
    assert feishu.sign("demo", at) == signature


def test_dingtalks_vector() -> None:
    assert dingtalk.sign("SECdemo", 1577262236757) == "sLRlUUvzoOXn5DR/+o+s6tOqX+bWe3JGaZ7JQ7844l8="


async def test_dingtalks_signature_is_encoded_once_beside_the_token_that_was_there() -> None:
    clock = FrozenClock(datetime.fromtimestamp(1577262236.757, UTC))
    async with (
        ScriptedServer(otherwise=YES["dingtalk"]) as server,
        chatting("dingtalk", server.url, clock, secret="SECdemo") as sink,
    ):
        assert await sink.deliver(delivery()) == "ok"
        [got] = server.received
    assert got.target == (
        "/robot/send?access_token=url-canary-0123456789&timestamp=1577262236757"
        "&sign=sLRlUUvzoOXn5DR%2F%2Bo%2Bs6tOqX%2BbWe3JGaZ7JQ7844l8%3D"
    )


@pytest.mark.parametrize("service", ["feishu", "lark"])
async def test_feishu_is_signed_in_the_body_afresh_at_each_attempt(service: str) -> None:
    clock = FrozenClock()
    async with ScriptedServer(answer("", 503), otherwise=YES[service]) as server:
        async with chatting(service, server.url, clock, secret="demo") as sink:
            with pytest.raises(Retry):
                await sink.deliver(delivery())
            clock.advance(7200)  # a queued signature would be worth nothing after an hour
            await sink.deliver(delivery(attempt=2))
        first, second = (json.loads(one.body) for one in server.received)
    assert int(second["timestamp"]) - int(first["timestamp"]) == 7200
    for body in (first, second):
        key = f"{body['timestamp']}\ndemo".encode()
        assert body["sign"] == base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()
    assert first["card"] == second["card"]


async def test_dingtalk_is_signed_afresh_too() -> None:
    clock = FrozenClock()
    async with ScriptedServer(answer("", 503), otherwise=YES["dingtalk"]) as server:
        async with chatting("dingtalk", server.url, clock) as sink:
            with pytest.raises(Retry):
                await sink.deliver(delivery())
            clock.advance(60)
            await sink.deliver(delivery())
        first, second = (parse_qs(urlsplit(one.target).query) for one in server.received)
    assert int(second["timestamp"][0]) - int(first["timestamp"][0]) == 60_000
    assert first["sign"] != second["sign"]


@pytest.mark.parametrize("service", ["feishu", "dingtalk"])
async def test_without_a_secret_nothing_is_signed(service: str) -> None:
    async with ScriptedServer(otherwise=YES[service]) as server, chatting(service, server.url, secret=None) as sink:
        await sink.deliver(delivery())
        [got] = server.received
    assert "sign" not in got.target
    assert "sign" not in json.loads(got.body)


@pytest.mark.parametrize(
    ("service", "more", "target"),
    [
        ("wecom", {}, "/cgi-bin/webhook/send?key=url-canary-0123456789"),
        (
            "teams",
            {},
            "/workflows/abc/triggers/manual/paths/invoke?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=url-canary-012",
        ),
        (
            "discord",
            {},
            "/api/webhooks/123456789012345678/url-canary-0123456789?wait=true&with_components=true",
        ),
        ("telegram", {}, "/bot123456789:url-canary-AAEhBOweik6ad/sendMessage"),
        ("slack", {}, "/services/T00000000/B00000000/url-canary-0123456789"),
    ],
)
async def test_a_url_goes_out_as_it_was_written(service: str, more: dict[str, str], target: str) -> None:
    async with ScriptedServer(otherwise=YES[service]) as server, chatting(service, server.url, **more) as sink:
        await sink.deliver(delivery())
        assert server.received[0].target == target
        assert server.received[0].header("content-type") == "application/json; charset=utf-8"


async def test_discords_own_query_is_kept_and_its_wait_overruled() -> None:
    async with ScriptedServer(otherwise=YES["discord"]) as server:
        url = f"{server.url}/api/webhooks/1/url-canary-0123456789?thread_id=99&wait=false"
        async with chatting("discord", "", url=url) as sink:
            await sink.deliver(delivery())
        query = parse_qs(urlsplit(server.received[0].target).query)
    assert query == {"thread_id": ["99"], "wait": ["true"], "with_components": ["true"]}
