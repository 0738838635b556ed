"""The confirm sink: one look at each file, said as what it is, through the guard, and never above what was signed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway import (
    RECORDING_CONFIRMED,
    RECORDING_MISSING,
    RECORDING_STARTED,
    Delivery,
    DeliveryFailed,
    Done,
    File,
    FollowUp,
    Measured,
    Refused,
    Retry,
    Trust,
)
from gateway.testing import NOW, FrozenClock, Reply, ScriptedServer, SinkPromises, delivery, event, opened, running
from plugins.sinks.confirm import Confirm

HERE = "127.0.0.0/8"
SIGNED = "/live/a.mp4?AccessKeyId=AK&Expires=1893456000&Signature=canary-signature"
PART = (("content-range", "bytes 0-0/3957964"), ("etag", '"5d41402a"'), ("content-type", "video/mp4"))


class TestConfirmKeepsThePromises(SinkPromises):
    sink = Confirm

    def options(self, url: str) -> Mapping[str, Any]:
        return {"allow": HERE, "confirm": {"allow": ["d.example.com"]}}


def confirm_sink(**options: Any) -> AbstractAsyncContextManager[Confirm]:
    clock = options.pop("clock", FrozenClock())
    return opened(Confirm, {"allow": HERE, **options}, name="look", clock=clock)


def of(*urls: str, **changes: Any) -> Delivery:
    files = tuple(File(format="mp4", download_url=url, size_bytes=7) for url in urls)
    return delivery(event(files=files, trust=Trust.FIELDS, **changes))


async def test_a_file_without_an_address_is_passed_by() -> None:
    async with ScriptedServer(Reply(status=206, headers=PART, body=b"x")) as server, confirm_sink() as sink:
        files = (File(format="mp4"), File(format="mp4", download_url=server.url + SIGNED))
        done = await sink.deliver(delivery(event(files=files, trust=Trust.FIELDS)))
    assert isinstance(done, Done)
    assert [len(one.files) for one in done.events] == [1]


async def looked(reply: Reply, **options: Any) -> FollowUp:
    """What follows on a look that is answered so."""
    async with ScriptedServer(reply) as server, confirm_sink(**options) as sink:
        done = await sink.deliver(of(server.url + SIGNED))
    assert isinstance(done, Done)
    [follow_up] = done.events
    return follow_up


async def test_a_file_that_is_there_is_confirmed_with_what_was_measured() -> None:
    async with ScriptedServer(Reply(status=206, headers=PART, body=b"x")) as server, confirm_sink() as sink:
        one = of(server.url + SIGNED)
        done = await sink.deliver(one)
        [got] = server.received
    assert isinstance(done, Done)
    assert (got.method, got.target, got.header("range")) == ("GET", SIGNED, "bytes=0-0")
    [follow_up] = done.events
    seen = Measured(at=NOW, by="look", size_bytes=3957964, etag='"5d41402a"', media_type="video/mp4")
    assert (done.receipt, follow_up.type) == ("1 there", RECORDING_CONFIRMED)
    assert follow_up.files == [one.event.files[0].replace(measured=seen)]
    assert follow_up.files[0].size_bytes == 7  # the vendor's word stays the vendor's


@pytest.mark.parametrize(
    ("reply", "size"),
    [
        (Reply(body=b"x" * 5), 5),
        (Reply(body=b"x" * 200_000), 200_000),  # a server that knows no ranges: a KiB of it is read
        (Reply(raw=b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), 3),
        (Reply(headers=(("content-encoding", "gzip"),), body=b"xx"), None),
        (Reply(status=206, headers=(("content-range", "bytes 0-0/*"),), body=b"x"), None),
        (Reply(status=206, body=b"x"), None),
        (Reply(status=416, headers=(("content-range", "bytes */0"),)), 0),
    ],
    ids=["whole", "large", "chunked", "packed", "no total", "no range", "empty"],
)
async def test_the_size_is_that_of_the_file_however_the_server_answers(reply: Reply, size: int | None) -> None:
    follow_up = await looked(reply)
    measured = follow_up.files[0].measured
    assert follow_up.type == RECORDING_CONFIRMED
    assert measured is not None
    assert measured.size_bytes == size


@pytest.mark.parametrize("status", [404, 410])
async def test_a_file_that_is_not_there_is_missing_and_never_confirmed(status: int) -> None:
    follow_up = await looked(Reply(status=status), confirm={"allow": ["127.0.0.1"]})
    [file] = follow_up.files
    assert (follow_up.type, file.confirmed) == (RECORDING_MISSING, None)
    assert file.measured == Measured(at=NOW, by="look")


async def test_it_is_looked_for_until_missing_after_and_found_in_the_meantime() -> None:
    replies = [Reply(status=404), Reply(status=404), Reply(status=206, headers=PART, body=b"x")]
    for last, type in ((replies, RECORDING_CONFIRMED), ([*replies[:2], Reply(status=404)], RECORDING_MISSING)):
        clock = FrozenClock()
        async with ScriptedServer(*last) as server, confirm_sink(missing_after="10m", clock=clock) as sink:
            one = of(server.url + SIGNED).replace(first_attempt_at=NOW)
            for _ in range(2):
                with pytest.raises(Retry, match="not there yet: 1 of 1 files"):
                    await sink.deliver(one)
            clock.advance(600)
            done = await sink.deliver(one)
        assert isinstance(done, Done)
        assert [follow_up.type for follow_up in done.events] == [type]


@pytest.mark.parametrize(
    ("allow", "confirmed"),
    [
        ([], False),
        (["127.0.0.1"], True),
        (["127.0.0.1:{port}"], True),
        (["127.0.0.1/live"], True),
        (["127.0.0.1:{port}/live"], True),
        (["127.0.0.1:1"], False),
        (["127.0.0.1/liv"], False),
        (["127.0.0.1/live2"], False),
        (["0.0.1", "27.0.0.1"], False),
    ],
    ids=str,
)
async def test_only_a_holder_that_the_operator_answers_for_confirms(allow: list[str], confirmed: bool) -> None:
    async with ScriptedServer(Reply(status=206, headers=PART, body=b"x")) as server:
        listed = [text.format(port=server.port) for text in allow]
        async with confirm_sink(confirm={"allow": listed}) as sink:
            done = await sink.deliver(of(server.url + SIGNED))
    assert isinstance(done, Done)
    [file] = done.events[0].files
    assert file.measured is not None
    assert file.confirmed == (file.measured if confirmed else None)


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (Reply(status=403), Refused, "HTTP 403"),
        (Reply(status=401), Refused, "HTTP 401"),
        (Reply(status=302, headers=(("location", "http://169.254.169.254/"),)), Refused, "HTTP 302"),
        (Reply(status=416), Refused, "HTTP 416"),
        (Reply(status=500), Retry, "HTTP 500"),
        (Reply(status=429, headers=(("retry-after", "7"),)), Retry, "HTTP 429"),
        (Reply(raw=b"SSH-2.0-x\r\n"), Retry, "not HTTP"),
    ],
    ids=["403", "401", "302", "416", "500", "429", "no HTTP"],
)
async def test_what_says_nothing_of_the_file_follows_nothing_and_breaks_no_other(
    reply: Reply, kind: type[Exception], words: str
) -> None:
    async with ScriptedServer(reply, otherwise=Reply(status=206)) as server, confirm_sink() as sink:
        with pytest.raises(kind, match=words) as caught:
            await sink.deliver(of(server.url + SIGNED))
        assert len(server.received) == 1  # and no redirect was followed
    assert "canary" not in str(caught.value)
    if isinstance(caught.value, Retry):
        assert not caught.value.service  # so that no circuit opens for one file's host
        assert caught.value.after == (timedelta(seconds=7) if "429" in words else None)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:{port}/a", "http://localhost:{port}/a", "http://[::1]:{port}/a", "http://2130706433:{port}/a",
     "http://169.254.169.254/a", "file:///etc/passwd", "ftp://d.example.com/a", "http://u:p@d.example.com/a", "//x", "x"],
)  # fmt: skip
async def test_an_address_that_may_not_be_called_is_refused_and_not_called(url: str) -> None:
    async with ScriptedServer() as server, confirm_sink(allow=["10.0.0.0/8"]) as sink:
        with pytest.raises(Refused):
            await sink.deliver(of(url.format(port=server.port)))
        assert server.connections == 0


async def test_an_event_of_less_trust_is_refused_before_anything_is_called() -> None:
    async with ScriptedServer(otherwise=Reply(status=206)) as server:
        for trust in (Trust.NONE, Trust.TIMESTAMP):
            one = of(server.url + SIGNED)
            one = one.replace(event=one.event.replace(trust=trust))
            async with confirm_sink() as sink:
                with pytest.raises(Refused, match="min_trust"):
                    await sink.deliver(one)
            async with confirm_sink(min_trust="none") as sink:
                assert isinstance(await sink.deliver(one), Done)
    assert len(server.received) == 2


async def test_each_file_is_looked_at_and_what_is_there_is_told_apart_from_what_is_not() -> None:
    replies = [Reply(status=206), Reply(status=404), Reply(status=206)]
    async with ScriptedServer(*replies) as server, confirm_sink() as sink:
        done = await sink.deliver(of(*[f"{server.url}/{number}" for number in range(3)]))
        play = delivery(event(files=(File(play_url=f"{server.url}/play"),), trust=Trust.FIELDS))
        server.replies.append(Reply(status=206))
        assert isinstance(await sink.deliver(play), Done)
        nothing = await sink.deliver(delivery(event(RECORDING_STARTED, files=(), trust=Trust.FIELDS)))
        assert len(server.received) == 4
    assert nothing == "nothing to look at: no file with an address"
    assert isinstance(done, Done)
    paths = {part.type: [str(file.download_url)[-2:] for file in part.files] for part in done.events}
    assert paths == {RECORDING_CONFIRMED: ["/0", "/2"], RECORDING_MISSING: ["/1"]}
    assert done.receipt == "2 there, 1 missing"


async def test_each_look_has_the_time_of_an_attempt_and_one_address_is_looked_at_once() -> None:
    beats = 0

    async def heartbeat(memo: Any, progress: Any) -> None:
        nonlocal beats
        beats += 1

    async with ScriptedServer(otherwise=Reply(status=206, headers=PART)) as server, confirm_sink() as sink:
        one = of(*[f"{server.url}/{number % 3}" for number in range(9)]).replace(heartbeat=heartbeat)
        done = await sink.deliver(one)
        assert (len(server.received), beats) == (3, 3)
    assert isinstance(done, Done)
    assert done.receipt == "9 there"


async def test_what_a_server_says_of_itself_has_no_power_and_no_length() -> None:
    headers = (("content-range", "bytes 0-0/99999999999999999999999"), ("etag", "\x1b[2J" + "e" * 999))
    follow_up = await looked(Reply(status=206, headers=headers))
    measured = follow_up.files[0].measured
    assert measured is not None
    assert measured.size_bytes is None
    assert len(measured.etag or "") <= 255
    assert "\x1b" not in (measured.etag or "")


async def test_a_private_authority_is_the_one_that_is_trusted(tmp_path: Path) -> None:
    """That it is not there is seen because it is read: the option reaches the connection."""
    async with ScriptedServer() as server, confirm_sink(ca=str(tmp_path / "authority.pem")) as sink:
        with pytest.raises(DeliveryFailed, match="the TLS files of this target"):
            await sink.deliver(of(server.url.replace("http:", "https:") + "/a"))


async def test_a_preview_shows_the_request_without_its_signature() -> None:
    async with confirm_sink() as sink:
        said = await sink.preview(of("https://d.example.com" + SIGNED))
    assert said.startswith("GET https://d.example.com/live/a.mp4")
    assert "canary" not in said


CONFIG = """
sources: {live: {type: huawei-live, keys: [a-key-of-thirty-two-characters-00], domains: [push.example.com], apps: [live]}}
sinks:
  look: {type: confirm, allow: [127.0.0.0/8], confirm: {allow: [127.0.0.1]}}
  app: {type: recorder}
routes:
  - {match: {type: recording.file.completed}, to: [look]}
  - {match: {type: [recording.confirmed, recording.missing]}, to: [app]}
"""


async def test_from_the_callback_to_the_confirmed_file_by_yaml_alone() -> None:
    replies = [Reply(status=206, headers=PART, body=b"x"), Reply(status=404), Reply(status=403)]
    async with ScriptedServer(*replies) as server, running(CONFIG) as gateway:
        link = server.url + f"/live/a.mp4?AccessKeyId=AK&Expires={int(NOW.timestamp()) - 60}&Signature=c2ln"
        for _ in range(3):
            await gateway.send("RECORD_FILE_COMPLETE", fields={"download_url": link, "play_url": ""})
        there, missing = [given.event for given in gateway.recorder("app").seen]
        [*_, refused] = gateway.attempts("look")
    assert (there.type, missing.type) == (RECORDING_CONFIRMED, RECORDING_MISSING)
    assert there.trust is missing.trust is Trust.FIELDS
    assert there.cause is not None
    assert there.cause.sink == "look"
    assert there.files[0].confirmed is not None
    assert there.files[0].confirmed.size_bytes == 3957964
    assert there.files[0].expires_at == NOW - timedelta(seconds=60)
    assert refused.detail.endswith("; the link ended at 2025-12-31T23:59:00Z")
