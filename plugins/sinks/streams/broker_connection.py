"""What a connection to any broker can: be opened, be ended in good form, and be let go of at once."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod


class BrokerConnection(ABC):
    """Made without a word to anybody, opened once, ended once. Whatever became of `open` and `end_connection`, `abort` is called last."""

    @property
    @abstractmethod
    def lives(self) -> bool:
        """False where the connection is known to be gone."""

    @abstractmethod
    async def open(self) -> None:
        """Connect and log in, once. What it raises goes through the sink's `_judge`."""

    @abstractmethod
    async def end_connection(self) -> None:
        """End it in good form; three seconds are allowed."""

    @abstractmethod
    def abort(self) -> None:
        """Close its sockets at once, and let nobody wait in it: before it is open, in the midst of it, and any number of times."""


def cut(writer: asyncio.StreamWriter | None) -> None:
    """Close a socket now: without what is not sent yet, and without TLS's goodbye, for which a frozen broker lets us wait."""
    if writer is not None:
        writer.transport.abort()
