"""What `gateway check --connect` says of a host and a port, of real servers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.egress.reach import reach, reach_url
from gateway.egress.tls import client_context
from gateway.errors import Unavailable
from tests.certificates import certificates
from tests.ports import free_port


@asynccontextmanager
async def speaking(line: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that says this to whoever comes."""

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(line)
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_target_that_greets_as_it_should_is_reached_and_another_is_not() -> None:
    async with speaking(b"220 mail\r\n") as port:
        assert f"127.0.0.1:{port}" in await reach("127.0.0.1", port, greeting=b"220")
        with pytest.raises(Unavailable, match=f"127.0.0.1:{port} does not greet with SSH: b'220 mail"):
            await reach("127.0.0.1", port, greeting=b"SSH")


async def test_nobody_and_one_without_tls_are_told_apart() -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        await reach_url(f"http://127.0.0.1:{free_port()}/x")
    async with speaking(b"220 mail\r\n") as port:
        with pytest.raises(Unavailable, match=f"no TLS with 127.0.0.1:{port}: "):
            await reach("127.0.0.1", port, tls=client_context())


async def test_a_certificate_nobody_vouches_for_is_refused_unless_it_is_not_verified(tmp_path: Path) -> None:
    certificates(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    async with speaking(b"", tls) as port:
        url = f"https://127.0.0.1:{port}/x"
        with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
            await reach_url(url)
        for options in ({"ca": tmp_path / "ca.pem"}, {"verify": False}):
            assert f"127.0.0.1:{port}" in await reach_url(url, **options)
