"""What is posted: finished-file callbacks, each different."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime

from benchmarks import servers, wire
from gateway.fields import Secret
from gateway.plugin import Scene
from gateway.plugin.registry import Registry

PATH = "/hooks/live"
CONNECTIONS = 32


def callbacks(first: int = 0) -> Iterator[bytes]:
    """Finished-file callbacks, each different, signed as the vendor signs."""
    registry = Registry()
    cls = registry.source("huawei-live")
    source = cls("live", cls.Options(keys=[Secret(servers.KEY)]))
    for number in itertools.count(first):
        played = source.play(Scene(type="RECORD_FILE_COMPLETE", number=number, now=datetime.now(UTC)))
        yield wire.post(PATH, played.body)
