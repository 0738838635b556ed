"""The forward sink: signed, stable in its id, fresh in its time, and never louder about secrets than it must be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from pydantic import ValidationError

from gateway import Http, InvalidSignature, Refused, Retry, Trust, Unavailable, Verified, to_json, verify_webhook
from gateway.testing import NOW, FrozenClock, HttpSinkPromises, Reply, ScriptedServer, delivery, event
from plugins.sinks.forward import Forward, ForwardOptions
from tests.patience import PATIENCE_S

OLD = "whsec_" + "b2xkLXNlY3JldC1vbGQtc2VjcmV0LW9sZC0x"
NEW = "demo-whsec_" + "bmV3LXNlY3JldC1uZXctc2VjcmV0LW5ldy0y"
STRANGER = "whsec_" + "c3RyYW5nZXItc3RyYW5nZXItc3RyYW5nZXItMw=="


SIGV4 = {
    "scheme": "sigv4",
    "access_key": "AKIDEXAMPLE",
    "secret_key": "a-secret-key-0123456789",
    "region": "r",
    "service": "s",
}
OAUTH2 = {"scheme": "oauth2", "token_url": "https://x/", "client_id": "me", "client_secret": "a-client-secret-012345"}
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


@pytest.mark.parametrize(
    ("options", "where", "words"),
    [
        ({"url": "ftp://x/"}, "url", "http://"),
        ({"url": "http://user:CANARY@x/"}, "url", "header"),
        ({"sign": {"secrets": []}}, "sign.standard-webhooks.secrets", "one to eight secrets"),
        ({"sign": {"secrets": ["whsec_CANARYshort"]}}, "sign.standard-webhooks.secrets.0", "24 bytes"),
        ({"sign": {"secrets": ["CANARY not base64!"]}}, "sign.standard-webhooks.secrets.0", "base64"),
        ({"sign": {"scheme": "other", "secrets": [OLD]}}, "sign", "a `scheme`: standard-webhooks, github, huawei-live"),
        ({"headers": {"x a": "CANARY"}}, "headers.x a.[key]", "letters, digits and hyphens"),
        ({"headers": {"Webhook-Id": "CANARY"}}, "headers.Webhook-Id.[key]", "does not set itself"),
        ({"headers": {"Content-Length": "CANARY"}}, "headers.Content-Length.[key]", "does not set itself"),
        ({"headers": {"x-a": "CANARY\r\nx-b: 1"}}, "headers.x-a", "on one line"),
        ({"headers": {"x-a": ""}}, "headers.x-a", "not empty"),
        ({"headers": {"x-a": "CANARY1", "X-A": "CANARY2"}}, "", "each header once"),
        ({"proxy": "CANARY"}, "proxy", "proxy such as"),
        ({"proxy": "http://x:99999999"}, "proxy", "proxy such as"),
        ({"retry_statuses": [200]}, "retry_statuses.0", "greater than or equal to 300"),
        ({"retry_statuses": [404], "permanent_statuses": [404, 405]}, "", "404 is in retry_statuses"),
        ({"key": "key.pem"}, "", "a certificate beside the key"),
        ({"body": "xml"}, "body", "'event', 'binary', 'raw' or 'huawei-live'"),
        ({"sign": "CANARY"}, "sign", "a `scheme`"),
        ({"sign": {"secret": "CANARY"}}, "sign", "a `scheme`"),
        ({"sign": {"scheme": "none"}}, "sign", "a `scheme`"),
        ({"sign": {"scheme": "many"}}, "sign", "a `scheme`"),
        ({"sign": {"scheme": ["CANARY"]}}, "sign", "a `scheme`"),
        ({"sign": []}, "", "at least one signature"),
        ({"sign": [SIGV4, OAUTH2]}, "", "one thing that sets Authorization, not sigv4 and oauth2"),
        ({"sign": SIGV4, "headers": {"authorization": "CANARY"}}, "", "not sigv4 and the header Authorization"),
        ({"sign": {**SIGV4, "region": "CANARY x"}}, "sign.sigv4.region", "without spaces"),
        ({"sign": {**SIGV4, "region": "a/CANARY"}}, "sign.sigv4", "`region` without spaces, slashes"),
        ({"sign": {**SIGV4, "session_token": "CANARY x"}}, "sign.sigv4", "`session_token` without spaces"),
        ({"sign": [{"secrets": [OLD]}, {"secrets": [NEW]}]}, "", "each scheme once"),
        ({"sign": [{"scheme": "CANARY"}]}, "sign.many.0", "a `scheme`"),
        ({"sign": {"scheme": "github", "secret": "CANARY"}}, "sign.github.secret", "at least 16 characters"),
        ({"sign": {"secrets": ["whsk_CANARY"]}}, "sign.standard-webhooks.secrets.0", "whsk_"),
        ({"sign": {"secrets": ["whpk_CANARY"]}}, "sign.standard-webhooks.secrets.0", "public one"),
        ({"sign": AFRESH}, "", "body: huawei-live beside"),
        ({"body": "huawei-live"}, "", "scheme: huawei-live, key"),
        ({"body": "huawei-live", "sign": {"secrets": [OLD]}}, "", "scheme: huawei-live, key"),
        ({"body": "huawei-live", "sign": {**AFRESH, "sign_type": "none"}}, "sign.huawei-live.sign_type", "one of hmac"),
        ({"body": "huawei-live", "sign": {**AFRESH, "sign_type": "sha1"}}, "sign.huawei-live.sign_type", "one of hmac"),
        ({"body": "huawei-live", "sign": {**AFRESH, "validity": "2d"}}, "sign.huawei-live.validity", "at most 1d"),
        ({"content_type": "CANARY"}, "content_type", "a media type"),
        ({"content_type": "a/b\r\nx: CANARY"}, "content_type", "a media type"),
        ({"content_type": "a/b", "headers": {"content-type": "a/b"}}, "", "not both"),
        ({"headers": {"ce-id": "CANARY"}}, "headers.ce-id.[key]", "does not set itself"),
        ({"headers": {"X-Hub-Signature-256": "CANARY"}}, "headers.X-Hub-Signature-256.[key]", "does not set itself"),
        ({"url": "https://x/", "uds": "/run/app.sock"}, "", "an http URL and no proxy"),
        ({"proxy": "http://x:1", "uds": "/run/app.sock"}, "", "an http URL and no proxy"),
        ({"allow_private": False, "uds": "/run/app.sock"}, "", "no address to judge"),
        ({"uds": "/" + "x" * 107}, "", "at most 107 bytes"),
    ],
)
def test_a_wrong_option_is_located_and_explained_without_its_value(
    options: dict[str, Any], where: str, words: str
) -> None:
    with pytest.raises(ValidationError) as wrong:
        ForwardOptions.model_validate({"url": "http://127.0.0.1:9/", **options})
    [problem] = wrong.value.errors(include_input=False)
    assert ".".join(map(str, problem["loc"])) == where
    assert words in problem["msg"]
    assert "CANARY" not in problem["msg"]


def test_paths_are_beside_the_configuration_file(tmp_path: Path) -> None:
    options = ForwardOptions.model_validate(
        {"url": "https://x/", "ca": "ca.pem", "certificate": "c.pem", "key": "k.pem"}, context={"base": tmp_path}
    )
    assert (options.ca, options.certificate, options.key) == (
        tmp_path / "ca.pem",
        tmp_path / "c.pem",
        tmp_path / "k.pem",
    )


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
    for way in ({"proxy": "http://127.0.0.1:9"}, {"uds": "/run/app.sock"}):
        async with forwarding("http://app.example/", **way) as sink:
            assert await sink.connect() is None
    async with ScriptedServer() as server, forwarding(server.url + "/{{ event.id }}") as sink:
        assert f"127.0.0.1:{server.port}" in (await sink.connect() or "")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"url": "http://127.0.0.1:9/"}, []),
        ({"url": "http://localhost:9/"}, []),
        ({"url": "http://app.localhost/"}, []),
        ({"url": "http://[::1]:9/"}, []),
        ({"url": "https://app.example/", "sign": SIGN}, []),
        ({"url": "https://app.example/"}, ["without `sign`"]),
        ({"url": "http://app.example/"}, ["without `sign`", "plain http"]),
        ({"url": "https://app.example/", "sign": SIGN, "verify": False}, ["verify: false"]),
        ({"url": "http://127.0.0.1:9/", "allow_private": False}, ["refuses every delivery"]),
        ({"url": "http://app.example/", "uds": "/run/app.sock"}, []),
        ({"url": "https://app.example/", "sign": GITHUB}, ["signs no time"]),
        ({"url": "https://app.example/", "sign": [GITHUB, SIGN]}, []),
        (
            {"url": "https://app.example/", "sign": {"scheme": "rfc9421", "key": OLD, "components": ["@method"]}},
            ["leaves the body unsigned"],
        ),
        ({"url": "https://app.example/", "body": "huawei-live", "sign": AFRESH}, []),
        (
            {"url": "https://app.example/", "body": "huawei-live", "sign": {**AFRESH, "sign_type": "md5"}},
            ["only an expiry"],
        ),
        ({"url": "https://8.8.8.8/", "sign": SIGN, "allow_private": False}, []),
        ({"url": "https://app.example/", "sign": SIGN, "allow_private": False}, []),
    ],
)
def test_advice_names_what_a_reviewer_would(options: dict[str, Any], words: list[str]) -> None:
    sink = Forward("app", ForwardOptions.model_validate(options), http=Http(), log=None)  # type: ignore[arg-type]
    advice = sink.advice()
    assert len(advice) == len(words)
    assert all(word in line for word, line in zip(words, advice, strict=True))
