"""Keys that are pressed while something else is waited for. The terminal is given back in any case."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import termios
import tty
from typing import Final, Self

KEY_BYTES_MAX: Final = 64
KEYS_KEPT_MAX: Final = 16


class Keys:
    """Use it in a `with` inside a running loop. Where standard input is no terminal, no key is ever pressed."""

    def __init__(self) -> None:
        self._input: int | None = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else None
        self._before: list[int | list[bytes | int]] | None = None
        self._pressed: asyncio.Queue[str] = asyncio.Queue(KEYS_KEPT_MAX)

    @property
    def there(self) -> bool:
        """Whether anybody can press one."""
        return self._input is not None

    def __enter__(self) -> Self:
        if self._input is not None:
            self._before = termios.tcgetattr(self._input)
            tty.setcbreak(self._input)  # not raw: Ctrl-C and Ctrl-Z keep their meaning
            asyncio.get_running_loop().add_reader(self._input, self._take_in)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._input is None:
            return
        asyncio.get_running_loop().remove_reader(self._input)
        assert self._before is not None  # it was entered
        with contextlib.suppress(OSError, termios.error):  # the terminal may be gone
            termios.tcsetattr(self._input, termios.TCSADRAIN, self._before)

    async def next(self) -> str:
        """The next key. Whoever is cancelled loses none."""
        return await self._pressed.get()

    def _take_in(self) -> None:
        assert self._input is not None
        try:
            text = os.read(self._input, KEY_BYTES_MAX).decode("utf-8", "replace")
        except OSError:
            text = ""
        if not text:  # the terminal is gone
            asyncio.get_running_loop().remove_reader(self._input)
        for key in text[:1]:
            with contextlib.suppress(asyncio.QueueFull):
                self._pressed.put_nowait(key)
