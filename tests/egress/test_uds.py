"""Targets behind a unix socket: the URL names the host and the path, the socket is where the bytes go."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.egress.client import Http
from gateway.egress.via import Via
from gateway.errors import Retry, Unavailable
from gateway.runtime.clock import FrozenClock
from tests.patience import PATIENCE_S


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
    with pytest.raises(Retry, match="no such file or directory") as failed:
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
