"""The HTTP client: bounded in time and size, follows nothing, keeps nothing, and every failure is an outcome."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from gateway.egress.client import Http
from gateway.egress.guard import AddressGuard
from gateway.egress.via import Via
from gateway.errors import DeliveryFailed, Refused, Retry, Unavailable
from gateway.runtime.clock import FrozenClock
from gateway.testing.corpus import cases
from gateway.testing.server import Reply, ScriptedServer
from gateway.version import __version__
from tests.examples import examples
from tests.patience import PATIENCE_S
from tests.ports import free_port


async def test_a_request_says_who_calls_and_wants_nothing_compressed(http: Http) -> None:
    async with ScriptedServer(Reply(body=b"hello")) as server:
        answer = await http.post(server.url + "/a", content=b"x", headers={"X-One": "1"}, params={"q": "a b&c"})
        assert (answer.status, answer.body, answer.excerpt, answer.truncated) == (200, b"hello", "hello", False)
        [got] = server.received
    assert (got.method, got.target, got.body) == ("POST", "/a?q=a+b%26c", b"x")
    assert got.header("user-agent") == f"recording-gateway/{__version__}"
    assert got.header("accept-encoding") == "identity"
    assert got.header("x-one") == "1"
    assert got.header("content-length") == "1"
    assert got.header("cookie") is None


async def test_json_is_sent_compact_in_utf8_and_a_text_as_it_is(http: Http) -> None:
    async with ScriptedServer() as server:
        await http.post(server.url, json={"名": [1, None]})
        await http.request("PUT", server.url, content="名")
        first, second = server.received
    assert first.body == '{"名":[1,null]}'.encode()
    assert first.header("content-type") == "application/json"
    assert second.body == "名".encode()


async def test_connections_are_kept_for_the_next_request(http: Http) -> None:
    async with ScriptedServer() as server:
        for _ in range(5):
            await http.get(server.url)
        assert server.connections == 1


async def test_a_redirect_is_not_followed_and_names_where_it_points(http: Http) -> None:
    async with ScriptedServer() as elsewhere:
        reply = Reply(status=302, headers=[("Location", elsewhere.url + "/x?token=S3CRET")])
        async with ScriptedServer(reply) as server:
            with pytest.raises(Unavailable, match=f"moved to {elsewhere.url}/x") as failed:
                await http.post(server.url, content=b"x")
        assert "S3CRET" not in failed.value.detail
        assert elsewhere.connections == 0


async def test_a_cookie_is_never_sent_back(http: Http) -> None:
    case = next(case for case in cases("ans") if case.id == "N03")
    async with ScriptedServer(Reply(raw=case.value), Reply(headers=[("Set-Cookie", "s=2; Path=/")]), Reply()) as server:
        for _ in range(3):
            await http.get(server.url)
        assert [got.header("cookie") for got in server.received] == [None] * 3


async def test_the_environments_proxy_is_not_used(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with ScriptedServer() as server:
        assert (await http.get(server.url)).status == 200


async def test_a_configured_proxy_is_used(http: Http) -> None:
    async with ScriptedServer(Reply(body=b"from the proxy")) as proxy:
        via = Via(proxy=proxy.url.replace("http://", "http://user:proxy-password@"))
        answer = await http.get("http://target.invalid/x", via=via)
        [got] = proxy.received
    assert answer.body == b"from the proxy"
    assert got.target == "http://target.invalid/x"
    assert got.header("proxy-authorization") == "Basic " + base64.b64encode(b"user:proxy-password").decode()
    assert got.header("authorization") is None


async def test_a_proxy_is_asked_for_a_tunnel_to_an_https_target_and_never_sees_the_request(http: Http) -> None:
    async with ScriptedServer(Reply(status=407)) as proxy:
        via = Via(proxy=proxy.url.replace("http://", "http://user:proxy-password@"))
        with pytest.raises(Unavailable, match="the proxy wants another user"):
            await http.post("https://target.invalid/S3CRET", content=b"S3CRET", via=via)
        [got] = proxy.received
    assert (got.method, got.target) == ("CONNECT", "target.invalid:443")
    assert got.header("proxy-authorization") == "Basic " + base64.b64encode(b"user:proxy-password").decode()
    assert "S3CRET" not in repr(got)


async def test_a_proxy_without_credentials_is_sent_none(http: Http) -> None:
    async with ScriptedServer() as proxy:
        await http.get("http://target.invalid/x", via=Via(proxy=proxy.url))
        assert proxy.received[0].header("proxy-authorization") is None


@pytest.mark.parametrize("reply", [Reply(hang=True), Reply(drip=True)], ids=["silent", "a byte at a time"])
async def test_an_answer_that_does_not_end_is_cut_at_the_deadline(http: Http, reply: Reply) -> None:
    async with ScriptedServer(reply) as server:
        with pytest.raises(Retry, match=r"no complete answer from 127\.0\.0\.1:\d+ within 0\.2 s") as failed:
            await http.post(server.url + "/S3CRET", content=b"x", timeout=0.2)
    assert failed.value.service
    assert "S3CRET" not in failed.value.detail


async def test_a_long_body_is_cut_at_64_kib_and_its_connection_closed(http: Http) -> None:
    async with ScriptedServer(Reply(body=b"x" * 1_000_000), Reply(body=b"next")) as server:
        answer = await http.get(server.url)
        assert len(answer.body) == 64 * 1024
        assert answer.truncated
        assert len(answer.excerpt) == 4096
        assert (await http.get(server.url)).body == b"next"
        assert server.connections == 2


async def test_a_body_of_just_the_limit_is_whole(http: Http) -> None:
    async with ScriptedServer(Reply(body=b"x" * 65536)) as server:
        answer = await http.get(server.url)
    assert len(answer.body) == 65536
    assert not answer.truncated


async def test_a_compressed_body_is_never_unpacked(http: Http) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    async with ScriptedServer(Reply(headers=[("Content-Encoding", "gzip")], body=bomb)) as server:
        answer = await http.get(server.url)
    assert answer.body == bomb[: 64 * 1024]


@pytest.mark.parametrize("case", [case for case in cases("ans") if case.id in {"N01", "N04", "N05", "N06"}], ids=str)
async def test_a_hostile_answer_is_a_retry_without_the_token(http: Http, case: Any) -> None:
    async with ScriptedServer(otherwise=Reply(raw=case.value)) as server:
        with pytest.raises(Retry) as failed:
            await http.post(server.url + "/hook/T0KEN?key=T0KEN", content=b"x", headers={"x-key": "T0KEN"})
    assert failed.value.service
    assert "T0KEN" not in failed.value.detail
    assert str(server.port) in failed.value.detail
    if case.id == "N06":
        assert failed.value.after is not None
        assert failed.value.after.total_seconds() == 86400


async def test_a_server_that_hangs_up_is_a_retry(http: Http) -> None:
    async with ScriptedServer(Reply(raw=b"")) as server:
        with pytest.raises(Retry, match="closed the connection without an answer") as failed:
            await http.post(server.url, content=b"x")
    assert failed.value.service


async def test_nobody_listening_and_nobody_of_that_name_are_retries(http: Http) -> None:
    with pytest.raises(Retry, match="connection refused") as failed:
        await http.get(f"http://127.0.0.1:{free_port()}/T0KEN")
    assert failed.value.service
    with pytest.raises(Retry, match=r"nobody\.invalid:80: the name cannot be resolved"):
        await http.get("http://nobody.invalid/T0KEN")


@pytest.mark.parametrize(
    "call",
    [
        lambda http, url: http.get(url, headers={"x-a": "T0KEN\r\nx-b: 1"}),
        lambda http, url: http.get(url, headers={"x-a": "T0KEN\0"}),
        lambda http, url: http.get(url, headers={"x-a": "T0KENé"}),
        lambda http, url: http.get(url, headers={"x a\n": "T0KEN"}),
        lambda http, url: http.get("http://x:99999/T0KEN"),
        lambda http, url: http.get("ftp://T0KEN/"),
        lambda http, url: http.get("T0KEN"),
        lambda http, url: http.get("http:///T0KEN"),
        lambda http, url: http.get("http://\0T0KEN/"),
        lambda http, url: http.post(url, content="T0KEN\ud800"),
        lambda http, url: http.post(url, json={"a": "\ud800T0KEN"}),
    ],
)
async def test_what_can_never_be_sent_is_refused_and_says_nothing_secret(
    http: Http, call: Callable[[Http, str], Any]
) -> None:
    async with ScriptedServer() as server:
        with pytest.raises(Refused) as failed:
            await call(http, server.url)
        assert server.received == []
    assert "T0KEN" not in failed.value.detail.replace("T0KEN:", "")


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
@examples(60, HealthCheck.function_scoped_fixture)
def test_no_url_or_header_makes_anything_but_an_outcome(path: str, name: str, value: str) -> None:
    async def call() -> None:
        client = Http(timeout=PATIENCE_S, transport=httpx.MockTransport(lambda request: httpx.Response(200)))
        for url in (path, f"http://127.0.0.1:1/{path}", f"http://{path}"):
            with contextlib.suppress(DeliveryFailed):
                await client.request("POST", url, headers={name: value}, content=value.encode("utf-8", "replace"))

    asyncio.run(call())


async def test_a_sinks_author_can_put_a_transport_of_httpx_in_the_networks_place() -> None:
    clock = FrozenClock()
    http = Http(
        clock=clock, transport=httpx.MockTransport(lambda request: httpx.Response(201, json={"at": str(request.url)}))
    )
    answer = await http.post("https://a.example/x", json={})
    assert answer.json() == {"at": "https://a.example/x"}
    assert answer.now == clock.now()
    await http.close()


async def test_a_classify_of_ones_own_replaces_the_table(http: Http) -> None:
    def classify(answer: Any) -> None:
        if answer.json()["code"] != 0:
            raise Refused("code says no")

    async with ScriptedServer(Reply(body=b'{"code": 1}'), Reply(status=500, body=b'{"code": 0}')) as server:
        with pytest.raises(Refused, match="code says no"):
            await http.get(server.url, classify=classify)
        assert (await http.get(server.url, classify=classify)).status == 500


async def test_cancelling_a_call_ends_it_and_is_not_taken_for_a_timeout(http: Http) -> None:
    async with ScriptedServer(Reply(hang=True)) as server:
        task = asyncio.create_task(http.get(server.url))
        while not server.received:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_closed_client_opens_no_connection_any_more() -> None:
    http = Http()
    await http.open()
    await http.prepare("http://127.0.0.1/")
    await http.close()
    with pytest.raises(Retry, match="stopping"):
        await http.get("http://127.0.0.1:1/")


async def test_thirty_two_calls_at_once_share_one_pool_and_all_arrive(http: Http) -> None:
    async with ScriptedServer() as server:
        answers = await asyncio.gather(*(http.post(server.url, content=b"x") for _ in range(32)))
        assert {answer.status for answer in answers} == {200}
        assert server.connections <= 32
    assert len(http._pools) == 1


async def test_untrusted_urls_have_their_own_size_bound(http: Http) -> None:
    from ipaddress import ip_network

    from gateway.egress.guard import AddressGuard

    allow = AddressGuard((ip_network("127.0.0.0/8"),))
    async with ScriptedServer(otherwise=Reply(body=b"12345")) as server:
        assert (await http.fetch_untrusted(server.url, max_bytes=5, allow=allow)).body == b"12345"
        with pytest.raises(Refused, match="over 4 bytes"):
            await http.fetch_untrusted(server.url, max_bytes=4, allow=allow)


def test_equal_settings_share_connections_however_they_were_made() -> None:
    ways = [
        *(Via(), Via(verify=False), Via(proxy="http://p:1"), Via(ca=Path("a")), Via(certificate=Path("a"))),
        *(Via(key=Path("a")), Via(uds=Path("a")), Via(guard=AddressGuard())),
    ]
    again = [dataclasses.replace(via) for via in ways]
    assert len({*ways, *again}) == len(ways)
    assert [hash(via) for via in ways] == [hash(via) for via in again]
    assert hash(dataclasses.replace(ways[0], uds=Path("a"))) == hash(ways[6]) != hash(ways[0])
