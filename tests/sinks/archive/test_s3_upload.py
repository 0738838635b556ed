"""An upload in parts: remembered, asked for after a crash, and never sent twice."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from gateway import DeliveryFailed, Http, Retry, Unavailable
from gateway.testing import Reply, ScriptedServer
from plugins.sinks.archive.sink import open_storage
from plugins.sinks.storage import object_store
from plugins.sinks.storage.object_store import PART_BYTES_MIN
from plugins.sinks.storage.options import StorageOptions
from plugins.sinks.storage.storage import FileStorage, Resume
from tests.sinks.archive.conftest import place
from tests.sinks.archive.media_server import Media

SIZE = 3 * PART_BYTES_MIN + 1000


@pytest.fixture
def body(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(object_store, "RESUMED_BYTES_MIN", SIZE)
    path = tmp_path / "spooled"
    path.write_bytes(b"".join(Media(SIZE).pieces()))
    return path


def hash_of(body: Path) -> str:
    return sha256(body.read_bytes()).hexdigest()


def change(body: Path) -> None:
    body.write_bytes(b"".join(Media(SIZE, seed=9).pieces()))


class Memo:
    """What is kept, and after how many of our words the process ends."""

    def __init__(self, dies_after: int = 99) -> None:
        self.memo: dict[str, Any] = {}
        self.left = dies_after

    async def keep(self) -> None:
        return

    def sent(self, octets: int) -> None:
        if self.left == 0:
            raise RuntimeError("the process ends here")
        self.left -= 1


async def put(storage: FileStorage, body: Path, memo: Memo, http: Http) -> None:
    resume = Resume(http, memo.memo, memo.keep)
    await storage.put("a b/ü(1).mp4", body, media_type="video/mp4", sha256=hash_of(body), sent=memo.sent, resume=resume)


@pytest.fixture
async def http() -> Any:
    one = Http()
    yield one
    await one.close()


def kept(endpoint: str) -> FileStorage:
    return open_storage(StorageOptions.model_validate(place(endpoint)), extra="archive")


@pytest.mark.parametrize("parts", [0, 1, 3])
async def test_after_a_crash_only_what_is_missing_is_sent(
    parts: int, endpoint: str, bucket: Any, body: Path, http: Http
) -> None:
    memo = Memo(parts)
    with pytest.raises(RuntimeError):
        await put(kept(endpoint), body, memo, http)
    [begun] = bucket.multipart_uploads.all()
    assert list(bucket.objects.all()) == []
    there = {part.part_number: part.last_modified for part in begun.parts.all()}
    assert sorted(there) == list(range(1, parts + 2))
    memo.left = 99
    await put(kept(endpoint), body, memo, http)
    [found] = bucket.objects.all()
    got = found.get()
    assert (found.key, sha256(got["Body"].read()).hexdigest()) == (
        "live/a b/ü(1).mp4",
        hash_of(body),
    )
    assert (got["ContentType"], got["Metadata"]["sha256"]) == ("video/mp4", hash_of(body))
    assert (memo.memo, list(bucket.multipart_uploads.all())) == ({}, [])


@pytest.mark.parametrize("loss", ["aborted", "another file", "nonsense"])
async def test_an_upload_of_something_else_or_of_nobody_is_not_gone_on_with(
    loss: str, endpoint: str, bucket: Any, body: Path, http: Http
) -> None:
    memo = Memo(1)
    with pytest.raises(RuntimeError):
        await put(kept(endpoint), body, memo, http)
    if loss == "aborted":
        for begun in bucket.multipart_uploads.all():
            begun.abort()
    if loss == "another file":
        change(body)
    if loss == "nonsense":
        memo.memo |= {"id": "../x?y=1&", "of": memo.memo["of"]}
    memo.left = 99
    await put(kept(endpoint), body, memo, http)
    [found] = bucket.objects.all()
    assert sha256(found.get()["Body"].read()).hexdigest() == hash_of(body)


@pytest.mark.parametrize(
    ("reply", "failure", "text"),
    [
        (
            Reply(status=403, body=b"<Error><Code>AccessDenied</Code></Error>"),
            Unavailable,
            "does not let us in: AccessDen",
        ),
        (
            Reply(status=404, body=b"<Error><Code>NoSuchBucket</Code></Error>"),
            Unavailable,
            "is not there: NoSuchBucket",
        ),
        (Reply(status=404), Unavailable, "is not there"),
        (Reply(status=503, body=b"<Error><Code>SlowDown</Code></Error>"), Retry, "SlowDown"),
        (Reply(body=b"<html>"), Retry, "began no upload"),
    ],
)
async def test_what_the_store_answers_means_later_or_until_somebody_acts(
    reply: Reply, failure: type[DeliveryFailed], text: str, body: Path, http: Http
) -> None:
    async with ScriptedServer(otherwise=reply) as store:
        with pytest.raises(failure, match=text) as raised:
            await put(kept(store.url), body, Memo(), http)
    assert "canary" not in raised.value.detail


BEGUN = Reply(body=b"<X><UploadId>u&amp;1</UploadId></X>")
PART = Reply(headers=(("etag", '"e"'),))
NO_UPLOAD = Reply(status=404, body=b"<Error><Code>NoSuchUpload</Code></Error>")


async def test_a_bucket_that_begins_no_upload_is_not_there(body: Path, http: Http) -> None:
    async with ScriptedServer(otherwise=NO_UPLOAD) as store:
        with pytest.raises(Unavailable, match="s3://kept/live is not there"):
            await put(kept(store.url), body, Memo(), http)


async def test_an_upload_that_was_given_up_on_the_way_begins_anew(body: Path, http: Http) -> None:
    memo = Memo()
    async with ScriptedServer(BEGUN, PART, NO_UPLOAD) as store:
        with pytest.raises(Retry, match="has given up the upload; it begins anew"):
            await put(kept(store.url), body, memo, http)
    assert memo.memo == {}


async def test_a_part_without_its_etag_cannot_be_joined(body: Path, http: Http) -> None:
    async with ScriptedServer(BEGUN, Reply()) as store:
        with pytest.raises(Retry, match="gave part 1 no ETag"):
            await put(kept(store.url), body, Memo(), http)


async def test_an_upload_that_was_joined_unheard_is_not_sent_again(body: Path, http: Http) -> None:
    """Whether the object is there is for the caller to look at: an upload that is gone is gone for two reasons."""
    memo = Memo()
    async with ScriptedServer(BEGUN, PART, PART, PART, PART, NO_UPLOAD) as store:
        await put(kept(store.url), body, memo, http)
        assert len(store.received) == 6
    assert memo.memo == {}


async def test_parts_are_asked_for_page_by_page_and_one_of_another_length_is_sent_again(body: Path, http: Http) -> None:
    def listed(marker: str, *parts: tuple[int, int]) -> Reply:
        lines = [f'<Part><PartNumber>{n}</PartNumber><ETag>"{n}"</ETag><Size>{size}</Size></Part>' for n, size in parts]
        more = f"<IsTruncated>true</IsTruncated><NextPartNumberMarker>{marker}</NextPartNumberMarker>"
        return Reply(body=f"<X>{''.join(lines)}{more if marker else ''}</X>".encode())

    memo = Memo(0)
    pages = (listed("2", (1, PART_BYTES_MIN), (2, 7)), listed("2", (4, 1000)))  # the second page leads nowhere
    async with ScriptedServer(BEGUN, PART, *pages, PART, PART, Reply()) as store:
        with pytest.raises(RuntimeError):
            await put(kept(store.url), body, memo, http)
        memo.left = 99
        await put(kept(store.url), body, memo, http)
        queries = [got.target.partition("?")[2] for got in store.received]
    assert ["marker=0" in queries[2], "marker=2" in queries[3]] == [True, True]
    assert queries[4:6] == [f"partNumber={n}&uploadId=u%261" for n in (2, 3)]
    joined = store.received[6].body.decode()
    assert [f"<PartNumber>{n}</PartNumber><ETag>&quot;{n}&quot;" in joined.replace('"', "&quot;") for n in (1, 4)] == [
        True
    ] * 2


async def test_an_error_inside_a_200_joins_nothing(body: Path, http: Http) -> None:
    failed = Reply(body=b"<Error><Code>InternalError</Code></Error>")
    memo = Memo()
    async with ScriptedServer(BEGUN, PART, PART, PART, PART, failed) as store:
        with pytest.raises(Retry, match="did not join the parts: InternalError"):
            await put(kept(store.url), body, memo, http)
        asked = [(got.method, got.target.partition("?")[2]) for got in store.received]
        assert store.received[0].target.partition("?")[0] == "/kept/live/a%20b/%C3%BC%281%29.mp4"
    assert asked[0] == ("POST", "uploads=")
    assert asked[1:] == [*[("PUT", f"partNumber={n}&uploadId=u%261") for n in range(1, 5)], ("POST", "uploadId=u%261")]
    assert memo.memo["id"] == "u&1"
