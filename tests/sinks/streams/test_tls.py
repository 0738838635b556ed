"""TLS to brokers: checked, with an authority and a certificate of the operator's, and never left out in silence."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import DeliveryFailed, Unavailable
from gateway.testing import delivery, event, opened
from tests.cable import Cable
from tests.certificates import certificates
from tests.ports import free_port
from tests.sinks.streams.brokers import BROKERS, Broker

# NATS begins in clear, and so cannot stand behind an encrypted end of a cable.
ENCRYPTED = [kind for kind in BROKERS if kind != "nats"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    certificates(folder)
    return folder


@pytest.fixture
def cable(broker: Broker, folder: Path) -> Iterator[Cable]:
    """Wants a certificate of the client's too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    with Cable(("127.0.0.1", broker.port), tls=context, named=broker.named) as cable:
        yield cable


@pytest.mark.parametrize("broker", ENCRYPTED, indirect=True)
async def test_events_go_encrypted_to_whom_the_authority_knows(broker: Broker, cable: Cable, folder: Path) -> None:
    files = {"certificate": str(folder / "cert.pem"), "key": str(folder / "key.pem")}
    options = broker.options(**broker.encrypted(cable.port))
    async with opened(broker.sink, {**options, **files, "ca": str(folder / "ca.pem")}) as sink:
        await sink.deliver(delivery(event()))
    async with opened(broker.sink, {**options, **files}) as sink:
        with pytest.raises(Unavailable, match="certificate is not accepted"):
            await sink.deliver(delivery(event()))
    assert len(await broker.read()) == 1


async def test_a_pipe_that_takes_the_place_of_a_file_of_redis_does_not_hold_up_the_loop(
    folder: Path, tmp_path: Path
) -> None:
    """Its library reads the files for each connection anew."""
    broker = BROKERS["redis"]()
    file = tmp_path / "ca.pem"
    file.write_bytes((folder / "ca.pem").read_bytes())
    async with opened(broker.sink, {**broker.options(**broker.encrypted(free_port())), "ca": str(file)}) as sink:
        file.unlink()
        os.mkfifo(file)
        with pytest.raises(DeliveryFailed, match="`ca` is no regular file, but a named pipe"):
            await sink.deliver(delivery(event()))


@pytest.mark.parametrize("kind", BROKERS)
async def test_files_that_cannot_be_used_are_said_before_anything_is_sent(kind: str, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    broker = BROKERS[kind]()
    for name in ("ca.pem", "gone.pem"):
        with pytest.raises(Unavailable, match="`ca`, `certificate` or `key` cannot be used"):
            async with opened(broker.sink, broker.options(**broker.far(secure=True), ca=str(tmp_path / name))):
                pass


async def test_a_server_that_speaks_no_tls_hears_nothing_of_a_password() -> None:
    """NATS begins in clear and says itself whether TLS follows, so that anybody on the way could say no."""
    heard = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x","version":"2.9.10","max_payload":1048576}\r\n')
        heard.extend(await reader.read())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sink_type = BROKERS["nats"].sink
    options = {"url": f"tls://127.0.0.1:{port}", "username": "u", "password": "canary-0123456789"}
    async with server, opened(sink_type, options) as sink:
        with pytest.raises(Unavailable, match="does not speak TLS"):
            await sink.deliver(delivery(event()))
    assert bytes(heard) == b""
