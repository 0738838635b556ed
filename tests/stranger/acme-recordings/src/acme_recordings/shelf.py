"""The sink `acme-shelf`: one file an event in a folder; writing it twice leaves one file."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

from pydantic import Field

from gateway import ConfigPath, Delivery, Options, Sink, Unavailable, from_document, to_document, to_json


class ShelfOptions(Options):
    """Which shelf."""

    folder: ConfigPath = Field(description="The folder; it must be there.")


class Shelf(Sink):
    """Puts each event on a shelf."""

    type = "acme-shelf"
    Options = ShelfOptions
    options: ShelfOptions

    async def open(self) -> None:
        if not await asyncio.to_thread(self.options.folder.is_dir):
            raise Unavailable("the shelf is not there")

    async def deliver(self, delivery: Delivery) -> str:
        document = to_document(delivery.event)
        assert from_document(document).id == delivery.event.id
        name = f"{delivery.event.id}.json"
        try:
            await asyncio.to_thread(_write, self.options.folder / name, to_json(delivery.event))
        except OSError as error:
            raise Unavailable(os.strerror(error.errno or 0)) from None
        return name


def _write(path: Path, text: str) -> None:
    json.loads(text)
    beside = path.with_suffix(".part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
