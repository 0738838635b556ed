"""A transport whose `close` lets the caller read our last answer first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Polite(asyncio.Transport):
    """Wraps the real transport; `close` asks the protocol, which may want to linger.

    A socket closed with bytes unread is reset by the kernel, and the reset overtakes the answer: a caller who is still
    sending a body that we refused would see a broken connection in the place of our 413.
    """

    def __init__(self, transport: asyncio.Transport, finish: Callable[[], None]) -> None:
        super().__init__()
        self.real = transport
        self.closing = False
        self._finish = finish
        # bound once, because these are called for every request
        self.write = transport.write  # type: ignore[method-assign]
        self.pause_reading = transport.pause_reading  # type: ignore[method-assign]
        self.resume_reading = transport.resume_reading  # type: ignore[method-assign]

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self.real.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self.closing or self.real.is_closing()

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            self._finish()

    def abort(self) -> None:
        self.closing = True
        self.real.abort()
