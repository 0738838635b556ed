"""What is forgotten when, what is refused for want of room, and what is kept of refused callbacks."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.errors import StoreFull
from gateway.runtime.clock import FrozenClock
from gateway.store.outbox import statements as sql
from gateway.store.records import Refusal
from gateway.store.store import Keep, Store
from tests.store.conftest import Opener
from tests.store.kit import LEASE, act, event, new, other, settlement, table, take

DAY = 86_400.0
KEEP = Keep(delivered=timedelta(days=7), unrouted=timedelta(days=3), dead=timedelta(days=90))


async def finish(store: Store, state: str, number: int) -> None:
    await take(store, new(number, "app", lease=None))
    (lease,) = await store.claim("app", 1, LEASE)
    await store.settle([settlement(lease, state)])


def kept(url: str) -> list[int]:
    return [int(id_, 16) for (id_,) in table(url, "id", "events", "seq")]


async def test_each_kind_of_finished_event_stays_as_long_as_its_setting(
    opened: Opener, url: str, clock: FrozenClock
) -> None:
    store = await opened(keep=KEEP)
    await take(store, new(1))
    await finish(store, "delivered", 2)
    await finish(store, "dead", 3)
    await take(store, other(1, "held"))
    for days, left in (
        (2.9, [1, 2, 3, 1]),
        (0.2, [2, 3, 1]),
        (3.8, [2, 3, 1]),
        (0.2, [3, 1]),
        (82.8, [3, 1]),
        (0.2, []),
    ):
        clock.advance(days * DAY)
        await store.sweep()
        assert kept(url) == left


async def test_an_event_with_an_open_delivery_is_never_deleted(store: Store, url: str, clock: FrozenClock) -> None:
    await take(store, new(1, "app", "ops"))
    (lease,) = await store.claim("app", 1, LEASE)
    await store.settle([settlement(lease)])
    clock.advance(1000 * DAY)
    assert await store.sweep() == 0
    assert kept(url) == [1]


async def test_a_delivery_counts_from_its_own_end(store: Store, url: str, clock: FrozenClock) -> None:
    await take(store, new(1, "app"))
    clock.advance(6.9 * DAY)
    (lease,) = await store.claim("app", 1, LEASE)
    await store.settle([settlement(lease)])
    clock.advance(6.9 * DAY)
    assert await store.sweep() == 0
    clock.advance(0.2 * DAY)
    assert await store.sweep() == 1
    assert table(url, "*", "deliveries") == []
    assert table(url, "*", "attempts") == []


async def test_nothing_is_deleted_before_a_day_whatever_the_settings(opened: Opener, clock: FrozenClock) -> None:
    nothing = timedelta(0)
    store = await opened(keep=Keep(delivered=nothing, unrouted=nothing, dead=nothing, remember=nothing))
    await take(store, new(1))
    clock.advance(0.99 * DAY)
    assert await store.sweep() == 0
    clock.advance(0.02 * DAY)
    assert await store.sweep() == 1


async def test_a_pass_walks_many_windows_and_stops_at_what_is_young(
    opened: Opener, url: str, clock: FrozenClock
) -> None:
    store = await opened(keep=KEEP)
    for n in range(0, 500, 100):
        await store.accept([new(event(i, at=clock.now())) for i in range(n, n + 100)])
    await finish(store, "dead", 1000)
    clock.advance(4 * DAY)
    await store.accept([new(event(i, at=clock.now())) for i in range(2000, 2100)])
    assert await store.sweep() == 500
    assert kept(url) == [1000, *range(2000, 2100)]
    assert len(table(url, "id", "remembered")) == 500
    clock.advance(40 * DAY)
    assert await store.sweep() == 100
    assert {int(id_, 16) for (id_,) in table(url, "id", "remembered")} == set()


async def test_the_variant_of_a_deleted_event_is_remembered_too(opened: Opener, clock: FrozenClock) -> None:
    store = await opened()
    await take(store, new(1), other(1, "second", hold_conflicts=False))
    clock.advance(8 * DAY)
    assert await store.sweep() == 2
    (answer,) = await take(store, other(1, "second", "app", lease=LEASE, hold_conflicts=False))
    assert (answer.new, answer.leases) == (False, ())


# -- limits ---------------------------------------------------------------------------------------------------------


async def test_past_the_limit_of_waiting_deliveries_accepts_are_refused_and_the_rest_goes_on(
    opened: Opener, clock: FrozenClock
) -> None:
    store = await opened(keep=Keep(waiting=4))
    await take(store, new(1, "app", "ops"), new(2, "app", "ops"))
    with pytest.raises(StoreFull, match=r"4 deliveries wait.*limits\.waiting"):
        store.accept([new(3, "app")])
    (lease,) = await store.claim("app", 1, LEASE)
    await store.settle([settlement(lease)])
    await take(store, new(3, "app"))
    with pytest.raises(StoreFull):
        store.accept([new(4)])


async def test_what_waited_before_the_start_counts(opened: Opener) -> None:
    store = await opened()
    await take(store, new(1, "app"), new(2, "app"))
    await store.close()
    store = await opened(keep=Keep(waiting=2))
    with pytest.raises(StoreFull):
        store.accept([new(3)])


async def test_what_a_person_ended_is_seen_at_the_next_count(
    opened: Opener, url: str, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.outbox.limits.COUNT_INTERVAL_SECONDS", 0.0)
    monkeypatch.setattr("gateway.store.outbox.limits.COUNT_SHARE", 0)
    store = await opened(keep=Keep(waiting=1))
    await take(store, new(1, "app"))
    act(url, clock, sql.CANCEL, id=1, note="")
    with pytest.raises(StoreFull):
        store.accept([new(2)])
    await store.sinks()
    assert (await take(store, new(2)))[0].new


async def test_too_little_free_disk_refuses_accepts_only(tmp_path: Path, open_at: Opener) -> None:
    store = await open_at(url=f"sqlite:///{tmp_path}/small.db", keep=Keep(free_disk=2**60))
    with pytest.raises(StoreFull, match=r"MiB free.*limits\.free_disk"):
        store.accept([new(1)])
    await store.ping()
    assert store.healthy()


async def test_a_folder_that_cannot_be_asked_for_free_space_is_no_limit(
    tmp_path: Path, open_at: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def statvfs(_path: object) -> None:
        raise OSError("gone")

    store = await open_at(url=f"sqlite:///{tmp_path}/small.db", keep=Keep(free_disk=2**60))
    monkeypatch.setattr(os, "statvfs", statvfs)
    assert (await take(store, new(1)))[0].new


# -- refused callbacks ----------------------------------------------------------------------------------------------


def refusal(number: int, source: str = "live", **changes: object) -> Refusal:
    usual: dict[str, object] = {
        "source": source,
        "code": "signature_mismatch",
        "detail": "no key fits",
        "received_at": number,
        "method": "POST",
        "path": "/hooks/live",
        "headers": (("Content-Type", "application/json"), ("X", "ü")),
        "body": b"{}",
        "size": 2,
        "peer": "192.0.2.1",
    }
    return Refusal(**(usual | changes))  # type: ignore[arg-type]


@pytest.mark.plain_rows
async def test_the_last_few_refused_callbacks_of_each_source_are_kept(opened: Opener, url: str) -> None:
    store = await opened(keep=Keep(refused=3))
    for n in range(10):
        store.keep_refusal(refusal(n))
    store.keep_refusal(refusal(99, "other"))
    await store.ping()
    assert table(url, "source, received_at", "refused", "id") == [("live", n) for n in (7, 8, 9)] + [("other", 99)]
    ((headers,), *_) = table(url, "headers", "refused", "id")
    assert json.loads(headers) == [["Content-Type", "application/json"], ["X", "ü"]]


async def test_what_verified_and_was_refused_is_not_pushed_out_by_what_never_verified(opened: Opener, url: str) -> None:
    store = await opened(keep=Keep(refused=3))
    for n in range(5):
        store.keep_refusal(refusal(n, code="signature_expired", verified=True))
    for n in range(10, 40):
        store.keep_refusal(refusal(n))
    store.keep_refusal(refusal(50, ""))
    await store.ping()
    kept = [("live", 1, n) for n in (2, 3, 4)] + [("live", 0, n) for n in (37, 38, 39)] + [("", 0, 50)]
    assert table(url, "source, verified, received_at", "refused", "id") == kept


@pytest.mark.plain_rows
async def test_what_cannot_be_stored_of_a_refused_callback_is_replaced(opened: Opener, url: str) -> None:
    store = await opened()
    store.keep_refusal(
        refusal(1, path="/hooks/\0\ud800", detail="x" * 9000, body=b"x" * 70_000, size=70_000, peer=None)
    )
    await store.ping()
    assert table(url, "path, body, size, peer", "refused") == [("/hooks/\ufffd?", b"", 70_000, None)]


async def test_with_keep_refused_zero_none_is_kept(opened: Opener, url: str) -> None:
    store = await opened(keep=Keep(refused=0))
    store.keep_refusal(refusal(1))
    await store.ping()
    assert table(url, "*", "refused") == []


# -- counting -------------------------------------------------------------------------------------------------------


async def test_sinks_are_counted_by_lane_with_their_oldest(store: Store, url: str, clock: FrozenClock) -> None:
    start = clock.ms()
    await take(store, *[new(n, "app") for n in range(5)], *[new(n, "ord", key="k") for n in range(10, 13)])
    clock.advance(10)
    leases = await store.claim("app", 2, LEASE)
    await store.settle([settlement(leases[0], "dead")])
    await store.trip("gone", 1_000, "down")
    rows = {row.name: row for row in await store.sinks()}
    app = rows["app"]
    assert (app.waiting, app.sending, app.dead, app.oldest_waiting_at) == (3, 1, 1, start)
    assert (rows["ord"].waiting, rows["ord"].sending) == (3, 0)
    assert (rows["gone"].waiting, rows["gone"].oldest_waiting_at, rows["gone"].gate.pauses) == (0, None, 1)


async def test_what_is_tried_again_waits_since_it_came_and_not_until_its_next_try(
    store: Store, clock: FrozenClock
) -> None:
    """Because a sink that fails each delivery by itself, without its circuit, would never be behind."""
    start = clock.ms()
    await take(store, new(1, "app"))
    for _ in range(2):
        clock.advance(100)
        [lease] = await store.claim("app", 1, LEASE)
        await store.settle([settlement(lease, "waiting", delay=60_000)])
    [app] = await store.sinks()
    assert (app.waiting, app.oldest_waiting_at) == (1, start)


async def test_due_names_the_least_due_time_of_what_a_claim_reads(store: Store, clock: FrozenClock) -> None:
    assert not await store.due()
    start = clock.ms()
    await take(store, new(1, "app", lease=LEASE), new(2, "ops"), new(3, "ord", key="k"), new(4, "ord", key="k"))
    assert {one.sink: one.at for one in await store.due()} == {"app": start + LEASE, "ops": start, "ord": start}
    (lease,) = await store.claim("ops", 1, LEASE)
    await store.settle([settlement(lease)])
    assert {one.sink for one in await store.due()} == {"app", "ord"}
