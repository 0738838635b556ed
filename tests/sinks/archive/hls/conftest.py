"""A recording on a server of loopback: playlists as texts, segments as bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway import Delivery, File, Refused, Retry
from tests.sinks.archive.conftest import of
from tests.sinks.archive.media_server import Media, MediaServer

END = "#EXT-X-ENDLIST\n"


@dataclass
class Text(Media):
    """A playlist, or whatever else is written by hand."""

    content: bytes = b""

    def pieces(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        yield self.content[start:end]


def text(content: str | bytes) -> Text:
    octets = content if isinstance(content, bytes) else content.encode()
    return Text(size=len(octets), content=octets, etag=None, media_type="application/vnd.apple.mpegurl")


def segments(server: MediaServer, folder: str, count: int, size: int = 3000, seconds: float = 2.0) -> str:
    """Put so many beside each other on the server; the playlist of them, with its end mark."""
    for number in range(count):
        server.files[f"{folder}/{number}.ts"] = Media(size + number, seed=number, media_type="text/html")
    lines = [f"#EXTINF:{seconds},\n{number}.ts?sign={number}" for number in range(count)]
    return "\n".join(["#EXTM3U", "#EXT-X-TARGETDURATION:2", *lines, "#EXT-X-ENDLIST", ""])


def hls_delivery(url: str, seconds: float | None = None, **changes: object) -> Delivery:
    file = File(format="hls", download_url=url, duration_seconds=seconds, **changes)  # type: ignore[arg-type]
    return of(files=(file,), format="hls")


def kept(folder: Path) -> dict[str, bytes]:
    """What lies in a folder, by its path; without what only says whose folder it is."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if path.name != "about.txt"}


def octets(media: Media) -> bytes:
    return b"".join(media.pieces())


def asked_for(server: MediaServer) -> list[str]:
    """The files that were asked for since the last look, without their queries."""
    paths = [one.target.partition("?")[0] for one in server.asked]
    server.asked.clear()
    return paths


async def retried(sink: Any, delivery: Delivery) -> tuple[str, Delivery]:
    """What it says, and the delivery as it comes again."""
    with pytest.raises(Retry) as failure:
        await sink.deliver(delivery)
    return failure.value.detail, delivery.replace(memo=failure.value.memo or {}, attempt=delivery.attempt + 1)


async def refused(opening: Any, delivery: Delivery) -> str:
    """Why it is never archived."""
    async with opening as sink:
        with pytest.raises(Refused) as refusal:
            await sink.deliver(delivery)
    return refusal.value.detail
