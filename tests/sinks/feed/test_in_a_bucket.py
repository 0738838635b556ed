"""A feed in an object store: the same promises, and several gateways that change it by comparing versions."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from gateway import Retry, Unavailable
from gateway.testing import FrozenClock, Reply, ScriptedServer, opened
from plugins.sinks.feed import Feed, FeedOptions
from plugins.sinks.feed.place import TURNS_MAX, FeedBucket, Written
from plugins.sinks.storage.options import StorageOptions
from plugins.sinks.storage.shared_object import SharedObjects, VersionedBytes
from tests.sinks.feed.feeds import USUAL, finished
from tests.sinks.feed.test_erasing import gone

KEYS = {"access_key": "AKIDEXAMPLE0", "secret_key": "a-secret-of-a-store-for-tests-00"}
REST = {name: value for name, value in USUAL.items() if name != "public"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    moto_server = pytest.importorskip("moto.server", reason="moto is not installed here")
    from moto.s3.responses import S3Response

    put, alone = S3Response.put_object, threading.Lock()

    def put_alone(self: Any) -> Any:
        """Compares and writes in one step, as a store does."""
        with alone:
            return put(self)

    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(S3Response, "put_object", put_alone)
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, request: pytest.FixtureRequest) -> Any:
    boto3 = pytest.importorskip("boto3")
    resource = boto3.resource(
        "s3", endpoint_url=endpoint, region_name="us-east-1",
        aws_access_key_id=KEYS["access_key"], aws_secret_access_key=KEYS["secret_key"],
    )  # fmt: skip
    made = resource.Bucket(request.node.name.replace("_", "-")[:60])
    made.create()
    return made


def feeding(bucket: Any, endpoint: str, **options: Any) -> AbstractAsyncContextManager[Feed]:
    there = {"to": f"s3://{bucket.name}/pod", "endpoint": endpoint, "path_style": True, "credentials": KEYS}
    return opened(Feed, {**there, **REST, **options}, name="pod", clock=FrozenClock())


def content(bucket: Any, name: str) -> Any:
    return bucket.Object(f"pod/{name}").get()


def streams(bucket: Any) -> list[str]:
    titles = [item["title"] for item in json.loads(content(bucket, "feed.json")["Body"].read())["items"]]
    return [title.partition(" ")[0].partition("/")[2] for title in titles]


async def test_it_lies_there_with_its_media_types_and_an_event_twice_is_one_item(bucket: Any, endpoint: str) -> None:
    for _ in range(2):
        async with feeding(bucket, endpoint) as sink:
            assert await sink.deliver_batch([finished(1), finished(2), finished(1)]) == ["listed"] * 3
            assert (await sink.connect() or "").endswith("answers")
    assert streams(bucket) == ["s2", "s1"]
    kinds = {name: content(bucket, name)["ContentType"] for name in ("feed.xml", "feed.json")}
    assert kinds == {"feed.xml": "application/rss+xml", "feed.json": "application/feed+json"}


async def test_several_gateways_lose_nothing_of_each_other_and_what_is_erased_stays_out(
    bucket: Any, endpoint: str
) -> None:
    async with (
        feeding(bucket, endpoint) as first,
        feeding(bucket, endpoint) as second,
        feeding(bucket, endpoint) as third,
    ):
        sinks = (first, second, third)
        await asyncio.gather(
            *[sinks[number % 3].deliver(finished(number)) for number in range(9)],
            first.erased([gone(finished(4).event.ref, seconds=60)]),
        )
        expected = [f"s{number}" for number in range(8, -1, -1) if number != 4]
        assert streams(bucket) == expected
        assert await second.deliver(finished(4)) == "left out: erased meanwhile"


async def test_a_feed_that_a_crash_left_behind_its_state_is_made_again(bucket: Any, endpoint: str) -> None:
    async with feeding(bucket, endpoint) as sink:
        await sink.deliver(finished(1))
    bucket.Object("pod/feed.json").put(Body=b"{}")
    async with feeding(bucket, endpoint):
        assert streams(bucket) == ["s1"]
    bucket.Object("pod/.feed-state.json").put(Body=b"{")
    with pytest.raises(Unavailable, match="is damaged or of a newer program"):
        async with feeding(bucket, endpoint):
            pass


async def test_where_others_change_the_feed_all_the_time_it_is_tried_later(bucket: Any, endpoint: str) -> None:
    place, calls = FeedBucket(shared(bucket, endpoint), "pod"), list[bytes | None]()

    def make(state: bytes | None) -> Written:
        calls.append(state)
        bucket.Object(".pod-state.json").put(Body=b"%d" % len(calls))  # another gateway, while we made ours
        return Written(b"ours", {"pod.xml": b"ours"})

    with pytest.raises(Retry, match="others change the feed all the time"):
        await place.change(make)
    assert calls == [None, *[b"%d" % number for number in range(1, TURNS_MAX)]]
    assert [one.key for one in bucket.objects.all()] == [".pod-state.json"]  # nothing that is older stands over theirs
    await place.close()


def shared(bucket: Any, endpoint: str) -> SharedObjects:
    there = {"to": f"s3://{bucket.name}", "endpoint": endpoint, "path_style": True, "credentials": KEYS}
    return SharedObjects(StorageOptions.model_validate(there), "archive")


async def test_what_was_deleted_or_changed_since_it_was_read_is_not_written_over(bucket: Any, endpoint: str) -> None:
    objects, other = shared(bucket, endpoint), shared(bucket, endpoint)
    assert await objects.fetch("a", 9) is None
    assert await objects.replace("a", b"one", None)
    assert not await other.replace("a", b"another", None)
    read = await objects.fetch("a", 9)
    assert read is not None
    assert read.data == b"one"
    assert await other.replace("a", b"two", read)
    assert not await objects.replace("a", b"three", read)
    assert bucket.Object("a").get()["Body"].read() == b"two"
    bucket.Object("a").delete()
    assert not await objects.replace("a", b"three", read)
    assert await objects.fetch("a", 9) is None


async def test_a_state_that_is_longer_than_any_is_not_read(bucket: Any, endpoint: str) -> None:
    bucket.Object("a").put(Body=b"0123456789")
    with pytest.raises(Unavailable, match="a is longer than 9 bytes"):
        await shared(bucket, endpoint).fetch("a", 9)


async def test_a_store_that_lets_nobody_in_is_the_whole_feeds_trouble(bucket: Any) -> None:
    async with ScriptedServer(otherwise=Reply(status=403, body=b"<Error><Code>AccessDenied</Code></Error>")) as store:
        objects = shared(bucket, store.url)
        read = VersionedBytes(b"", {"e_tag": '"1"'})
        for act in (lambda: objects.fetch("a", 9), lambda: objects.replace("a", b"", read)):
            with pytest.raises(Unavailable, match="does not let us in") as caught:
                await act()
            assert KEYS["secret_key"] not in str(caught.value)


async def test_a_bucket_that_is_not_there_opens_the_circuit_without_its_keys(bucket: Any, endpoint: str) -> None:
    with pytest.raises(Exception, match="s3://no-such-bucket") as caught:
        async with feeding(bucket, endpoint, to="s3://no-such-bucket/pod"):
            pass
    assert KEYS["secret_key"] not in str(caught.value)


def test_it_says_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.extras._is_here", lambda _: False)
    for to, extras in (("feed", {"feed"}), ("s3://bucket/pod", {"feed", "archive"})):
        sink = Feed("pod", FeedOptions.model_validate({"to": to, **REST}), http=None, log=None)  # type: ignore[arg-type]
        said = " ".join(sink.missing())
        assert {extra for extra in ("feed", "archive") if f".[{extra}]" in said} == extras
