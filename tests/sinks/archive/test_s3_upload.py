"""An upload in parts: remembered, asked for after a crash, and never sent twice."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from gateway import DeliveryFailed, Http, Retry, Unavailable
from gateway.testing import Reply, ScriptedServer
from plugins.sinks.storage import object_store
from plugins.sinks.storage.object_store import PART_BYTES_MIN
from plugins.sinks.storage.open import open_storage
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


async def test_an_error_inside_a_200_joins_nothing(body: Path, http: Http) -> None:
    begun = Reply(body=b"<X><UploadId>u&amp;1</UploadId></X>")
    part = Reply(headers=(("etag", '"e"'),))
    failed = Reply(body=b"<Error><Code>InternalError</Code></Error>")
    memo = Memo()
    async with ScriptedServer(begun, part, part, part, part, failed) as store:
        with pytest.raises(Retry, match="did not join the parts: InternalError"):
            await put(kept(store.url), body, memo, http)
        asked = [(got.method, got.target.partition("?")[2]) for got in store.received]
        assert store.received[0].target.partition("?")[0] == "/kept/live/a%20b/%C3%BC%281%29.mp4"
    assert asked[0] == ("POST", "uploads=")
    assert asked[1:] == [*[("PUT", f"partNumber={n}&uploadId=u%261") for n in range(1, 5)], ("POST", "uploadId=u%261")]
    assert memo.memo["id"] == "u&1"
