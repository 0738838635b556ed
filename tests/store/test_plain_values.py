"""What SQLite's driver looks an adapter up for, at every run: of an event its body as it came, and nothing else that is there."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.model import EventId
from gateway.store.store import Store
from tests.store.kit import LEASE, new


@pytest.fixture
def adapted() -> Iterator[Counter[type]]:
    """How often a value of each of these types was asked about."""
    asked: Counter[type] = Counter()

    def counting(value: bytes) -> bytes:
        asked[type(value)] += 1
        return value

    kinds = (bytes, EventId)
    for kind in kinds:
        sqlite3.register_adapter(kind, counting)  # type: ignore[arg-type]
    yield asked
    for kind in kinds:
        del sqlite3.adapters[kind, sqlite3.PrepareProtocol]


async def test_only_the_vendors_bytes_are_asked_about(tmp_path: Path, adapted: Counter[type]) -> None:
    store = Store(f"sqlite:///{tmp_path}/one.db")
    await store.open()
    try:
        events = [new(n, "app", lease=LEASE) for n in range(8)]
        named = [one.replace(event=one.event.replace(id=EventId(one.event.id))) for one in events]
        sealed = [one.replace(seal=bytes([n]) * 16, seal_most=1) for n, one in enumerate(named)]
        for one in sealed:
            await store.accept([one])
    finally:
        await store.close()
    assert adapted == {bytes: 2 * len(sealed)}  # the body, and all seals of a batch side by side
