"""Object stores that are none, keep a part, or show a certificate that is not accepted: said in words, and never refused for ever."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest

from gateway import Done, Retry, Unavailable
from gateway.testing import Reply, ScriptedServer
from plugins.sinks.archive.sink import open_storage
from plugins.sinks.storage.options import StorageOptions
from tests.certificates import certificates
from tests.sinks.archive.conftest import archive_in, of, place
from tests.sinks.archive.media_server import Media, MediaServer

DATED = "last-modified: Sat, 01 Jan 2022 00:00:00 GMT"


async def test_a_page_that_is_there_for_every_name_is_no_object_store(server: MediaServer, tmp_path: Path) -> None:
    """Else a hundred names count as taken, and the delivery is refused."""
    server.files["/a.mp4"] = Media(1000)
    page = Reply(body=b"<html>Log in to the network</html>", headers=(("content-type", "text/html"),))
    async with ScriptedServer(otherwise=page) as portal, archive_in(portal.url, tmp_path) as sink:
        with pytest.raises(Unavailable, match="gives no ETag, so it is no object store: see `endpoint`"):
            await sink.deliver(of(server.url + "/a.mp4"))
        assert len(portal.received) == 1


async def test_an_object_of_which_the_store_kept_a_part_is_put_again_under_its_name(
    server: MediaServer, tmp_path: Path
) -> None:
    server.files["/a.mp4"] = Media(1000)
    part = 'HTTP/1.1 200 OK\r\ncontent-length: {}\r\netag: "1"\r\n' + DATED + "\r\nx-amz-meta-sha256: {}\r\n\r\n"
    sha256 = Media(1000).sha256
    short, whole = (Reply(raw=part.format(size, sha256).encode()) for size in (999, 1000))
    none, put = Reply(status=404), Reply(headers=(("etag", '"1"'),))
    async with (
        ScriptedServer(none, put, short, short, short, short, put, whole) as store,
        archive_in(store.url, tmp_path) as sink,
    ):
        delivery = of(server.url + "/a.mp4")
        with pytest.raises(Retry, match="has 999 bytes after 1000 were written") as raised:
            await sink.deliver(delivery)
        assert isinstance(await sink.deliver(delivery.replace(memo=raised.value.memo)), Done)
    assert {got.target for got in store.received} == {"/kept/live/main/a.mp4"}
    assert [got.method for got in store.received].count("PUT") == 2


@pytest.mark.parametrize(
    ("shown", "authority", "text"),
    [
        ({"ends": -1}, ".", "it has expired"),
        ({"host": "127.0.0.2"}, ".", "it is for another name"),
        ({}, "another", "another authority than that of `ca` signed it"),
        ({}, None, "its authority is not known here; name it in `ca`"),
    ],
    ids=["expired", "another name", "another authority", "unknown authority"],
)
async def test_a_certificate_that_is_not_accepted_says_why(
    shown: dict[str, Any], authority: str | None, text: str, tmp_path: Path
) -> None:
    certificates(tmp_path, separate=True, **shown)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    (tmp_path / "another").mkdir()
    certificates(tmp_path / "another", separate=True)
    async with ScriptedServer(tls=tls) as store:
        given = {**place(store.url), "ca": None if authority is None else str(tmp_path / authority / "ca.pem")}
        with pytest.raises(Retry, match=f"TLS certificate is not accepted: {text}") as raised:
            await open_storage(StorageOptions.model_validate(given), extra="archive").reach()
    assert store.url not in raised.value.detail


async def test_a_store_that_does_not_speak_tls_is_told_of_as_such() -> None:
    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as store:
        given = place(f"https://127.0.0.1:{store.sockets[0].getsockname()[1]}")
        with pytest.raises(Retry, match=r"\(what answers there does not speak TLS\)"):
            await open_storage(StorageOptions.model_validate(given), extra="archive").reach()
