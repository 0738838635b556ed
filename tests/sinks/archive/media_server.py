"""A server of recordings that behaves like an object store on a bad day: ranges and ETags, and on request it drops, stalls,
changes the file, ends the link."""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

_BLOCK: Final = random.Random(11).randbytes(2**20 + 7)  # no power of two, so that a wrong offset shows
_PIECE: Final = 2**16


@dataclass
class Media:
    """A file of `size` bytes that is made as it is sent; another `seed` is another file. `part_max`: of bytes in one answer to a
    range; `compares`: whether `If-Range` is heeded."""

    size: int
    seed: int = 0
    etag: str | None = '"first"'
    modified: str | None = None
    media_type: str = "video/mp4"
    ranges: bool = True
    chunked: bool = False
    part_max: int | None = None
    compares: bool = True

    def pieces(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        end = self.size if end is None else end
        while start < end:
            at = (start + self.seed) % len(_BLOCK)
            piece = _BLOCK[at : at + min(_PIECE, end - start)]
            start += len(piece)
            yield piece

    @property
    def sha256(self) -> str:
        digest = hashlib.sha256()
        for piece in self.pieces():
            digest.update(piece)
        return digest.hexdigest()


@dataclass
class Asked:
    """One request: its path, its headers, and the bytes that went out for it."""

    target: str
    headers: dict[str, str]
    status: int = 0
    sent: int = 0


@dataclass
class MediaServer:
    """`files` by path. `drop_after`: bytes after which each of the next connections breaks, one each; `stall_after` the same,
    and it stays open. `status`: what the next requests get instead."""

    files: dict[str, Media] = field(default_factory=dict)
    drop_after: list[int] = field(default_factory=list)
    stall_after: list[int] = field(default_factory=list)
    status: list[tuple[int, bytes]] = field(default_factory=list)
    on_drop: Callable[[], None] = field(default=lambda: None)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    @property
    def sent(self) -> int:
        return sum(one.sent for one in self.asked)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if not await self._answer(head.decode("latin-1"), writer):
                    break
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, head: str, writer: asyncio.StreamWriter) -> bool:
        first, *lines = head.split("\r\n")
        pairs = (line.partition(":") for line in lines if line)
        one = Asked(first.split()[1], {name.lower(): value.strip() for name, _, value in pairs})
        self.asked.append(one)
        media = self.files.get(one.target.partition("?")[0])
        if self.status or media is None:
            one.status, body = self.status.pop(0) if self.status else (404, b"no such file")
            writer.write(f"HTTP/1.1 {one.status} X\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
            return True
        start, end, one.status = self._range(one, media)
        if one.status == 416:
            writer.write(f"HTTP/1.1 416 X\r\ncontent-range: bytes */{media.size}\r\ncontent-length: 0\r\n\r\n".encode())
            return True
        writer.write(self._head(one, media, start, end))
        drop = self.drop_after.pop(0) if self.drop_after else None
        stall = self.stall_after.pop(0) if self.stall_after else None
        for piece in media.pieces(start, end):
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece) if media.chunked else piece)
            await writer.drain()
            one.sent += len(piece)
            if drop is not None and one.sent >= drop:
                self.on_drop()
                return False
            if stall is not None and one.sent >= stall:
                await asyncio.Event().wait()
        if media.chunked:
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    def _range(self, one: Asked, media: Media) -> tuple[int, int, int]:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", one.headers.get("range", ""))
        same = not media.compares or one.headers.get("if-range") in (None, media.etag, media.modified)
        if wanted is None or not media.ranges or not same:
            return 0, media.size, 200
        start = int(wanted[1])
        end = min(int(wanted[2]) + 1, media.size) if wanted[2] else media.size
        if media.part_max is not None:
            end = min(end, start + media.part_max)
        return start, end, 416 if start >= media.size else 206

    def _head(self, one: Asked, media: Media, start: int, end: int) -> bytes:
        lines = [f"HTTP/1.1 {one.status} OK", f"content-type: {media.media_type}"]
        lines.append("transfer-encoding: chunked" if media.chunked else f"content-length: {end - start}")
        if one.status == 206:
            lines.append(f"content-range: bytes {start}-{end - 1}/{media.size}")
        if media.etag is not None:
            lines.append(f"etag: {media.etag}")
        if media.modified is not None:
            lines.append(f"last-modified: {media.modified}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


@asynccontextmanager
async def media_server(**files: Media) -> AsyncIterator[MediaServer]:
    """On loopback; `a_mp4` is served at /a.mp4."""
    async with listening(MediaServer({f"/{name.replace('_', '.')}": media for name, media in files.items()})) as server:
        yield server


@asynccontextmanager
async def listening(server: MediaServer) -> AsyncIterator[MediaServer]:
    """This one, on loopback."""
    connections: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(server.serve(reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    listener = await asyncio.start_server(connected, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
