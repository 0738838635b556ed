"""A transport that keeps what is written, for a protocol that is fed by hand."""

from __future__ import annotations

import asyncio
from typing import Any


class Wire(asyncio.Transport):
    def __init__(self, peer: str = "192.0.2.7") -> None:
        super().__init__({"peername": (peer, 1), "sockname": ("192.0.2.2", 2)})
        self.written = b""
        self.writes = 0
        self.closing = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)
        self.writes += 1

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    abort = close

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
