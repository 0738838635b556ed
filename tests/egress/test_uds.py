"""Targets behind a unix socket: the URL names the host and the path, the socket is where the bytes go."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.egress.client import Http
from gateway.egress.via import Via
from gateway.errors import Retry, Unavailable
from gateway.runtime.clock import FrozenClock
from tests.egress.wire import saying
from tests.patience import PATIENCE_S

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    line, *rest = head.decode().split("\r\n")
    host = next(header for header in rest if header.lower().startswith("host:"))
    body = f"{line}|{host}".encode()
    writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
    await writer.drain()
    writer.close()


async def test_a_request_goes_through_the_socket_and_names_the_urls_host(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    server = await asyncio.start_unix_server(_answer, str(path))
    http = Http(clock=FrozenClock(), timeout=PATIENCE_S)
    try:
        answer = await http.get("http://app.internal/recordings?x=1", via=Via(uds=path))
        assert answer.body.lower() == b"get /recordings?x=1 http/1.1|host: app.internal"
    finally:
        await http.close()
        server.close()
        await server.wait_closed()


async def test_a_socket_that_is_not_there_is_a_retry_of_the_service(tmp_path: Path) -> None:
    http = Http(clock=FrozenClock(), timeout=PATIENCE_S)
    with pytest.raises(
        Retry, match=r"app.internal:80: the unix socket .*/gone\.sock: no such file or directory"
    ) as failed:
        await http.get("http://app.internal/", via=Via(uds=tmp_path / "gone.sock"))
    assert failed.value.service
    assert failed.value.after is None
    await http.close()


@pytest.mark.parametrize(
    ("url", "via"),
    [
        ("https://app.internal/", Via(uds=Path("/run/app.sock"))),
        ("http://app.internal/", Via(uds=Path("/run/app.sock"), proxy="http://127.0.0.1:1")),
    ],
)
async def test_tls_and_proxies_are_never_left_out_in_silence(url: str, via: Via) -> None:
    http = Http(clock=FrozenClock(), timeout=PATIENCE_S)
    with pytest.raises(Unavailable, match="plain http"):
        await http.get(url, via=via)
    await http.close()


@pytest.mark.parametrize("name", ["s" * 200, "a\0b"], ids=["too long", "with a NUL"])
async def test_a_path_that_no_address_holds_is_not_cut_to_one_that_another_socket_has(
    http: Http, tmp_path: Path, name: str
) -> None:
    cut = str(tmp_path / name)[: 107 if "\0" not in name else -2]
    async with saying([OK], path=Path(cut)) as other:
        with pytest.raises(Unavailable, match="at most 107 bytes and no NUL"):
            await http.post("http://app.internal/", content=b"x", via=Via(uds=tmp_path / name))
    assert other.connections == 0


async def test_a_socket_that_was_replaced_is_called_when_the_kept_connection_is_over(
    http: Http, tmp_path: Path
) -> None:
    path = tmp_path / "app.sock"
    via = Via(uds=path)
    async with saying([OK], [OK], [None], path=path) as old:
        await http.post("http://app.internal/", content=b"x", via=via)
        path.unlink()
        assert (await http.post("http://app.internal/", content=b"x", via=via)).status == 200, "who is there answers"
        async with saying([OK], path=path) as new:
            answer = await http.post("http://app.internal/", content=b"x", via=via)
        assert (answer.status, answer.resent, old.used, new.used) == (200, True, [1, 1, 1], [1])


async def test_a_socket_that_was_deleted_is_a_retry_when_the_kept_connection_is_over(
    http: Http, tmp_path: Path
) -> None:
    path = tmp_path / "app.sock"
    async with saying([OK], [None], path=path) as wire:
        await http.post("http://app.internal/", content=b"x", via=Via(uds=path))
        path.unlink()
        with pytest.raises(
            Retry, match=r"closed a kept connection, and on a fresh one: the unix socket .*: no such file"
        ) as failed:
            await http.post("http://app.internal/", content=b"x", via=Via(uds=path))
        assert failed.value.service
    assert wire.used == [1, 1]


@pytest.mark.parametrize("make", [os.mkfifo, Path.touch, Path.mkdir], ids=["a pipe", "a file", "a folder"])
async def test_what_is_no_socket_is_a_retry_and_not_waited_for(
    http: Http, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "app.sock")
    with pytest.raises(Retry, match="connection refused"):
        await http.post("http://app.internal/", content=b"x", via=Via(uds=tmp_path / "app.sock"))


async def test_the_same_url_over_two_sockets_and_without_one_has_connections_of_its_own(
    http: Http, tmp_path: Path
) -> None:
    async with (
        saying([OK], path=tmp_path / "a.sock") as first,
        saying([OK], path=tmp_path / "b.sock") as second,
        saying([OK]) as plain,
    ):
        for _ in range(2):
            for via in (Via(uds=tmp_path / "a.sock"), Via(uds=tmp_path / "b.sock"), Via()):
                await http.post(plain.url, content=b"x", via=via)
        assert [wire.used for wire in (first, second, plain)] == [[1, 1]] * 3
