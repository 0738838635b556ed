"""What SQLite's driver looks an adapter up for, at every run: nothing that an event has, and what it finds changes nothing."""

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

    before = sqlite3.adapters.copy()
    for kind in (bytes, EventId):
        sqlite3.register_adapter(kind, counting)  # type: ignore[arg-type]
    yield asked
    sqlite3.adapters.clear()
    sqlite3.adapters.update(before)


def test_what_is_adapted_stays_what_it_is() -> None:
    values = (None, b"\0", b"", True, False)
    connection = sqlite3.connect(":memory:")
    assert connection.execute("SELECT ?, ?, ?, ?, ?", values).fetchone() == values
    kinds = connection.execute("SELECT typeof(?), typeof(?), typeof(?), typeof(?), typeof(?)", values).fetchone()
    assert kinds == ("null", "blob", "blob", "integer", "integer")
    connection.close()
    for value in values:
        assert (type(value), sqlite3.PrepareProtocol) in sqlite3.adapters  # else each costs an exception


async def test_only_the_seals_of_a_batch_are_asked_about(tmp_path: Path, adapted: Counter[type]) -> None:
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
    assert adapted == {bytes: len(sealed)}  # all seals of a batch side by side
