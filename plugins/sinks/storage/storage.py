"""What a storage can: say whether an object is there, and put one that appears only when it is whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from gateway import Http

TellSent = Callable[[int], None]
FileBody = bytes | Path | AsyncIterator[bytes]
"""What is put: bytes, a file beside the storage's own that may be moved away, or pieces that come one after another."""


def uncounted(octets: int) -> None:
    """Nobody wants to know how many bytes went."""


class Stored(NamedTuple):
    """An object that is there. `sha256` (lower hex) is None where the storage was not told and cannot know."""

    size_bytes: int
    sha256: str | None = None
    etag: str | None = None


@dataclass(frozen=True)
class Resume:
    """What an upload is remembered by: `memo` is changed in place, and durable when `keep` returns."""

    http: Http
    memo: MutableMapping[str, object]
    keep: Callable[[], Awaitable[None]]


class FileStorage(Protocol):
    """One folder or bucket. Keys are segments with `/` between them, none of them empty, `.` or `..`.

    All that it raises is Retry (later), Unavailable (the whole storage, until somebody acts) or Refused (this object, never).
    """

    def url(self, key: str) -> str:
        """Where the object lies, for people and programs, without credentials."""

    async def head(self, key: str, *, hashed: bool = False) -> Stored | None:
        """The object under this key; None where there is none. `hashed`: with its SHA-256, if it has to be read for that."""

    async def put(
        self,
        key: str,
        body: FileBody,
        *,
        size: int | None = None,
        media_type: str | None = None,
        sha256: str | None = None,
        sent: TellSent = uncounted,
        resume: Resume | None = None,
    ) -> None:
        """Write the object, over what is there: whole or not at all.

        `size` is of pieces, where it is known; `sha256` is told to storages that keep it; `sent` is called with the bytes
        that went since the last call; with `resume` a storage that can goes on after a crash with a body that is a path. What the pieces raise is raised, and nothing is written then.
        """

    async def reach(self) -> str:
        """Ask the storage for nothing of importance; what answered, for people. Raises Unavailable."""

    def missing(self) -> Sequence[str]:
        """What is not installed here and must be, a sentence each."""

    async def close(self) -> None:
        """Give back what it holds."""
