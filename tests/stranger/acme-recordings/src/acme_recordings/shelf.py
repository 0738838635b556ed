"""The sink `acme-shelf`: one file an event in a folder; writing it twice leaves one file."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path

from pydantic import Field

from gateway import (
    RECORDING_ARCHIVED,
    Archived,
    BlockingWorker,
    Cause,
    ConfigPath,
    Delivery,
    Done,
    File,
    FollowUp,
    Measured,
    Options,
    Progress,
    Sink,
    Stopping,
    Unavailable,
    from_document,
    to_document,
    to_json,
)


class ShelfOptions(Options):
    """Which shelf."""

    folder: ConfigPath = Field(description="The folder; it must be there.")
    tell: bool = Field(False, description="Whether an event of its own says where a file lies.")


class Shelf(Sink):
    """Puts each event on a shelf."""

    type = "acme-shelf"
    Options = ShelfOptions
    options: ShelfOptions

    async def open(self) -> None:
        if not await self.worker.run(self.options.folder.is_dir):
            raise Unavailable("the shelf is not there")

    async def close(self) -> None:
        await self.worker.close()

    async def deliver(self, delivery: Delivery) -> str | Done:
        document = to_document(delivery.event)
        assert from_document(document).id == delivery.event.id
        name = f"{delivery.event.id}.json"
        try:
            await self.worker.run(functools.partial(_write, self.options.folder / name, to_json(delivery.event)))
        except OSError as error:
            raise Unavailable(os.strerror(error.errno or 0)) from None
        cause: Cause | None = delivery.event.cause
        if not self.options.tell or not delivery.event.files or cause is not None:
            return name
        try:
            await delivery.alive({"written": name}, Progress(text="written"))
        except Stopping:
            self.log.info("shelf_is_left", written=name)
            raise
        return Done(name, [FollowUp(RECORDING_ARCHIVED, files=[self._shelved(delivery, name)])])

    def _shelved(self, delivery: Delivery, name: str) -> File:
        """The event's first file, with what was found out about it."""
        at, path = self.http.clock.now(), self.options.folder / name
        measured = Measured(at=at, by=self.name, size_bytes=path.stat().st_size)
        return delivery.event.files[0].replace(measured=measured, archived=Archived(url=path.as_uri(), at=at))

    @functools.cached_property
    def worker(self) -> BlockingWorker:
        return BlockingWorker(f"shelf {self.name}")


def _write(path: Path, text: str) -> None:
    json.loads(text)
    beside = path.with_suffix(".part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
