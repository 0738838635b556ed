"""The forward sink: signed, stable in its id, fresh in its time, and never louder about secrets than it must be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from gateway import Http, InvalidSignature, Refused, Retry, Trust, Unavailable, Verified, to_json, verify_webhook
from gateway.testing import NOW, FrozenClock, HttpSinkPromises, Reply, ScriptedServer, delivery, event
from plugins.sinks.forward import Forward, ForwardOptions
from tests.patience import PATIENCE_S

OLD = "whsec_" + "b2xkLXNlY3JldC1vbGQtc2VjcmV0LW9sZC0x"
NEW = "demo-whsec_" + "bmV3LXNlY3JldC1uZXctc2VjcmV0LW5ldy0y"
STRANGER = "whsec_" + "c3RyYW5nZXItc3RyYW5nZXItc3RyYW5nZXItMw=="


AFRESH = {"scheme": "huawei-live", "key": "the-receivers-key-0123456789abcdef"}


class TestForwardKeepsThePromises(HttpSinkPromises):
    sink = Forward

    def options(self, url: str) -> Mapping[str, Any]:
        return {
            "url": f"{url}/recordings?token=url-canary-token",
            "sign": {"scheme": "standard-webhooks", "secrets": [OLD, NEW]},
            "headers": {"Authorization": "Bearer header-canary-token"},
            "proxy": None,
        }


@asynccontextmanager
async def forwarding(url: str, clock: FrozenClock | None = None, **options: Any) -> AsyncIterator[Forward]:
    http = Http(clock=clock or FrozenClock(), timeout=PATIENCE_S)
    sink = Forward("app", ForwardOptions.model_validate({"url": url, **options}), http=http, log=None)  # type: ignore[arg-type]
    await sink.open()
    try:
        yield sink
    finally:
        await sink.close()
        await http.close()


SIGN = {"scheme": "standard-webhooks", "secrets": [OLD, NEW]}
GITHUB = {"scheme": "github", "secret": "It's a Secret to Everybody, and 32 long"}


async def test_a_receiver_with_either_secret_verifies_exactly_the_bytes_sent() -> None:
    one = event(stream="直播-1")
    async with ScriptedServer() as server, forwarding(server.url + "/in", sign=SIGN) as sink:
        receipt = await sink.deliver(delivery(one))
        [got] = server.received
    assert receipt == "HTTP 200"
    assert (got.method, got.target) == ("POST", "/in")
    assert got.body == to_json(one).encode()
    assert got.header("content-type") == "application/cloudevents+json"
    for secret in (OLD, NEW):
        assert verify_webhook(got.body, dict(got.headers), secret, now=NOW) == one.id
    with pytest.raises(InvalidSignature):
        verify_webhook(got.body, dict(got.headers), STRANGER, now=NOW)
    with pytest.raises(InvalidSignature):
        verify_webhook(got.body + b" ", dict(got.headers), OLD, now=NOW)


async def test_each_attempt_has_a_fresh_time_and_signature_and_the_same_id() -> None:
    clock = FrozenClock()
    async with ScriptedServer(Reply(status=503)) as server, forwarding(server.url, clock, sign=SIGN) as sink:
        one = delivery()
        with pytest.raises(Retry):
            await sink.deliver(one)
        clock.advance(3600)
        await sink.deliver(replace(one, attempt=2))
        first, second = server.received
    assert first.header("webhook-id") == second.header("webhook-id") == one.event.id
    assert first.header("webhook-timestamp") == str(int(NOW.timestamp()))
    assert second.header("webhook-timestamp") == str(int(NOW.timestamp()) + 3600)
    assert first.header("webhook-signature") != second.header("webhook-signature")
    assert verify_webhook(second.body, dict(second.headers), OLD, now=clock.now()) == one.event.id
    assert first.body == second.body


async def test_raw_mode_sends_the_vendors_bytes_untouched_with_where_they_came_from() -> None:
    raw = b'{"b": 1,\n  "a":"\xe7\x9b\xb4"}'
    one = event(
        raw=raw, source="live", trust=Trust.TIMESTAMP, verified=Verified(trust=Trust.TIMESTAMP, scheme="hmac-old")
    )
    async with ScriptedServer() as server, forwarding(server.url, body="raw", sign=SIGN) as sink:
        await sink.deliver(delivery(one))
        [got] = server.received
    assert got.body == raw
    assert got.header("content-type") == "application/json"
    assert verify_webhook(got.body, dict(got.headers), NEW, now=NOW) == one.id
    assert got.header("recording-gateway-source") == "live"
    assert got.header("recording-gateway-type") == "recording.file.completed"
    assert got.header("recording-gateway-trust") == "timestamp"
    assert got.header("recording-gateway-scheme") == "hmac-old"
    assert got.header("recording-gateway-received") == "2026-01-01T00:00:00Z"


async def test_an_event_that_takes_anothers_place_says_whose_in_raw_mode_too() -> None:
    async with ScriptedServer() as server, forwarding(server.url, body="raw") as sink:
        await sink.deliver(delivery(event(supersedes="0a1b~2c3d4e5f")))
        await sink.deliver(delivery(event()))
        first, second = (got.header("recording-gateway-supersedes") for got in server.received)
    assert (first, second) == ("0a1b~2c3d4e5f", None)


async def test_an_event_without_a_verdict_has_no_scheme_and_an_unsigned_forward_no_signature() -> None:
    async with ScriptedServer() as server, forwarding(server.url) as sink:
        await sink.deliver(delivery(event(verified=None)))
        [got] = server.received
    assert got.header("recording-gateway-scheme") is None
    assert got.header("webhook-signature") is None
    assert got.header("webhook-id")
    assert got.header("webhook-replay") is None


async def test_a_replay_says_so() -> None:
    async with ScriptedServer() as server, forwarding(server.url) as sink:
        await sink.deliver(delivery(replay=True))
        assert server.received[0].header("webhook-replay") == "true"


async def test_headers_of_ones_own_travel_and_what_is_not_ascii_is_percent_encoded() -> None:
    headers = {"Authorization": "Basic YTpi%3D", "X-Team": "录制 100%", "Content-Type": "application/json"}
    async with ScriptedServer() as server, forwarding(server.url, headers=headers, method="PUT") as sink:
        await sink.deliver(delivery(event(source="源%1")))
        [got] = server.received
    assert got.method == "PUT"
    assert got.header("authorization") == "Basic YTpi%3D"
    assert got.header("x-team") == "%E5%BD%95%E5%88%B6 100%"
    assert [value for name, value in got.headers if name == "content-type"] == ["application/json"]
    assert got.header("recording-gateway-source") == "%E6%BA%90%251"


async def test_a_target_that_is_gone_is_stopped_for_a_day() -> None:
    async with ScriptedServer(Reply(status=410)) as server, forwarding(server.url) as sink:
        with pytest.raises(Unavailable, match="gone for good") as stopped:
            await sink.deliver(delivery())
    assert stopped.value.after == timedelta(days=1)


async def test_a_404_is_tried_again_for_a_while_and_then_ends_the_delivery() -> None:
    clock = FrozenClock()
    async with ScriptedServer(otherwise=Reply(status=404)) as server:
        async with forwarding(server.url, clock, not_found_grace="10m") as sink:
            one = delivery(first_attempt_at=clock.now())
            with pytest.raises(Retry):
                await sink.deliver(one)
            clock.advance(599)
            with pytest.raises(Retry):
                await sink.deliver(one)
            clock.advance(1)
            with pytest.raises(Refused, match="since the first attempt") as refused:
                await sink.deliver(one)
            assert refused.value.status == 404
        async with forwarding(server.url, clock, not_found_grace="0s", retry_statuses=[404]) as sink:
            with pytest.raises(Retry):
                await sink.deliver(one)
        async with forwarding(server.url, clock, permanent_statuses=[404]) as sink:
            with pytest.raises(Refused):
                await sink.deliver(delivery(first_attempt_at=clock.now()))


async def test_the_configuration_may_read_statuses_otherwise() -> None:
    replies = [Reply(status=409), Reply(status=500), Reply(status=302)]
    async with (
        ScriptedServer(*replies) as server,
        forwarding(server.url, retry_statuses=[409, 302], permanent_statuses=[500]) as sink,
    ):
        for expected in (Retry, Refused, Retry):
            with pytest.raises(expected):
                await sink.deliver(delivery())


async def test_a_private_address_is_refused_only_where_the_configuration_says_so() -> None:
    async with ScriptedServer() as server, forwarding(server.url, allow_private=False) as sink:
        with pytest.raises(Refused, match="not a public address"):
            await sink.deliver(delivery())
        assert server.connections == 0


async def test_a_token_in_the_url_that_the_receiver_echoes_is_masked() -> None:
    async with (
        ScriptedServer(Reply(status=400, body=b"bad token forward-url-canary")) as server,
        forwarding(server.url + "/?key=forward-url-canary") as sink,
    ):
        with pytest.raises(Refused) as refused:
            await sink.deliver(delivery())
    assert "canary" not in refused.value.detail
    assert "bad token ********" in refused.value.detail


async def test_what_cannot_be_signed_is_refused_in_words() -> None:
    """A component that this event's request has not."""
    sign = {"scheme": "rfc9421", "key": OLD, "components": ["@method", "content-digest", "x-recorded"]}
    headers = {"X-Recorded": "{{ event.time }}"}
    async with ScriptedServer() as server, forwarding(server.url, sign=sign, headers=headers) as sink:
        await sink.deliver(delivery(event(time=NOW)))
        with pytest.raises(Refused, match=r"the request cannot be signed: .*x-recorded"):
            await sink.deliver(delivery(event(time=None)))
        assert len(server.received) == 1


async def test_a_way_through_a_proxy_or_a_socket_is_not_tried_out() -> None:
    ways: list[dict[str, Any]] = [{"proxy": "http://127.0.0.1:9"}, {"uds": "/run/app.sock"}]
    for way in ways:
        async with forwarding("http://app.example/", **way) as sink:
            assert await sink.connect() is None
    async with ScriptedServer() as server, forwarding(server.url + "/{{ event.id }}") as sink:
        assert f"127.0.0.1:{server.port}" in (await sink.connect() or "")
