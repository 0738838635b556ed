"""Files that the file sink writes, and their lines."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway import Http
from gateway.testing import FrozenClock
from plugins.sinks.file import FileOptions, JsonLines


@asynccontextmanager
async def writing(path: Path, clock: FrozenClock | None = None, **options: Any) -> AsyncIterator[JsonLines]:
    http = Http(clock=clock or FrozenClock())
    sink = JsonLines("log", FileOptions.model_validate({"path": str(path), **options}), http=http, log=None)  # type: ignore[arg-type]
    await sink.open()
    yield sink
    await sink.close()
    await http.close()


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]
