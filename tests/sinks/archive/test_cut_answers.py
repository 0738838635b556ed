"""An answer whose end is only the connection's end: what the callback says is held against it, for a few attempts."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import Refused, Retry
from gateway.testing import Reply, ScriptedServer
from plugins.sinks.archive.sink import CUT_ATTEMPTS_MAX
from tests.sinks.archive.conftest import Opening, archived, of
from tests.sinks.archive.media_server import Media

SIZE, CAME = 1000, 700
WHOLE = b"".join(Media(SIZE).pieces())
CUT = Reply(raw=b'HTTP/1.1 200 OK\r\netag: "1"\r\nconnection: close\r\n\r\n' + WHOLE[:CAME])
REST = Reply(
    status=206,
    headers=(("etag", '"1"'), ("content-range", f"bytes {CAME}-{SIZE - 1}/{SIZE}")),
    body=WHOLE[CAME:],
)
NO_MORE = Reply(status=416, headers=(("content-range", f"bytes */{CAME}"),))
CHUNKED = Reply(
    raw=b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (CAME, WHOLE[:CAME])
)


def bytes_kept(answer: object) -> int | None:
    measured = archived(answer).files[0].measured
    assert measured is not None
    return measured.size_bytes


@pytest.mark.parametrize(("rest", "size"), [(REST, SIZE), (NO_MORE, CAME)], ids=["there is more", "that was all"])
async def test_a_file_that_may_have_been_cut_is_asked_for_its_rest(
    rest: Reply, size: int, archive: Opening, tmp_path: Path
) -> None:
    async with ScriptedServer(CUT, rest) as server, archive() as sink:
        delivery = of(f"{server.url}/a.mp4", size=SIZE)
        with pytest.raises(Retry, match=rf"{CAME} bytes came .* the callback says {SIZE}") as raised:
            await sink.deliver(delivery)
        assert not (tmp_path / "kept/main").exists()
        done = await sink.deliver(delivery.replace(memo=raised.value.memo, attempt=2))
    assert server.received[1].header("range") == f"bytes={CAME}-"
    assert bytes_kept(done) == size
    assert (tmp_path / "kept/main/job.mp4").read_bytes() == WHOLE[:size]


@pytest.mark.parametrize(
    ("reply", "attempt"), [(CUT, CUT_ATTEMPTS_MAX + 1), (CHUNKED, 1)], ids=["in the end", "an end that was said"]
)
async def test_a_callback_may_be_wrong_all_the_same(reply: Reply, attempt: int, archive: Opening) -> None:
    async with ScriptedServer(otherwise=reply) as server:
        delivery = of(f"{server.url}/a.mp4", size=SIZE).replace(attempt=attempt)
        async with archive() as sink:
            done = await sink.deliver(delivery)
        assert bytes_kept(done) == CAME
        assert archived(done).data["mismatch"]
        async with archive({"on_mismatch": "fail"}) as sink:
            with pytest.raises(Refused, match="on_mismatch: fail"):
                await sink.deliver(delivery)


async def test_without_a_size_or_a_comparison_the_end_is_the_end(archive: Opening) -> None:
    async with ScriptedServer(otherwise=CUT) as server:
        async with archive() as sink:
            assert bytes_kept(await sink.deliver(of(f"{server.url}/a.mp4"))) == CAME
        async with archive({"verify": "none"}) as sink:
            assert bytes_kept(await sink.deliver(of(f"{server.url}/b.mp4", size=SIZE))) == CAME
