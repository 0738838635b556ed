"""The target of all sinks, in a process of its own: `python -m tests.faults.receiver LEDGER [HOST]`. It prints its port.

Each line on its standard input changes how the sink of that path answers from now on: `SINK 200`, `SINK 503`,
`SINK slow 0.5` (seconds), `SINK closes 0.5` (the same, and each connection is used once) or `SINK never`. Nothing is noted of what it does not answer with 200.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable
from pathlib import Path

from tests.faults.ledger import Ledger

NUMBER = re.compile(rb'"size_bytes": ?(\d+)')  # the vendor hides the number of a callback in the size of its file


class Target(asyncio.Protocol):
    """One connection; requests come one after the other, as HTTP/1.1 clients of ours send them."""

    def __init__(self, ledger: Ledger, how: dict[str, list[str]]) -> None:
        self._ledger, self._how = ledger, how
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            lines = head.split(b"\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (one.partition(b":") for one in lines[1:])}
            length = int(headers.get(b"content-length", b"0"))
            if len(rest) < length:
                return
            body, self._buffer = rest[:length], rest[length:]
            self._take(lines[0].split()[1].decode().strip("/"), headers, body)

    def _take(self, sink: str, headers: dict[bytes, bytes], body: bytes) -> None:
        how = self._how.get(sink, ["200"])
        if how[0] == "never":
            return
        found = NUMBER.search(body)
        number = int(found[1]) if found else -1

        def answer() -> None:
            if how[0] in ("200", "slow", "closes"):
                self._ledger.note(sink, number, headers.get(b"webhook-id", b"-").decode())
            if self._transport is not None:
                status = b"503 Busy" if how[0] == "503" else b"200 OK"
                closes = b"connection: close\r\n" if how[0] == "closes" else b""
                self._transport.write(b"HTTP/1.1 " + status + b"\r\n" + closes + b"content-length: 0\r\n\r\n")
                if closes:
                    self._transport.close()

        if how[0] in ("slow", "closes"):
            asyncio.get_running_loop().call_later(float(how[1]), answer)
        else:
            answer()


async def serve(ledger: Ledger, host: str = "127.0.0.1") -> None:
    loop = asyncio.get_running_loop()
    how: dict[str, list[str]] = {}
    server = await loop.create_server(lambda: Target(ledger, how), host, 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), _hear(how, ended.set))
    await ended.wait()


def _hear(how: dict[str, list[str]], end: Callable[[], None]) -> Callable[[], None]:
    def hear() -> None:
        line = sys.stdin.readline()
        if not line:
            end()  # whoever started it has ended
        elif words := line.split():
            how[words[0]] = words[1:]
            print("+", flush=True)

    return hear


if __name__ == "__main__":
    asyncio.run(serve(Ledger(Path(sys.argv[1])), *sys.argv[2:]))
