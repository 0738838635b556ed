"""What people see that a delivery waits for."""

from __future__ import annotations

from collections.abc import Callable

from gateway.runtime.clock import FrozenClock
from gateway.store.admin.admin import StoreAdmin
from gateway.store.admin.delivery_filter import DeliveryFilter
from gateway.store.store import Store
from tests.store.kit import LEASE, new, pause, resume, take
from tests.store_admin.shown import AT, settle, waits_for


async def test_a_delivery_that_may_go_waits_for_nothing(store: Store, admin: StoreAdmin) -> None:
    await take(store, new(1, "app"))
    (row,) = admin.deliveries()
    assert (row.state, row.waits_for, row.attempts, row.round, row.reason, row.last_error) == (
        "waiting",
        None,
        0,
        0,
        None,
        None,
    )
    assert row.next_attempt_at == AT
    assert (row.event_id, row.event_ref, row.sink, row.finished_at) == (f"{1:032x}", f"{1:032x}", "app", None)


async def test_a_delivery_of_a_sink_that_is_not_configured_is_orphaned(
    store: Store, admin: StoreAdmin, admins: Callable[..., StoreAdmin]
) -> None:
    await take(store, new(1, "gone"))
    assert waits_for(admin) == ["orphaned"]
    assert admin.deliveries()[0].next_attempt_at is None
    assert waits_for(admins(configured=())) == ["orphaned"]
    assert waits_for(admins()) == [None]  # nobody said what is configured


async def test_paused_hides_circuit_and_circuit_hides_retry(
    store: Store, admin: StoreAdmin, url: str, clock: FrozenClock
) -> None:
    await take(store, new(1, "app"))
    await settle(store, "app", "waiting", delay=60_000)
    assert waits_for(admin) == ["retry"]
    assert admin.deliveries()[0].next_attempt_at == AT + 60_000
    await store.trip("app", 5_000, "down")
    assert waits_for(admin) == ["circuit"]
    assert admin.deliveries()[0].next_attempt_at == AT + 5_000
    pause(url, clock, "app")
    assert waits_for(admin) == ["paused"]
    assert admin.deliveries()[0].next_attempt_at is None
    resume(url, clock, "app")
    assert waits_for(admin) == ["circuit"]


async def test_a_retry_that_is_due_waits_no_longer(store: Store, admin: StoreAdmin, clock: FrozenClock) -> None:
    await take(store, new(1, "app"))
    await settle(store, "app", "waiting", delay=60_000, detail="busy")
    clock.advance(61)
    (row,) = admin.deliveries()
    assert (row.waits_for, row.attempts, row.last_error) == (None, 1, "busy")


async def test_a_delivery_behind_the_head_of_its_stream_waits_for_order(store: Store, admin: StoreAdmin) -> None:
    await take(store, new(1, "app", key="k"), new(2, "app", key="k"))
    assert waits_for(admin) == ["order", None]
    assert admin.deliveries()[0].next_attempt_at is None


async def test_a_due_delivery_of_a_rated_or_batched_sink_waits_for_that(
    store: Store, admins: Callable[..., StoreAdmin]
) -> None:
    await take(store, new(1, "app", "ops"))
    assert waits_for(admins(configured=("app", "ops"), rated=("app",), batched=("ops", "app"))) == ["batch", "rate"]


async def test_what_is_sent_or_finished_waits_for_nothing(
    store: Store, admin: StoreAdmin, url: str, clock: FrozenClock
) -> None:
    await take(store, new(1, "app", "ops", lease=LEASE), new(2, "app"))
    await settle(store, "app", "dead", reason="refused", detail="no such room")
    pause(url, clock, "app")
    dead, ops, app = admin.deliveries()
    assert (dead.state, dead.waits_for, dead.reason, dead.last_error) == ("dead", None, "refused", "no such room")
    assert (dead.finished_at, dead.next_attempt_at) == (AT, None)
    assert (ops.state, ops.waits_for, ops.next_attempt_at) == ("sending", None, None)
    assert (app.state, app.waits_for) == ("sending", None)


def test_what_a_filter_is_kept_as_says_held_as_the_api_does_and_makes_the_same_filter() -> None:
    filter = DeliveryFilter(waits_for="retry", sink=("app", "ops"))
    kept = {"held": "retry", "sink": ["app", "ops"]}
    assert filter.criteria() == kept
    assert DeliveryFilter.of_criteria(kept) == filter
