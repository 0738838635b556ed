"""Object stores that nobody can reach, read or trust: what is wrong is said in words, and is the whole store's trouble."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway import DeliveryFailed, Refused, Retry, Unavailable
from gateway.testing import Reply, ScriptedServer, opened
from plugins.sinks.archive import Archive
from plugins.sinks.archive.sink import open_storage
from plugins.sinks.storage.options import StorageOptions
from plugins.sinks.storage.shared_object import SharedObjects
from tests.certificates import certificates
from tests.patience import PATIENCE_S
from tests.ports import free_port
from tests.sinks.archive.conftest import KEYS, archive_in, of, place
from tests.sinks.archive.media_server import Media, MediaServer

HEAD = 'HTTP/1.1 200 OK\r\ncontent-length: 7\r\netag: "1"\r\nlast-modified: Sat, 01 Jan 2022 00:00:00 GMT\r\n\r\n'


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Reply(status=404), "is not there after 1000 were written"),
        (Reply(raw=HEAD.encode()), "has 7 bytes after 1000 were written"),
    ],
    ids=["gone", "shorter"],
)
async def test_an_object_that_is_not_as_it_was_put_is_not_told_as_kept(
    found: Reply, text: str, server: MediaServer, tmp_path: Path
) -> None:
    server.files["/a.mp4"] = Media(1000)
    async with ScriptedServer(Reply(status=404), Reply(headers=(("etag", '"1"'),)), found) as store:
        async with archive_in(store.url, tmp_path) as sink:
            with pytest.raises(Retry, match=text):
                await sink.deliver(of(server.url + "/a.mp4"))
        assert [got.method for got in store.received] == ["HEAD", "PUT", "HEAD"]


@pytest.mark.parametrize(
    ("reply", "failure", "text"),
    [
        (Reply(status=403, body=b"<Error><Code>AccessDenied</Code></Error>"), Unavailable, "does not let us in"),
        (Reply(status=404, body=b"<Error><Code>NoSuchBucket</Code></Error>"), Unavailable, "is not there"),
        (Reply(status=500), Retry, "500"),
        (Reply(raw=b"no HTTP"), Retry, "PUT: "),
    ],
)
async def test_what_an_object_store_answers_means_later_or_until_somebody_acts(
    reply: Reply, failure: type[DeliveryFailed], text: str
) -> None:
    async with ScriptedServer(otherwise=reply) as store:
        one = open_storage(StorageOptions.model_validate(place(store.url)), extra="archive")
        with pytest.raises(failure, match=text) as raised:
            await asyncio.wait_for(one.put("a?b", b"x"), PATIENCE_S)
        if reply.status != 404:  # there, nothing lies under this key
            with pytest.raises(failure):
                await asyncio.wait_for(one.head("a?b"), PATIENCE_S)
    assert store.url not in raised.value.detail
    assert "canary" not in raised.value.detail


async def test_a_store_that_nobody_answers_for_is_said_in_the_words_of_the_system() -> None:
    one = open_storage(StorageOptions.model_validate(place(f"http://127.0.0.1:{free_port()}")), extra="archive")
    with pytest.raises(Retry, match=r"s3://kept/live: .*\(connection refused\)"):
        await one.reach()


async def test_a_key_that_no_store_can_hold_is_refused(endpoint: str) -> None:
    one = open_storage(StorageOptions.model_validate(place(endpoint)), extra="archive")
    with pytest.raises(Refused, match="s3://kept/live cannot hold this key"):
        await one.put("a//b", b"x")


@pytest.mark.parametrize(
    ("content", "text"), [(None, "No such file"), ("x", "No certificates found")], ids=["not there", "no certificate"]
)
async def test_an_authority_that_cannot_be_read_is_the_whole_stores_trouble(
    content: str | None, text: str, tmp_path: Path
) -> None:
    authority = tmp_path / "ca.pem"
    if content is not None:
        authority.write_text(content)
    read = StorageOptions.model_validate({**place("https://127.0.0.1:1"), "ca": str(authority)})
    one = open_storage(read, extra="archive")
    for act in (one.reach, lambda: one.put("a", b"x")):
        with pytest.raises(Unavailable, match=text):
            await act()


async def test_a_service_account_that_cannot_be_read_is_said_without_what_stands_in_it(tmp_path: Path) -> None:
    account = tmp_path / "account.json"
    account.write_text('{"private_key": "canary"}')
    read = StorageOptions.model_validate({"to": "gs://bucket", "credentials": {"service_account": str(account)}})
    with pytest.raises(Unavailable, match=r"gs://bucket: .*service account") as raised:
        await open_storage(read, extra="archive").reach()
    assert "canary" not in raised.value.detail


async def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    (file := tmp_path / "file").write_text("x")
    for options in ({**place("https://127.0.0.1:1"), "ca": str(file)},
                    {"to": "gs://bucket", "credentials": {"service_account": str(file)}}):  # fmt: skip
        one = open_storage(StorageOptions.model_validate(options), extra="archive")
        file.unlink()
        os.mkfifo(file)
        with pytest.raises(Unavailable, match="no regular file, but a named pipe"):
            await one.reach()
        file.unlink()
        file.write_text("x")


async def test_an_authority_and_a_proxy_of_the_options_are_used(tmp_path: Path) -> None:
    certificates(tmp_path, separate=True)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    written = Reply(headers=(("etag", '"1"'),))
    async with ScriptedServer(otherwise=written, tls=tls) as store, ScriptedServer(otherwise=written) as proxy:
        behind = {**place("http://store.internal:9000"), "proxy": f"http://me:canary@127.0.0.1:{proxy.port}"}
        for options in ({**place(store.url), "ca": str(tmp_path / "ca.pem")}, behind):
            await open_storage(StorageOptions.model_validate(options), extra="archive").put("a", b"x")
    assert [got.target for got in store.received] == ["/kept/live/a"]
    [got] = proxy.received
    assert got.target == "http://store.internal:9000/kept/live/a"
    assert got.header("proxy-authorization") == "Basic bWU6Y2FuYXJ5"


async def test_without_the_library_the_storage_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("obstore", "obstore.store"):
        monkeypatch.setitem(sys.modules, name, None)
    one = SharedObjects(StorageOptions.model_validate(place("http://127.0.0.1:1")), "archive")
    private = {"endpoint": "https://obs.example.com", "bucket": "vendor", "prefix": "live/", **KEYS}
    sink = opened(Archive, {"to": str(tmp_path), "private": [private]})
    video = of("https://vendor.obs.example.com/live/a.mp4")
    acts: list[Callable[[], Awaitable[object]]] = [
        one.reach,
        lambda: one.put("a", b"x"),
        lambda: one.fetch("a", 9),
        lambda: one.replace("a", b"x", None),
    ]
    for act in acts:
        with pytest.raises(Unavailable, match=r"object stores need obstore: .*'\.\[archive\]'"):
            await act()
    async with sink as archiving:
        with pytest.raises(Unavailable, match="object stores need obstore"):
            await archiving.deliver(video)
