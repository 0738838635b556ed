"""The forward as a caller of clouds: signed by an access key or with a token, and never deceived by an error in a 200."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from gateway import DeliveryFailed, Refused, Retry, SigV4, Unavailable
from gateway.testing import NOW, FrozenClock, HttpSinkPromises, Received, Reply, ScriptedServer, delivery
from plugins.sinks.forward import Forward
from plugins.sinks.forward.said_errors import PRESETS
from plugins.vendors.huawei_aksk import sign_call
from tests.sinks.test_forward import SIGN, forwarding

SECRET = "cloud-canary/secret+key"
AWS = {
    "scheme": "sigv4",
    "access_key": "AKIDEXAMPLE",
    "secret_key": SECRET,
    "region": "eu-central-1",
    "service": "lambda",
}
HUAWEI = {"scheme": "huawei-aksk", "access_key": "AKHUAWEI", "secret_key": SECRET}


def oauth(url: str, **options: Any) -> dict[str, Any]:
    return {
        "scheme": "oauth2",
        "token_url": f"{url}/token?tenant=a",
        "client_id": "the client",
        "client_secret": SECRET,
        **options,
    }


def a_token(name: str, **said: Any) -> Reply:
    return Reply(body=json.dumps({"access_token": name, "token_type": "Bearer", "expires_in": 3600, **said}).encode())


class TestACallSignedByAKeyKeepsThePromises(HttpSinkPromises):
    sink = Forward

    def options(self, url: str) -> dict[str, Any]:
        return {"url": f"{url}/x?a=b", "sign": [AWS, SIGN], "errors": "aws"}


def sent(got: Received) -> dict[str, str]:
    """Its headers that the client did not add by itself."""
    return {
        n: v for n, v in got.headers if n not in {"host", "accept", "accept-encoding", "user-agent", "content-length"}
    }


@pytest.mark.parametrize("target", ["/2015-03-31/functions/f%3Aprod/invocations?b=1&a=%20x", "", "/录制/a b?q=é"])
async def test_a_cloud_that_signs_what_arrived_finds_the_same_signature(target: str) -> None:
    target = target.replace(" ", "%20")
    async with ScriptedServer() as server:
        for sign in (AWS, HUAWEI):
            async with forwarding(server.url + target, sign=[sign, SIGN], headers={"X-Project-Id": "p"}) as sink:
                await sink.deliver(delivery())
        first, second = server.received
    url = f"http://{first.header('host')}{first.target}"
    headers = sent(first)
    presented = headers.pop("authorization")
    key = SigV4("AKIDEXAMPLE", SECRET, "eu-central-1", "lambda")
    again = {n: v for n, v in headers.items() if n != "x-amz-date"}
    assert key.sign("POST", url, again, first.body, NOW)["authorization"] == presented
    assert "x-project-id" in presented
    assert "webhook-signature" in presented
    headers = sent(second)
    presented = headers.pop("authorization")
    made = sign_call("POST", url, headers, second.body, access_key="AKHUAWEI", secret_key=SECRET, now=NOW)
    assert made["Authorization"] == presented


async def test_one_token_is_fetched_for_many_deliveries_and_kept_until_shortly_before_its_end() -> None:
    clock = FrozenClock()
    async with ScriptedServer(a_token("first"), a_token("second")) as tokens, ScriptedServer() as server:
        sign = oauth(tokens.url, scopes=["vod.write", "obs.read"], audience="https://vod.example")
        async with forwarding(server.url, clock, sign=sign) as sink:
            await asyncio.gather(*(sink.deliver(delivery()) for _ in range(20)))
            clock.advance(3600 - 61)
            await sink.deliver(delivery())
            assert len(tokens.received) == 1
            clock.advance(2)
            await sink.deliver(delivery())
    assert [got.header("authorization") for got in server.received] == 21 * ["Bearer first"] + ["Bearer second"]
    asked = tokens.received[0]
    assert asked.target == "/token?tenant=a"
    assert asked.header("content-type") == "application/x-www-form-urlencoded"
    assert (
        asked.header("authorization") == "Basic " + base64.b64encode(b"the+client:cloud-canary%2Fsecret%2Bkey").decode()
    )
    assert parse_qs(asked.body.decode()) == {
        "grant_type": ["client_credentials"],
        "scope": ["vod.write obs.read"],
        "audience": ["https://vod.example"],
    }


async def test_id_and_secret_go_into_the_form_where_the_server_wants_them_there() -> None:
    async with ScriptedServer(a_token("t")) as tokens, ScriptedServer() as server:
        async with forwarding(server.url, sign=oauth(tokens.url, credentials="body")) as sink:
            await sink.deliver(delivery())
        [asked] = tokens.received
    said = parse_qs(asked.body.decode())
    assert (said["client_id"], said["client_secret"]) == (["the client"], [SECRET])
    assert not asked.header("authorization")


async def test_a_token_that_is_not_taken_is_renewed_once_and_for_all() -> None:
    async with (
        ScriptedServer(a_token("old"), a_token("new"), a_token("newer")) as tokens,
        ScriptedServer(*[Reply(status=401)] * 3, *[Reply()] * 3, *[Reply(status=401)] * 2) as server,
        forwarding(server.url, sign=oauth(tokens.url)) as sink,
    ):
        await asyncio.gather(*(sink.deliver(delivery()) for _ in range(3)))
        assert len(tokens.received) == 2
        with pytest.raises(Unavailable, match="HTTP 401"):
            await sink.deliver(delivery())
        assert [got.header("authorization") for got in server.received[-2:]] == ["Bearer new", "Bearer newer"]


@pytest.mark.parametrize(
    ("reply", "outcome", "words"),
    [
        (Reply(status=401, body=b'{"error": "invalid_client", "error_description": "cloud-canary/secret+key"}'),
         Unavailable, "HTTP 401 from the token endpoint 127.0.0.1:[0-9]+: invalid_client$"),
        (Reply(status=400, body=b'{"error": "<b>"}'), Unavailable, "HTTP 400 from the token endpoint [^ ]+$"),
        (Reply(status=404), Unavailable, "HTTP 404"),
        (Reply(status=302, headers=(("location", "http://evil/"),)), Unavailable, "HTTP 302"),
        (Reply(status=503, headers=(("retry-after", "7"),)), Retry, "HTTP 503"),
        (Reply(status=429), Retry, "HTTP 429"),
        (Reply(status=200, body=b"<html>"), Unavailable, "without an access_token"),
        (Reply(status=200, body=b"[]"), Unavailable, "without an access_token"),
        (a_token("a\r\nx: y"), Unavailable, "without an access_token"),
        (a_token("t", token_type="mac"), Unavailable, "no bearer token"),
    ],
    ids=range(10),
)  # fmt: skip
async def test_no_token_is_the_whole_targets_trouble_and_told_without_the_secret(
    reply: Reply, outcome: type[DeliveryFailed], words: str
) -> None:
    async with ScriptedServer(reply, otherwise=reply) as tokens, ScriptedServer() as server:
        async with forwarding(server.url, sign=oauth(tokens.url)) as sink:
            results = await asyncio.gather(*(sink.deliver(delivery()) for _ in range(9)), return_exceptions=True)
        assert not server.received
        assert len(tokens.received) == 1  # whoever waited for it shares what came of it
    for failure in results:
        assert type(failure) is outcome
        assert re.search(words, failure.detail)
        assert "canary" not in failure.detail
        if isinstance(failure, Retry):
            assert failure.service
    if reply.status == 503:
        assert isinstance(results[0], Retry)
        assert results[0].after == timedelta(seconds=7)


@pytest.mark.parametrize(
    ("says", "seconds"),
    [(None, 270), ("600", 540), (0, 270), (-1, 270), (True, 270), (1e99, 86340), ("x", 270), (5, 4.5)],
)
async def test_a_token_lives_as_long_as_it_says_within_bounds(says: Any, seconds: float) -> None:
    clock = FrozenClock()
    async with (
        ScriptedServer(a_token("a", expires_in=says), a_token("b")) as tokens,
        ScriptedServer() as server,
        forwarding(server.url, clock, sign=oauth(tokens.url)) as sink,
    ):
        await sink.deliver(delivery())
        clock.advance(seconds - 0.1)
        await sink.deliver(delivery())
        assert len(tokens.received) == 1
        clock.advance(0.2)
        await sink.deliver(delivery())
        assert len(tokens.received) == 2


async def test_the_token_endpoint_is_judged_as_the_target_is() -> None:
    async with ScriptedServer() as tokens, ScriptedServer() as server:
        async with forwarding(server.url, sign=oauth(tokens.url), allow_private=False) as sink:
            with pytest.raises(Refused, match="not a public address"):
                await sink.deliver(delivery())
        assert not tokens.received


async def test_a_token_that_the_target_echoes_is_masked() -> None:
    async with (
        ScriptedServer(a_token("token-canary-0123456789")) as tokens,
        ScriptedServer(Reply(status=400, body=b"bad token-canary-0123456789")) as server,
        forwarding(server.url, sign=oauth(tokens.url)) as sink,
    ):
        with pytest.raises(Refused) as refused:
            await sink.deliver(delivery())
    assert "canary" not in refused.value.detail


# -- errors that an answer says


SAID = [
    ("huawei-cloud", 200, {"error_code": "VOD.10053", "error_msg": "asset\nexists"}, Refused, r"VOD\.10053: asset\\nexists"),
    ("huawei-cloud", 200, {"error_code": "APIG.0308"}, Retry, "APIG.0308"),
    ("huawei-cloud", 400, {"error_code": "APIG.0308"}, Retry, "APIG.0308"),
    ("huawei-cloud", 400, {"error_code": "VOD.1"}, Refused, "HTTP 400"),
    ("huawei-cloud", 200, {"error_code": "APIG.0301"}, Unavailable, "APIG.0301"),
    ("huawei-cloud", 200, {"asset_id": "x", "error_code": ""}, None, ""),
    ("tencent-cloud", 200, {"Response": {"Error": {"Code": "AuthFailure.SignatureExpire", "Message": "m"}}}, Unavailable, "m$"),
    ("tencent-cloud", 200, {"Response": {"Error": {"Code": "RequestLimitExceeded"}}}, Retry, "Limit"),
    ("tencent-cloud", 200, {"Response": {"Error": {"Code": "InvalidParameter"}}}, Refused, "InvalidParameter"),
    ("tencent-cloud", 200, {"Response": {"RequestId": "x"}}, None, ""),
    ("alibaba-cloud", 200, {"Code": "OK"}, None, ""),
    ("alibaba-cloud", 200, {"Code": 200}, None, ""),
    ("alibaba-cloud", 503, {"Code": "Throttling.User"}, Retry, "Throttling"),
    ("volcengine", 200, {"ResponseMetadata": {"Error": {"Code": "FlowLimitExceeded"}}}, Retry, "FlowLimit"),
    ("aws", 400, {"__type": "com.amazon.coral#ThrottlingException"}, Retry, "Throttling"),
    ("aws", 400, {"__type": "ValidationException", "message": "m"}, Refused, "HTTP 400"),
    ("aws", 200, {"code": "what the function said"}, None, ""),
    ("graphql", 200, {"errors": [{"message": "no such field"}]}, Refused, "no such field"),
    ("graphql", 200, {"data": {}, "errors": []}, None, ""),
    ("json-rpc", 200, {"error": {"code": -32602, "message": "Invalid params"}}, Refused, "-32602: Invalid params"),
    ("json-rpc", 200, {"error": {"code": -32603}}, Retry, "-32603"),
    ({"code": ["ret", "ok"], "success": ["1"], "unavailable": "9*"}, 200, {"ret": 1}, None, ""),
    ({"code": ["ret", "ok"], "success": ["1"], "unavailable": "9*"}, 200, {"ret": 91}, Unavailable, "91"),
    ({"code": "failed"}, 200, {"failed": True}, Refused, "says true"),
    ({"code": "failed"}, 200, {"failed": {"why": "x"}}, Refused, "why"),
    ({"code": "failed"}, 200, {"failed": False}, None, ""),
    ({"code": "a.b.9999.c"}, 200, {"a": {"b": []}}, None, ""),
]  # fmt: skip


@pytest.mark.parametrize(("errors", "status", "said", "outcome", "words"), SAID, ids=range(len(SAID)))
async def test_an_error_in_an_answer_is_the_outcome_its_code_means(
    errors: Any, status: int, said: Any, outcome: type[DeliveryFailed] | None, words: str
) -> None:
    body = json.dumps(said).encode()
    async with (
        ScriptedServer(Reply(status=status, body=body)) as server,
        forwarding(server.url, errors=errors) as sink,
    ):
        if outcome is None:
            assert await sink.deliver(delivery()) == f"HTTP {status}"
            return
        with pytest.raises(outcome, match=words) as failed:
            await sink.deliver(delivery())
    assert type(failed.value) is outcome
    assert failed.value.detail.isprintable()


async def test_a_function_that_failed_says_so_in_a_header() -> None:
    reply = Reply(body=b'{"errorMessage": "boom"}', headers=(("X-Amz-Function-Error", "Unhandled"),))
    async with ScriptedServer(reply) as server, forwarding(server.url, errors="aws") as sink:
        with pytest.raises(Retry, match="Unhandled: boom"):
            await sink.deliver(delivery())


@pytest.mark.parametrize(
    ("body", "outcome"), [(b"", None), (b" ", None), (b"<html>", Retry), (b'{"a": "' + 70000 * b"x" + b'"}', None)]
)
async def test_a_2xx_that_should_be_json_and_is_not_came_from_somebody_else(body: bytes, outcome: Any) -> None:
    async with ScriptedServer(Reply(body=body)) as server, forwarding(server.url, errors="huawei-cloud") as sink:
        if outcome is None:
            await sink.deliver(delivery())
        else:
            with pytest.raises(outcome, match="not JSON"):
                await sink.deliver(delivery())


def test_no_code_of_a_preset_means_two_things() -> None:
    for spec in PRESETS.values():
        assert not set(spec.retry) & set(spec.unavailable)
