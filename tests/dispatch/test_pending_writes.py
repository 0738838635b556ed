"""Writes that wait are written, also where one could not be added."""

from __future__ import annotations

import asyncio
import random

import pytest

from gateway.dispatch.pending_writes import PendingWrites
from gateway.runtime.clock import Clock
from tests.patience import eventually


@pytest.mark.parametrize("many", [False, True])
async def test_one_that_there_was_no_memory_for_keeps_none_behind_it_unwritten(
    many: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []

    async def write() -> None:
        written.append(pending.rows.popleft())

    def no_memory() -> None:
        raise MemoryError

    pending: PendingWrites[int] = PendingWrites("outcomes", write, Clock(), random.Random(1))
    writer = asyncio.ensure_future(pending.write_until_cancelled())
    try:
        with monkeypatch.context() as short:
            short.setattr(pending._bell, "set", no_memory)
            with pytest.raises(MemoryError):
                pending.add_all([1]) if many else pending.add(1)
        pending.add_all([2, 3])
        await eventually(lambda: written[-2:] == [2, 3])
        await eventually(pending.empty.is_set)
    finally:
        writer.cancel()
    assert not pending.rows
