"""The transport: httpx's requests in, httpx's responses out, the URL's bytes as they are, and a closed connection no failure."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import httpx
import pytest
from aiohttp.client_proto import ResponseHandler

from gateway.egress.answer_reader import AnswerReader
from gateway.egress.client import Http
from gateway.egress.exchange import TCPConnector
from gateway.egress.messages import headers_of
from gateway.egress.transport import Transport
from gateway.egress.via import Via
from gateway.errors import Refused, Retry
from gateway.testing.factories import delivery
from gateway.testing.server import Reply, ScriptedServer
from gateway.testing.sinks import _log
from plugins.sinks.forward import Forward
from tests.patience import PATIENCE_S

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
GONE = Reply(raw=b"")  # closes without a byte


def transport() -> Transport:
    return Transport(lambda **keeping: TCPConnector(**keeping))


@asynccontextmanager
async def httpx_client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=transport(), trust_env=False) as client:
        yield client


# --- a kept connection that the target had closed --------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
async def test_a_kept_connection_that_was_closed_is_no_failed_attempt(http: Http, method: str) -> None:
    async with ScriptedServer(Reply(body=b"1"), GONE, Reply(body=b"2")) as server:
        first = await http.request(method, server.url, content=b"body")
        second = await http.request(method, server.url, content=b"body", headers={"x-id": "a"})
        assert (first.body, second.body, first.resent, second.resent) == (b"1", b"2", False, True)
        assert [got.body for got in server.received] == [b"body"] * 3, "the whole body once more"
        assert [got.header("x-id") for got in server.received] == [None, "a", "a"]
        assert server.connections == 2


@pytest.mark.parametrize("reply", [b"H", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_a_request_that_got_a_byte_of_an_answer_is_never_sent_again(http: Http, reply: bytes) -> None:
    async with ScriptedServer(Reply(), Reply(raw=reply)) as server:
        await http.post(server.url, content=b"x")
        with pytest.raises(Retry) as failed:
            await http.post(server.url, content=b"x")
        assert len(server.received) == 2
    assert "fresh" not in failed.value.detail


@pytest.mark.parametrize("method", METHODS)
async def test_a_fresh_connection_that_is_closed_is_a_failed_attempt(http: Http, method: str) -> None:
    async with ScriptedServer(GONE) as server:
        with pytest.raises(Retry, match="closed the connection without an answer") as failed:
            await http.request(method, server.url)
        assert len(server.received) == 1
    assert "fresh" not in failed.value.detail


@pytest.mark.parametrize("method", METHODS)
async def test_it_is_sent_once_more_and_no_more_and_the_text_says_so(http: Http, method: str) -> None:
    async with ScriptedServer(Reply(), otherwise=GONE) as server:
        await http.request(method, server.url)
        with pytest.raises(
            Retry, match="closed a kept connection, and on a fresh one: closed the connection"
        ) as failed:
            await http.request(method, server.url)
        assert failed.value.service
        assert (len(server.received), server.connections) == (3, 2)


async def test_the_deadline_is_of_both_together(http: Http) -> None:
    async with ScriptedServer(Reply(), GONE, Reply(hang=True)) as server:
        await http.post(server.url, content=b"x")
        with pytest.raises(Retry, match=r"no complete answer .* within 0\.2 s"):
            await http.post(server.url, content=b"x", timeout=0.2)


async def test_many_connections_closed_at_once_are_each_made_anew(http: Http) -> None:
    async with ScriptedServer(*[Reply()] * 8, *[GONE] * 8) as server:
        await asyncio.gather(*(http.post(server.url, content=b"x") for _ in range(8)))
        answers = await asyncio.gather(*(http.post(server.url, content=b"x") for _ in range(8)))
        assert {answer.status for answer in answers} == {200}
        assert len(server.received) >= 16


async def test_a_forward_says_that_it_was_sent_again() -> None:
    http = Http(timeout=PATIENCE_S)
    async with ScriptedServer(Reply(), GONE, Reply()) as server:
        sink = Forward("f", Forward.Options.model_validate({"url": server.url}), http=http, log=_log([]))
        assert await sink.deliver(delivery()) == "HTTP 200"
        assert (
            await sink.deliver(delivery()) == "HTTP 200; a kept connection had been closed, sent again on a fresh one"
        )
    await http.close()


# --- the URL's bytes -------------------------------------------------------------------------------------------------------

TARGETS = [
    "/a%2Fb", "/a%2fb", "/a%252Fb", "/%7Euser", "/~user", "/a+b", "/a%20b", "/a//b", "/a;b=c", "/a:b@c", "/%E5%BD%95",
    "/a%2Eb", "/a%23b", "/a%3Fb", "/!$&'()*+,;=", "/x?sig=a%2Fb%3D%3D", "/x?sig=a/b+c==", "/x?a=%2B&b=+", "/x?q=%e5%bd%95",
    "/x?a=1&a=2&", "/x?X-Amz-Credential=A%2F20260101%2Fr%2Fs3&X-Amz-Signature=0f", "/x?a=b?c=d", "/x?a=%27&b='", "/x?%",
    "/x?a=%zz", "/x?a;b", "/x?q=a%26b%3Dc", "/path%5Bx%5D", "/x?sp=%2Ftriggers%2Fmanual%2Frun", "/", "/x?a=%25",
]  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
async def test_the_bytes_of_a_url_reach_the_wire_unchanged(http: Http, target: str) -> None:
    async with ScriptedServer() as server:
        await http.post(server.url + target, content=b"x")
        async with httpx_client() as client:
            await client.get(server.url + target)
        assert [got.target for got in server.received] == [target] * 2


# --- httpx's own ways ------------------------------------------------------------------------------------------------------


async def test_httpxs_client_works_over_the_transport() -> None:
    async with ScriptedServer(Reply(body=b'{"a":1}', headers=[("X-One", "1")]), otherwise=Reply(status=418)) as server:
        async with httpx_client() as client:
            response = await client.post(server.url + "/x", json={"b": 2}, headers={b"x-mine": "é".encode()})
            assert (response.status_code, response.json(), response.headers["x-one"]) == (200, {"a": 1}, "1")
            assert response.reason_phrase == "OK"
            assert (await client.get(server.url)).status_code == 418

            async def parts() -> AsyncIterator[bytes]:
                yield b"one"
                yield b"two"

            await client.put(server.url, content=parts())
        first, _, third = server.received
    assert (first.body, first.header("content-type"), first.header("x-mine")) == (b'{"b":2}', "application/json", "Ã©")
    assert (third.body, third.header("content-length"), third.header("transfer-encoding")) == (b"onetwo", "6", None)
    assert third.header("content-type") is None, "nothing goes out that the request does not have"


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (GONE, httpx.RemoteProtocolError),
        (Reply(raw=b"junk\r\n\r\n"), httpx.RemoteProtocolError),
        (Reply(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx"), httpx.ReadError),
        (Reply(hang=True), httpx.ReadTimeout),
    ],
    ids=["closed", "junk", "cut", "silent"],
)
async def test_what_fails_is_an_exception_of_httpx(reply: Reply, kind: type[Exception]) -> None:
    async with ScriptedServer(reply) as server, httpx_client() as client:
        with pytest.raises(kind) as failed:
            await client.get(server.url + "/S3CRET", timeout=0.2)
        assert "S3CRET" not in str(failed.value)


async def test_nobody_listening_is_a_connect_error_of_httpx() -> None:
    async with ScriptedServer() as server:
        url = server.url
    async with httpx_client() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(url)


async def test_a_transport_of_ones_own_sees_the_request_as_it_would_go_out() -> None:
    seen: list[httpx.Request] = []

    class Mine(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return httpx.Response(202, headers={"x-a": "b"}, text="taken")

    http = Http(transport=Mine())
    answer = await http.post("https://a.example/a%2Fb?c=%2F", json={"a": 1}, headers={"X-Id": "7"})
    [request] = seen
    assert (answer.status, answer.body, answer.headers["x-a"]) == (202, b"taken", "b")
    assert request.url.raw_path == b"/a%2Fb?c=%2F"
    assert (request.method, request.content, request.headers["x-id"]) == ("POST", b'{"a":1}', "7")
    assert request.headers["host"] == "a.example"
    await http.close()


async def test_a_broken_answer_in_the_body_is_a_retry_and_the_connection_is_closed(http: Http) -> None:
    cut = Reply(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
    async with ScriptedServer(cut, Reply(body=b"whole")) as server:
        with pytest.raises(Retry, match="ended too early"):
            await http.get(server.url)
        assert (await http.get(server.url)).body == b"whole"
        assert server.connections == 2


# --- what is written ourselves, on aiohttp's connections -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "headers"),
    [("POST", {"x-a": "1\r\nx-b: 2"}), ("POST", {"x-a": "1\n"}), ("POST", {"x-a": "\r"}), ("POST", {"x-a": "\0"}),
     ("POST", {"x\n": "1"}), ("GET /x HTTP/1.1\r\n", {}), ("GE T", {}), ("", {})],
)  # fmt: skip
async def test_nothing_in_a_request_can_begin_another_line(http: Http, method: str, headers: dict[str, str]) -> None:
    async with ScriptedServer() as server:
        with pytest.raises(Refused, match="cannot be sent"):
            await http.request(method, server.url, headers=headers)
        async with httpx_client() as client:
            raw = [(name.encode(), value.encode()) for name, value in headers.items()]
            with pytest.raises(httpx.TransportError):
                await client.send(httpx.Request(method, server.url, headers=raw))
        assert not server.received


async def test_a_user_in_the_url_is_sent_as_basic_credentials(http: Http) -> None:
    async with ScriptedServer() as server:
        await http.get(server.url.replace("http://", "http://a%40b:c@"))
        await http.get(server.url.replace("http://", "http://a:c@"), headers={"Authorization": "Bearer x"})
        assert [got.header("authorization") for got in server.received] == ["Basic YUBiOmM=", "Bearer x"]


async def test_a_proxy_gets_the_credentials_with_every_request_on_a_kept_connection(http: Http) -> None:
    async with ScriptedServer() as proxy:
        via = Via(proxy=proxy.url.replace("http://", "http://user:pw@"))
        for path in ("/a%2Fb?c", "/"):
            await http.post("http://target.invalid:81" + path, content=b"x", via=via)
        assert [got.target for got in proxy.received] == [
            "http://target.invalid:81/a%2Fb?c", "http://target.invalid:81/",
        ]  # fmt: skip
        assert [got.header("proxy-authorization") for got in proxy.received] == ["Basic dXNlcjpwdw=="] * 2
        assert proxy.connections == 1


async def test_an_answer_before_the_body_was_read_is_the_answer_and_the_connection_is_closed(http: Http) -> None:
    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        await ended.wait()
        writer.close()

    ended = asyncio.Event()
    server = await asyncio.start_server(early, "127.0.0.1", 0, limit=2**16)
    try:
        with pytest.raises(Refused) as failed:
            await http.post(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", content=b"x" * 2**25, timeout=5)
        assert failed.value.status == 413
    finally:
        ended.set()
        server.close()


async def test_headers_made_without_a_look_at_each_are_as_httpx_makes_them() -> None:
    raw = [(b"Content-Type", b"a/b"), (b"x-a", b"1"), (b"X-A", b"\xc3\xa9")]
    assert headers_of(raw) == httpx.Headers(raw)
    assert headers_of(raw).raw == httpx.Headers(raw).raw
    assert headers_of(raw).get_list("x-a") == httpx.Headers(raw).get_list("x-a")


async def test_the_inside_of_aiohttp_that_is_used_is_there() -> None:
    connector = TCPConnector()
    assert isinstance(connector._factory(), AnswerReader)
    assert set(inspect.signature(aiohttp.BaseConnector.connect).parameters) == {"self", "req", "traces", "timeout"}
    wanted = {"skip_payload", "read_until_eof", "auto_decompress", "read_timeout", "read_bufsize"}
    assert wanted <= set(inspect.signature(ResponseHandler.set_response_params).parameters)
    await connector.close()


async def test_what_goes_wrong_on_the_fresh_connection_is_what_is_said(http: Http) -> None:
    async with ScriptedServer(Reply(), GONE) as server:
        await http.post(server.url, content=b"x")
        server._server.close()  # nobody is let in any more, and who is in stays
        with pytest.raises(Retry, match="closed a kept connection, and on a fresh one: connection refused"):
            await http.post(server.url, content=b"x")
