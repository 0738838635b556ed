"""When a source was last heard of, and what was answered 2xx and left no row: kept, but never on a callback's way."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import StoreUnavailable
from gateway.intake.activity import TYPES_MAX, WRITE_INTERVAL_SECONDS, SourceActivity
from gateway.runtime.clock import FrozenClock
from gateway.store.admin.shown_rows import SourceRow
from gateway.testing import NOW, RunningGateway, running
from gateway.testing.factories import callback

KEY = "a-key-of-thirty-two-characters-00"
CONFIG: dict[str, Any] = {"sources": {"zoom": {"type": "zoom", "keys": [KEY]}}}


def known(gateway: RunningGateway, name: str) -> SourceRow:
    with gateway._admin() as admin:
        return admin.sources().get(name, SourceRow(name=name))


async def test_a_2xx_without_a_row_is_found_all_the_same() -> None:
    async with running(CONFIG, clock=FrozenClock(NOW)) as gateway:
        await gateway.send("endpoint.url_validation")
        assert gateway.events() == []
        assert known(gateway, "zoom") == SourceRow(name="zoom"), "nothing is written on a callback's way"
        await gateway.advance(WRITE_INTERVAL_SECONDS)
        (one,) = known(gateway, "zoom").ignored
        assert (one.vendor_type, one.at) == ("endpoint.url_validation", round(NOW.timestamp() * 1000))
        assert one.size > 0


async def test_a_source_was_seen_when_its_last_verified_callback_came_whatever_became_of_it() -> None:
    async with running(CONFIG, clock=FrozenClock(NOW)) as gateway:
        for _ in range(2):  # accepted, then a duplicate
            await gateway.send("recording.completed", number=1)
            await gateway.advance(WRITE_INTERVAL_SECONDS)
        ms = round(NOW.timestamp() * 1000)
        assert known(gateway, "zoom").seen_at == ms + 2000
        await gateway.send("recording.completed", number=2, tampered=True)
        await gateway.advance(WRITE_INTERVAL_SECONDS)
        row = known(gateway, "zoom")
        assert row.seen_at == ms + 2000, "anybody can send what does not verify"
        assert (row.refused, row.refused_at) == ({"signature_mismatch": 1}, ms + 4000)


async def test_what_was_heard_just_before_the_stop_is_written() -> None:
    async with running(CONFIG, clock=FrozenClock(NOW)) as gateway:
        await gateway.send("endpoint.url_validation")
        await gateway.restart()
        assert [one.vendor_type for one in known(gateway, "zoom").ignored] == ["endpoint.url_validation"]


class _Away:
    """A store that is away at first."""

    def __init__(self) -> None:
        self.rows: list[Any] | None = None
        self.away = True

    async def heard(self, rows: list[Any]) -> None:
        if self.away:
            raise StoreUnavailable("away")
        self.rows = rows


async def test_what_a_store_could_not_take_is_written_the_next_time_and_the_newest_holds() -> None:
    store: Any = _Away()
    activity = SourceActivity(store)
    activity.taken("a", 1.0)
    activity.taken("b", 1.0)
    activity.ignored("a", callback(b"{}"), "old")
    with pytest.raises(StoreUnavailable):  # its duty says so
        await activity.write()
    activity.taken("a", 2.0)
    activity.ignored("a", callback(b"{}"), "new")
    store.away = False
    await activity.write()
    found = {(one.source, one.ignored, one.vendor_type): one.at for one in store.rows}
    assert {key: at for key, at in found.items() if not key[1]} == {("a", False, ""): 2000, ("b", False, ""): 1000}
    assert {key[2] for key in found if key[1]} == {"old", "new"}
    store.rows = None
    await activity.write()
    assert store.rows is None, "nothing new, nothing written"


async def test_a_vendor_of_many_types_costs_no_memory() -> None:
    store: Any = _Away()
    activity = SourceActivity(store)
    for number in range(2 * TYPES_MAX):
        activity.ignored("a", callback(b"{}"), str(number))
    store.away = False
    await activity.write()
    assert len(store.rows) == TYPES_MAX


@pytest.mark.parametrize("text", ["x" * 500, "a\0b", ""])
async def test_a_type_that_no_store_could_hold_is_kept_as_far_as_it_can(text: str) -> None:
    config = {"sources": {"mux": {"type": "mux", "keys": [KEY]}}}
    async with running(config, clock=FrozenClock(NOW)) as gateway:
        source = gateway.source("mux")
        heard = callback(b"{}").replace(source="mux")
        source.vendor_type = lambda callback: text  # type: ignore[method-assign]
        gateway.gateway._journal.ignored(source, heard)
        await gateway.advance(WRITE_INTERVAL_SECONDS)
        (one,) = known(gateway, "mux").ignored
        assert one.vendor_type == {"a\0b": "a\ufffdb"}.get(text, text[:100])
