"""A gateway whose writer is at a slow batch lives, and the others are told so."""

from __future__ import annotations

import threading

import pytest

from gateway.runtime.clock import FrozenClock
from gateway.store.outbox import losses
from gateway.store.store import Store
from tests.patience import PATIENCE_S
from tests.store.kit import table


def seen(url: str) -> list[tuple[str, int]]:
    return [(owner, at) for owner, at in table(url, "owner, seen_at", "gateways")]


async def test_a_gateway_at_a_slow_batch_still_gives_signs_of_life(
    pair: tuple[Store, Store], postgres_url: str, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "BEAT_SECONDS", -10.0)  # always due
    go, begun = threading.Event(), threading.Event()

    def slow(_: object) -> None:
        begun.set()
        go.wait(PATIENCE_S)

    batch = pair[0].write(slow)
    try:
        while not begun.is_set():
            await pair[1].ping()
        clock.advance(losses.SILENT_MS / 1000 + 1)
        await pair[0].beat()
        assert dict(seen(postgres_url))[pair[0].owner] == clock.ms()
    finally:
        go.set()
        await batch


async def test_the_writer_gives_them_between_the_pieces_of_a_long_batch(
    pair: tuple[Store, Store], postgres_url: str, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "BEAT_SECONDS", -10.0)
    monkeypatch.setattr("gateway.store.engine.writer.TICK_SECONDS", 0.0)
    store = pair[0]
    at: list[int] = []

    def first(_: object) -> None:
        clock.advance(losses.SILENT_MS / 1000 + 1)

    def second(_: object) -> None:
        at.append(dict(seen(postgres_url))[store.owner])

    both = [store.write(first), store.write(second)]  # in one turn of the loop: one batch
    for one in both:
        await one
    assert at == [clock.ms()]


async def test_one_that_has_stopped_in_good_order_gives_none(pair: tuple[Store, Store], postgres_url: str) -> None:
    await pair[0].disown()
    await pair[0].beat()
    assert pair[0].owner not in dict(seen(postgres_url))
