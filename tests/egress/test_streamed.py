"""An answer that is read in pieces: bounded in time and never held, and under the same rules as any other."""

from __future__ import annotations

import pytest

from gateway.egress.client import Http
from gateway.egress.guard import AddressGuard
from gateway.egress.via import Via
from gateway.errors import DeliveryFailed, Refused, Retry
from gateway.testing.server import Reply, ScriptedServer


async def whole(http: Http, url: str, silence: float = 5.0, **rest: object) -> tuple[int, bytes]:
    async with http.stream("GET", url, silence=silence, **rest) as answer:  # type: ignore[arg-type]
        return answer.status, b"".join([piece async for piece in answer.chunks()])


async def test_pieces_are_the_body_and_the_connection_is_used_again(http: Http) -> None:
    body = bytes(range(256)) * 4000
    async with ScriptedServer(otherwise=Reply(body=body)) as server:
        for _ in range(2):
            assert await whole(http, server.url + "/a?b=c") == (200, body)
        assert server.connections == 1
    assert server.received[0].header("accept-encoding") == "identity"


async def test_whoever_reads_no_further_leaves_the_rest_on_the_way(http: Http) -> None:
    async with ScriptedServer(otherwise=Reply(body=b"x" * 3_000_000)) as server:
        async with http.stream("GET", server.url) as answer:
            async for piece in answer.chunks():
                assert len(piece) < 2**20
                break
        assert await whole(http, server.url) == (200, b"x" * 3_000_000)
        assert server.connections == 2  # the first was closed


async def test_no_status_is_judged_and_no_redirect_followed(http: Http) -> None:
    moved = Reply(status=302, headers=(("location", "http://127.0.0.1:1/"),), body=b"elsewhere")
    async with ScriptedServer(moved) as server, http.stream("GET", server.url) as answer:
        said = await answer.answer(4)
    assert (said.status, said.body, said.truncated) == (302, b"else", True)


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (Reply(hang=True), "no answer from .* within 0.2 s"),
        (Reply(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nno"), "ended too early|sent nothing"),
        (Reply(raw=b"nonsense\r\n\r\n"), "not HTTP"),
    ],
)
async def test_silence_and_nonsense_are_tried_again(reply: Reply, text: str, http: Http) -> None:
    async with ScriptedServer(reply) as server:
        with pytest.raises(Retry, match=text):
            await whole(http, server.url, 0.2, timeout=0.2)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/", "http://0x7f.1/", "ftp://example.com/", "http://a@example.com/"]
)
async def test_the_guard_judges_before_anything_is_called(url: str, http: Http) -> None:
    with pytest.raises(Refused):
        await whole(http, url, via=Via(guard=AddressGuard()))


async def test_no_error_shows_a_path_or_a_query(http: Http) -> None:
    with pytest.raises(DeliveryFailed) as raised:
        await whole(http, "http://127.0.0.1:1/secret-path?token=canary")
    assert "secret-path" not in raised.value.detail
    assert "canary" not in raised.value.detail
