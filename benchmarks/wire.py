"""A load generator and a receiver that cost as little as possible, so that the server is what is measured."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from typing import cast


class Receiver(asyncio.Protocol):
    """Answers every request with 200 and notes when it came. Requests must carry a content-length."""

    def __init__(self, seen: Callable[[bytes], None]) -> None:
        self._seen = seen
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            at = head.find(b"content-length:")
            length = (
                int(head[at + 15 : (head.find(b"\r\n", at) + len(head) + 1) % (len(head) + 1) or len(head)])
                if at >= 0
                else 0
            )
            if len(self._buffer) < end + 4 + length:
                return
            self._seen(self._buffer[end + 4 : end + 4 + length])
            self._buffer = self._buffer[end + 4 + length :]
            self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")


class _Caller(asyncio.Protocol):
    """One keep-alive connection that posts the next request when the last was answered."""

    def __init__(self, requests: Iterator[bytes], until: float, tally: Tally, untimed: int = 0) -> None:
        self._requests = requests
        self._until = until
        self._untimed = untimed
        self._tally = tally
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._post()

    def _post(self) -> None:
        request = next(self._requests, None)
        if request is None or time.perf_counter() >= self._until:
            self._transport.close()
            if not self.done.done():
                self.done.set_result(None)
            return
        self._send(request)

    def _send(self, request: bytes) -> None:
        self._sent = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0])
        if len(self._buffer) < end + 4 + length:
            return
        self._tally.add(self._buffer[9:12], None if self._untimed > 0 else time.perf_counter() - self._sent)
        self._untimed -= 1
        self._buffer = self._buffer[end + 4 + length :]
        self._post()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self._tally.broken += 1
            self.done.set_result(None)


class Tally:
    """Answers by status, and how long each took in seconds."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.statuses: dict[bytes, int] = {}
        self.broken = 0

    def add(self, status: bytes, seconds: float | None) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if seconds is not None:
            self.seconds.append(seconds)

    def add_all(self, other: Tally) -> None:
        """What another part of the same measurement found."""
        for status, count in other.statuses.items():
            self.statuses[status] = self.statuses.get(status, 0) + count
        self.seconds += other.seconds
        self.broken += other.broken

    @property
    def good(self) -> int:
        return self.statuses.get(b"200", 0)

    def percentile(self, share: float) -> float:
        """Milliseconds."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 if ordered else float("nan")


async def call(port: int, requests: Iterator[bytes], *, connections: int, seconds: float, untimed: int = 0) -> Tally:
    """Post `requests` over `connections` keep-alive connections for `seconds`, each waiting for its answer.

    The first `untimed` answers of each connection are only counted: all connections ask at one instant then.
    """
    tally = Tally()
    until = time.perf_counter() + seconds
    loop = asyncio.get_running_loop()
    callers = []
    for _ in range(connections):
        _, caller = await loop.create_connection(lambda: _Caller(requests, until, tally, untimed), "127.0.0.1", port)
        callers.append(caller.done)
    await asyncio.gather(*callers)
    return tally


class _IdleCaller(_Caller):
    """One connection that posts when it is told to."""

    def __init__(self, idle: asyncio.Queue[_IdleCaller], tally: Tally) -> None:
        super().__init__(iter(()), 0.0, tally)
        self._idle = idle

    def _post(self) -> None:
        self._idle.put_nowait(self)

    def send(self, request: bytes) -> None:
        """Post this one."""
        self._send(request)

    def close(self) -> None:
        """It has posted enough."""
        self.done.set_result(None)
        self._transport.close()


async def pace(port: int, requests: Iterator[bytes], *, connections: int, seconds: float, rate: float) -> Tally:
    """Post `rate` requests a second for `seconds` at even times, as long as one of the connections is free."""
    tally = Tally()
    loop = asyncio.get_running_loop()
    idle: asyncio.Queue[_IdleCaller] = asyncio.Queue()
    callers = []
    for _ in range(connections):
        _, caller = await loop.create_connection(lambda: _IdleCaller(idle, tally), "127.0.0.1", port)
        callers.append(caller)
    began = time.perf_counter()
    for number, request in enumerate(itertools.islice(requests, int(rate * seconds))):
        await asyncio.sleep(max(began + number / rate - time.perf_counter(), 0))
        (await idle.get()).send(request)
    for _ in callers:
        (await idle.get()).close()
    return tally


def post(path: str, body: bytes) -> bytes:
    """One request's bytes."""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
