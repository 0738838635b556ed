"""A caller that sends any bytes and reads whatever comes: what no HTTP library would let a test say."""

from __future__ import annotations

import contextlib
import json
import socket
from dataclasses import dataclass
from typing import Any

from tests.patience import PATIENCE_S


@dataclass
class Reply:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for found, value in self.headers if found == name), None)

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """A raw connection: sends what it is told, reads answers or the end."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(PATIENCE_S)
        self._buffer = b""

    def send(self, data: bytes) -> Client:
        # the other side may have answered and closed long before all of it is out
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.sock.sendall(data)
        return self

    def end(self) -> Client:
        """Nothing more is sent."""
        # the other side may have closed long before, and then there is no connection
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)
        return self

    def _more(self) -> bool:
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            return False
        self._buffer += data
        return bool(data)

    def reply(self, *, head: bool = False) -> Reply:
        while b"\r\n\r\n" not in self._buffer:
            if not self._more():
                raise EOFError(self._buffer)
        top, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = top.decode("latin-1").split("\r\n")
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        length = 0 if head else int(dict(headers).get("content-length", 0))
        while len(self._buffer) < length:
            if not self._more():
                raise EOFError(self._buffer)
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return Reply(int(first.split()[1]), headers, body)

    def rest(self) -> bytes:
        """Everything until the other side closes."""
        while self._more():
            pass
        rest, self._buffer = self._buffer, b""
        return rest

    def closed(self) -> bool:
        return self.rest() == b""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self.sock.close()
