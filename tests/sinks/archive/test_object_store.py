"""An object store as the archive's storage: the same promises as a folder's, over moto's S3."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from gateway import DeliveryFailed, Refused, Retry, Trust, Unavailable
from gateway.testing import Reply, ScriptedServer, opened
from plugins.sinks.archive import Archive, ArchiveOptions, job
from plugins.sinks.archive.private_bucket import private_object
from plugins.sinks.archive.sink import open_storage
from plugins.sinks.storage.object_store import PART_BYTES_MIN, part_size
from plugins.sinks.storage.options import StorageOptions
from plugins.sinks.storage.storage import FileStorage
from tests.sinks.archive.conftest import HERE, KEYS, archive_in, archived, of, place
from tests.sinks.archive.media_server import Media, MediaServer


@pytest.fixture(params=["folder", "s3"])
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[FileStorage]:
    options: Mapping[str, Any] = {"to": str(tmp_path)}
    if request.param == "s3":
        request.getfixturevalue("bucket")
        options = place(request.getfixturevalue("endpoint"))
    one = open_storage(StorageOptions.model_validate(options), extra="archive")
    yield one
    await one.close()


async def pieces(total: int, failure: Exception | None = None) -> AsyncIterator[bytes]:
    for _ in range(total // 2**20):
        yield bytes(2**20)
    yield bytes(total % 2**20)
    if failure is not None:
        raise failure


@pytest.mark.parametrize("size", [0, 1, PART_BYTES_MIN, PART_BYTES_MIN + 1, 12_000_000])
@pytest.mark.parametrize("kind", ["bytes", "path", "pieces"])
async def test_what_is_put_is_there_whole_under_its_key(
    storage: FileStorage, kind: str, size: int, tmp_path: Path
) -> None:
    (tmp_path / ".spool").mkdir()
    path = tmp_path / ".spool/a"
    path.write_bytes(bytes(size))
    body: Any = {"bytes": bytes(size), "path": path, "pieces": pieces(size)}[kind]
    digest = sha256(bytes(size)).hexdigest()
    assert await storage.head("a%2Fb/ü c.mp4") is None
    await storage.put("a%2Fb/ü c.mp4", body, size=size, media_type="video/mp4", sha256=digest)
    there = await storage.head("a%2Fb/ü c.mp4", hashed=True)
    assert there is not None
    assert (there.size_bytes, there.sha256) == (size, digest)
    await storage.put("a%2Fb/ü c.mp4", b"other")
    there = await storage.head("a%2Fb/ü c.mp4")
    assert there is not None
    assert there.size_bytes == 5


async def test_whoever_counts_hears_of_every_byte_of_what_comes_in_pieces(storage: FileStorage) -> None:
    went: list[int] = []
    await storage.put("a/b", pieces(7_000_000), size=7_000_000, sent=went.append)
    assert sum(went) == 7_000_000


async def test_a_store_that_can_be_reached_says_where_it_is(
    storage: FileStorage, endpoint: str, tmp_path: Path
) -> None:
    assert await storage.reach() in (f"{tmp_path} can be written", f"{endpoint}/kept/live answers")


@pytest.mark.parametrize("failure", [Refused("no"), Retry("no"), Unavailable("no")], ids=["refused", "retry", "away"])
async def test_what_fails_on_the_way_leaves_nothing(storage: FileStorage, failure: DeliveryFailed) -> None:
    for size in (1, 12_000_000):
        with pytest.raises(type(failure), match="no"):
            await storage.put("a/b", pieces(size, failure))
        assert await storage.head("a/b") is None


async def test_a_part_that_was_not_joined_is_given_up(endpoint: str, bucket: Any) -> None:
    one = open_storage(StorageOptions.model_validate(place(endpoint)), extra="archive")
    with pytest.raises(Refused):
        await one.put("a", pieces(12_000_000, Refused("no")))
    assert list(bucket.multipart_uploads.all()) == []
    assert list(bucket.objects.all()) == []


@pytest.mark.parametrize("limit", ["20GiB", "0"], ids=["spooled", "straight"])
async def test_a_file_goes_into_the_bucket_and_the_same_again_is_no_second_one(
    limit: str, endpoint: str, bucket: Any, server: MediaServer, tmp_path: Path
) -> None:
    media = server.files["/a.mp4"] = Media(12_000_000, media_type="text/html")
    server.drop_after = [5_000_000]
    spool = {"folder": str(tmp_path / "spool"), "limit": limit}
    async with archive_in(endpoint, tmp_path, spool=spool) as sink:
        [file] = archived(await sink.deliver(of(server.url + "/a.mp4", size=12_000_000))).files
        assert file.archived is not None
        assert (file.archived.url, file.sha256) == (f"{endpoint}/kept/live/main/a.mp4", media.sha256)
        assert list((tmp_path / "spool").iterdir()) == []
        if limit != "0":
            [again] = archived(await sink.deliver(of(server.url + "/a.mp4"))).files
            assert again.archived == file.archived
    [there] = bucket.objects.all()
    assert there.key == "live/main/a.mp4"
    got = there.get()
    assert (sha256(got["Body"].read()).hexdigest(), got["ContentType"]) == (media.sha256, "video/mp4")


@pytest.mark.parametrize("limit", ["20GiB", "0"], ids=["spooled", "straight"])
async def test_a_file_of_the_wrong_size_is_not_there_where_the_options_say_so(
    limit: str, endpoint: str, bucket: Any, server: MediaServer, tmp_path: Path
) -> None:
    server.files["/a.mp4"] = Media(6_000_000)
    spool = {"folder": str(tmp_path / "spool"), "limit": limit}
    async with archive_in(endpoint, tmp_path, spool=spool, on_mismatch="fail") as sink:
        with pytest.raises(Refused, match="6000000 bytes came, and the callback says 7"):
            await sink.deliver(of(server.url + "/a.mp4", size=7))
    assert list(bucket.objects.all()) == []
    assert list((tmp_path / "spool").iterdir()) == []


async def test_without_a_spool_a_name_that_is_taken_is_passed_by_and_a_hundred_are_too_many(
    endpoint: str, bucket: Any, server: MediaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "NUMBERS_MAX", 2)
    server.files["/a.mp4"] = Media(1000)
    spool = {"folder": str(tmp_path / "spool"), "limit": "0"}
    async with archive_in(endpoint, tmp_path, spool=spool) as sink:
        for _ in range(2):
            archived(await sink.deliver(of(server.url + "/a.mp4")))
        with pytest.raises(Refused, match="other files have this name"):
            await sink.deliver(of(server.url + "/a.mp4"))
    assert sorted(one.key for one in bucket.objects.all()) == ["live/main/a-2.mp4", "live/main/a.mp4"]


async def test_without_a_spool_a_file_of_which_nobody_can_tell_the_rest_is_not_put_together(
    endpoint: str, bucket: Any, server: MediaServer, tmp_path: Path
) -> None:
    server.files["/a.mp4"] = Media(6_000_000, etag=None)
    server.drop_after = [10**9, 1_000_000]  # the first is given up, because the spool has no room
    spool = {"folder": str(tmp_path / "spool"), "limit": "0"}
    async with archive_in(endpoint, tmp_path, spool=spool) as sink:
        with pytest.raises(Retry, match=r"main/a\.mp4: the file changed while it was copied"):
            await sink.deliver(of(server.url + "/a.mp4"))
        assert list(bucket.objects.all()) == []
        [file] = archived(await sink.deliver(of(server.url + "/a.mp4"))).files
    assert file.sha256 == server.files["/a.mp4"].sha256


@pytest.mark.parametrize(
    ("trust", "path", "read"),
    [
        (Trust.FIELDS, "/vendor/live/a.mp4", True),
        (Trust.FIELDS, "/vendor/live/a.mp4?Expires=1&Signature=x", True),
        (Trust.BODY, "/vendor/live/%61.mp4", True),
        (Trust.TIMESTAMP, "/vendor/live/a.mp4", False),
        (Trust.FIELDS, "/vendor/private/a.mp4", False),
        (Trust.FIELDS, "/vendor/live/../private/a.mp4", False),
        (Trust.FIELDS, "/vendor/live/%2e%2e/private/a.mp4", False),
        (Trust.FIELDS, "/vendor/live/%252e%252e/a.mp4", False),
        (Trust.FIELDS, "/vendor/live//a.mp4", False),
        (Trust.FIELDS, "/kept/live/a.mp4", False),
        (Trust.FIELDS, "/vendor/live", False),
    ],
)
async def test_private_objects_are_read_only_below_the_listed_prefix_and_for_a_signed_address(
    trust: Trust, path: str, read: bool, tmp_path: Path
) -> None:
    async with ScriptedServer(otherwise=Reply(body=b"film")) as vendor:
        private = {"endpoint": vendor.url, "bucket": "vendor", "prefix": "live/", "path_style": True, **KEYS}
        options = {"to": str(tmp_path), "allow": HERE, "key": "{name}", "private": [private], "min_trust": "none"}
        async with opened(Archive, options) as sink:
            await sink.deliver(of(vendor.url + path, trust=trust))
        [got] = vendor.received
    assert ("X-Amz-Signature=" in got.target) is read
    assert ("Signature=x" in got.target) is False or not read
    assert "SK-canary" not in str(got)


async def test_nothing_of_the_environment_changes_where_or_as_whom_it_writes(
    endpoint: str, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library would take an endpoint, a token and a proxy from there."""
    nowhere = "http://127.0.0.1:1"
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, nowhere)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "another")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    one = open_storage(StorageOptions.model_validate(place(endpoint)), extra="archive")
    await one.put("a", b"x")
    assert [there.key for there in bucket.objects.all()] == ["live/a"]
    async with ScriptedServer(otherwise=Reply(headers=(("etag", '"1"'),))) as store:
        await open_storage(StorageOptions.model_validate(place(store.url)), extra="archive").put("a", b"x")
    [got] = store.received
    assert (got.header("x-amz-security-token"), got.header("x-amz-request-payer")) == (None, None)
    assert "AK-canary-0123456789" in (got.header("authorization") or "")


def test_a_large_body_has_parts_that_are_few_enough() -> None:
    for size in (None, 0, 10**9, 50 * 2**30, 5 * 2**40):
        assert part_size(size) >= PART_BYTES_MIN
        assert (size or 0) <= part_size(size) * 10_000


OBS = "https://obs.cn-north-4.myhuaweicloud.com"


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://vendor.obs.cn-north-4.myhuaweicloud.com/live/a%20b.mp4?Signature=x", "live/a b.mp4"),
        ("https://VENDOR.obs.cn-north-4.myhuaweicloud.com:443/live/a.mp4", "live/a.mp4"),
        ("https://obs.cn-north-4.myhuaweicloud.com/vendor/live/a.mp4", "live/a.mp4"),
        ("http://vendor.obs.cn-north-4.myhuaweicloud.com/live/a.mp4", None),
        ("https://vendor.obs.cn-north-4.myhuaweicloud.com:8443/live/a.mp4", None),
        ("https://vendor.obs.cn-north-4.myhuaweicloud.com.evil.example/live/a.mp4", None),
        ("https://evil@vendor.obs.cn-north-4.myhuaweicloud.com/live/a.mp4", None),
        ("https://evil.example/vendor.obs.cn-north-4.myhuaweicloud.com/live/a.mp4", None),
        ("https://other.obs.cn-north-4.myhuaweicloud.com/live/a.mp4", None),
        ("https://vendor.obs.cn-north-4.myhuaweicloud.com/live/..%2fprivate/a.mp4", None),
        ("https://vendor.obs.cn-north-4.myhuaweicloud.com/live/%00a.mp4", None),
        ("https://vendor.obs.cn-north-4.myhuaweicloud.com/live/a\\..\\b.mp4", None),
        ("https://vendor.obs.cn-north-4.myhuaweicloud.com:x/live/a.mp4", None),
        ("https://[vendor/live/a.mp4", None),
    ],
)
def test_a_private_object_is_what_the_address_names_and_nothing_like_it(url: str, key: str | None) -> None:
    read = {"endpoint": OBS, "bucket": "vendor", "prefix": "live/", **KEYS}
    options = ArchiveOptions.model_validate({"to": "kept", "private": [read]})
    named = private_object(url, Trust.FIELDS, options.private)
    assert (None if named is None else named[1]) == key


@pytest.mark.parametrize(
    ("options", "target", "signed"),
    [
        ({"to": "az://box/p", "credentials": {"account": "acc", "account_key": "QUtjYW5hcnk="}}, "/box/p/a", "SharedKey acc:"),
        ({"to": "az://box", "credentials": {"account": "acc", "sas": "?sv=1&sig=x"}}, "/box/a?sv=1&sig=x", None),
    ],
    ids=["by key", "by signature"],
)  # fmt: skip
async def test_azure_is_asked_as_the_options_say_and_not_as_the_environment(
    options: Mapping[str, Any], target: str, signed: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AZURE_STORAGE_ENDPOINT", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("AZURE_STORAGE_USE_EMULATOR", "AZURE_SKIP_SIGNATURE"):
        monkeypatch.setenv(name, "true")
    monkeypatch.setenv("AZURE_STORAGE_TOKEN", "another")
    written = Reply(status=201, headers=(("etag", '"1"'),))
    async with ScriptedServer(otherwise=written) as store:
        read = StorageOptions.model_validate({**options, "endpoint": store.url})
        one = open_storage(read, extra="archive")
        await one.put("a", b"x")
        await one.close()
    [got] = store.received
    assert (got.target, got.body) == (target, b"x")
    assert (got.header("authorization") or "").startswith(signed or "")
    assert "another" not in str(got.headers)
