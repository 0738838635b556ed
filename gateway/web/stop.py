"""How a running gateway is asked to stop, by signals or by the program that embeds it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Iterator


class Stop:
    """The wish to stop: the first is polite, the second means at once."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.insisted = asyncio.Event()
        self.code = 0  # of the signal that insisted: 128 and its number, as shells say it

    def request(self, number: int = signal.SIGTERM) -> None:
        if self.asked.is_set():
            self.code = 128 + number
            self.insisted.set()
        self.asked.set()

    @contextlib.contextmanager
    def on_signals(self) -> Iterator[None]:
        """Hear SIGTERM and SIGINT, where this is the thread that may."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        signals = (signal.SIGTERM, signal.SIGINT)
        for number in signals:
            loop.add_signal_handler(number, self.request, number)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)
