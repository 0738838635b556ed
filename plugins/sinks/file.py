"""Appends events to a file, one JSON object a line, with rotation."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gateway import (
    BlockingWorker,
    ConfigPath,
    Delivery,
    Options,
    Sink,
    Size,
    Unavailable,
    between,
    to_document,
    visible_json,
)
from plugins.sinks import append_file


class Rotation(Options):
    """When a new file is begun. The old one is renamed in its folder: events.20260101T000000000Z.jsonl."""

    size: Annotated[Size, between(1024)] | None = Field(
        None, description="Begin a new file before this size is passed."
    )
    daily: bool = Field(False, description="Begin a new file on each day (UTC).")
    keep: int = Field(14, ge=1, description="How many old files stay; the oldest are deleted.")

    @model_validator(mode="after")
    def _some(self) -> Rotation:
        if self.size is None and not self.daily:
            raise PydanticCustomError("rotation", "`size`, `daily: true`, or both")
        return self


class FileOptions(Options):
    """Which file, and how safely."""

    path: ConfigPath = Field(description="The file; made with mode 0600. Its folder must be there.")
    fsync: bool = Field(
        True, description="Whether an event is delivered only when it is on the disk, not only with the system."
    )
    rotate: Rotation | None = Field(None, description="When to begin a new file; absent: never.")


class JsonLines(Sink):
    """One write a line, so that a reader and a second writer see whole lines. Any trouble with the file opens the
    circuit: nothing is lost, and the next probe finds out when it is over."""

    type = "file"
    Options = FileOptions
    options: FileOptions
    _day: date | None = None  # of the last write, UTC

    @functools.cached_property
    def _worker(self) -> BlockingWorker:
        return BlockingWorker(f"file {self.name}")

    async def open(self) -> None:
        """Raises Unavailable where the file could not be written."""
        await self._guarded([])

    async def close(self) -> None:
        """Nothing is held open between writes; let the last one end."""
        await self._worker.close()

    async def deliver(self, delivery: Delivery) -> None:
        await self._guarded([delivery])

    async def deliver_batch(self, deliveries: Sequence[Delivery]) -> Sequence[None]:
        """All of them with one fsync."""
        await self._guarded(deliveries)
        return [None] * len(deliveries)

    async def preview(self, delivery: Delivery) -> str:
        """The line."""
        return _line(delivery).decode()

    async def _guarded(self, deliveries: Sequence[Delivery]) -> None:
        now = self.http.clock.now()
        try:
            # the lines too, because those of a large event take milliseconds
            await self._worker.run(lambda: self._append([_line(delivery) for delivery in deliveries], now))
        except OSError as error:
            path = self.options.path
            reason = os.strerror(error.errno).lower() if error.errno else str(error)
            if isinstance(error, FileNotFoundError) and not path.parent.is_dir():
                reason = f"its folder {path.parent.name!r} is not there: make it"  # where it lies is nobody's business
            raise Unavailable(f"{path.name}: {reason}") from None

    def _append(self, lines: Sequence[bytes], now: datetime) -> None:
        options = self.options
        with append_file.folder(options.path.parent) as folder:
            name = options.path.name
            if options.rotate is not None and self._is_due(folder, sum(map(len, lines)), now):
                append_file.rotate(folder, name, now, options.rotate.keep)
            append_file.append(folder, name, lines, sync=options.fsync)
        self._day = now.astimezone(UTC).date()

    def _is_due(self, folder: int, more: int, now: datetime) -> bool:
        """Whether a new file must be begun before so many bytes are written."""
        rotate = self.options.rotate
        assert rotate is not None
        try:
            status = os.stat(self.options.path.name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        if not status.st_size:
            return False
        if rotate.size is not None and status.st_size + more > rotate.size:
            return True
        # After a start the file itself says of which day it is.
        day = self._day or datetime.fromtimestamp(status.st_mtime, UTC).date()
        return rotate.daily and day != now.astimezone(UTC).date()


def _line(delivery: Delivery) -> bytes:
    return visible_json(to_document(delivery.event)).encode() + b"\n"
