"""What people do, seen by the gateway that runs beside them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from gateway.errors import NotFound
from gateway.runtime.clock import FrozenClock
from gateway.store.admin.admin import Actor, StoreAdmin
from gateway.store.outbox.accept import accept
from gateway.store.records import Accepted, Held, NewEvent
from gateway.store.store import Store
from tests.patience import PATIENCE_S
from tests.store.kit import LEASE, beside, event, new, other, settlement, table, take
from tests.store_admin.beside import MINUTE, claim, finished, settle


def taken(admin: StoreAdmin, events: Sequence[NewEvent]) -> Sequence[Accepted]:
    """Accept events beside the gateway, as refused callbacks are that pass after all."""
    unleased = [replace(one, deliveries=tuple(replace(to, lease=None) for to in one.deliveries)) for one in events]
    return admin._connections.change(lambda session: accept(session, [unleased], "admin")[0])


# -- retry


@pytest.mark.parametrize(("state", "replay"), [("dead", False), ("delivered", True)])
async def test_a_finished_delivery_begins_a_new_round(
    store: Store, admin: StoreAdmin, state: str, replay: bool
) -> None:
    await take(store, new(1, "app"))
    old = await finished(store, state)
    assert admin.retry(old.delivery) == "a new round begins"
    (row,) = admin.deliveries()
    assert (row.state, row.round, row.attempts, row.reason, row.finished_at) == ("waiting", 1, 0, None, None)
    (lease,) = await claim(store)
    assert (lease.delivery, lease.round, lease.attempt, lease.replay) == (old.delivery, 1, 1, replay)
    assert lease.token > old.token
    assert not await settle(store, old, "delivered")


async def test_a_waiting_delivery_is_due_now_and_its_time_starts_afresh(
    store: Store, admin: StoreAdmin, clock: FrozenClock
) -> None:
    await take(store, new(1, "app"))
    (lease,) = await claim(store)
    await settle(store, lease, "waiting", delay=MINUTE, memo={"done": [1]})
    clock.advance(30)
    assert not await claim(store)
    assert admin.retry(lease.delivery) == "due now"
    (again,) = await claim(store)
    assert (again.attempt, again.round, again.memo) == (2, 0, {"done": [1]})
    assert again.first_at == clock.ms()


async def test_time_that_the_sink_stood_still_before_a_retry_by_hand_is_not_counted_twice(
    store: Store, admin: StoreAdmin, clock: FrozenClock
) -> None:
    await take(store, new(1, "app"))
    (lease,) = await claim(store)
    await settle(store, lease, "waiting", delay=1)
    admin.pause("app")
    clock.advance(100)
    admin.retry(lease.delivery)
    admin.resume("app")
    (again,) = await claim(store)
    assert (await store.gates())["app"].stalled == 100_000 == again.stalled


async def test_what_is_on_its_way_is_not_sent_twice_by_a_retry(store: Store, admin: StoreAdmin, url: str) -> None:
    ((accepted),) = await take(store, new(1, "app", lease=LEASE))
    before = table(url, "*", "deliveries")
    assert admin.retry(accepted.leases[0].delivery) == "already on its way"
    assert table(url, "*", "deliveries") == before


async def test_a_retry_says_what_the_delivery_still_waits_for(
    store: Store, admin: StoreAdmin, clock: FrozenClock
) -> None:
    await take(store, new(1, "app", key="k"), new(2, "app", key="k"), new(3, "ops"))
    ops, behind, _ = admin.deliveries()
    assert admin.retry(behind.id) == "due when it is its turn: an older one of its stream comes first"
    await store.trip("ops", MINUTE, "down")
    assert admin.retry(ops.id) == "due as soon as its sink's circuit closes"
    admin.pause("ops")
    assert admin.retry(ops.id) == "due as soon as its sink goes on: it is paused"
    assert not await claim(store, "ops")


async def test_a_dead_delivery_of_a_stream_gets_behind_its_head(store: Store, admin: StoreAdmin) -> None:
    await take(store, new(1, "app", key="k"), new(2, "app", key="k"))
    (dead,) = await claim(store)
    await settle(store, dead, "dead")
    admin.retry(dead.delivery)
    assert [row.waits_for for row in admin.deliveries()] == [None, "order"]
    (second,) = await claim(store)
    await settle(store, second, "delivered")
    (again,) = await claim(store)
    assert again.delivery == dead.delivery


async def test_what_is_not_there_cannot_be_retried_or_cancelled(store: Store, admin: StoreAdmin) -> None:
    with pytest.raises(NotFound):
        admin.retry(7)
    with pytest.raises(NotFound):
        admin.cancel(7)


# -- cancel


async def test_a_waiting_delivery_is_cancelled_and_not_claimed(store: Store, admin: StoreAdmin) -> None:
    await take(store, new(1, "app"))
    (row,) = admin.deliveries()
    assert admin.cancel(row.id) == "cancelled"
    (row,) = admin.deliveries()
    assert (row.state, row.reason) == ("dead", "cancelled")
    assert not await claim(store)
    assert admin.cancel(row.id) == "finished already: dead"


async def test_a_delivery_on_its_way_is_fenced_by_a_cancel(store: Store, admin: StoreAdmin) -> None:
    await take(store, new(1, "app"))
    (lease,) = await claim(store)
    assert admin.cancel(lease.delivery) == "cancelled; the attempt under way may still arrive"
    assert not await settle(store, lease, "waiting")
    assert admin.deliveries()[0].state == "dead"


async def test_a_cancelled_head_lets_the_next_of_its_stream_go(store: Store, admin: StoreAdmin) -> None:
    await take(store, *[new(n, "app", key="k") for n in (1, 2, 3)])
    assert admin.cancel(admin.deliveries()[2].id) == "cancelled"
    (lease,) = await claim(store)
    assert lease.event.id == f"{2:032x}"
    admin.cancel(lease.delivery)
    (lease,) = await claim(store)
    assert lease.event.id == f"{3:032x}"


# -- pause and resume


async def test_a_paused_sink_is_claimed_from_no_more_until_it_is_resumed(
    store: Store, admin: StoreAdmin, url: str
) -> None:
    await take(store, new(1, "app", "ops"))
    assert admin.pause("app", actor=Actor("me\0", "here"))
    assert not admin.pause("app", actor=Actor("another", "there"))
    assert table(url, "paused_by", "sinks") == [("me\ufffd@here",)]
    assert not await claim(store)
    assert await claim(store, "ops")
    assert admin.resume("app")
    assert not admin.resume("app")
    assert not admin.resume("never")
    assert len(await claim(store)) == 1


# -- refused retry


async def test_what_is_taken_at_the_admin_side_is_delivered_by_the_gateway(
    store: Store, admin: StoreAdmin, url: str
) -> None:
    (accepted,) = taken(admin, [new(1, "app", lease=LEASE)])
    assert (accepted.new, accepted.leases, accepted.waiting) == (True, (), ("app",))
    assert [lease.event.id for lease in await claim(store)] == [f"{1:032x}"]
    (again,) = taken(admin, [new(1, "app")])
    assert not again.new
    (conflict,) = taken(admin, [other(1, "a", "app")])
    assert conflict.held is Held.CONFLICT


# -- the gateway beside it


@pytest.mark.whole_server
async def test_the_running_gateway_hears_of_every_change(store: Store, admin: StoreAdmin, clock: FrozenClock) -> None:
    woken: asyncio.Queue[str] = asyncio.Queue()
    store.listen(woken.put_nowait)

    async def heard(sink: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while await woken.get() != sink:
                pass

    await store.ping()
    while not woken.empty():
        woken.get_nowait()
    for _ in range(20):  # until the listener of PostgreSQL listens
        taken(admin, [new(event(1, id=f"{_:032x}"), "app")])
        try:
            async with asyncio.timeout(1):
                await heard("app")
                break
        except TimeoutError:
            continue
    while leases := await claim(store):
        await store.settle([settlement(lease, "delivered") for lease in leases])
    while not woken.empty():
        woken.get_nowait()
    taken(admin, [new(50, "ops")])
    await heard("ops")
    (lease,) = await claim(store, "ops")
    await settle(store, lease, "dead")
    admin.retry(lease.delivery)
    await heard("ops")
    admin.replay(f"{50:032x}", sinks=["app"])
    await heard("app")
    admin.move("app", "late")
    await heard("late")


async def test_a_retry_by_hand_begins_to_count_the_crashes_anew(store: Store, admin: StoreAdmin, url: str) -> None:
    await take(store, new(1, "app"))
    (lease,) = await store.claim("app", 1, LEASE)
    await store.settle([settlement(lease, "dead")])
    with beside(url) as session:
        session.change("UPDATE deliveries SET losses = 3, lone_losses = 5, alone = 1")
    admin.retry_many([lease.delivery])
    assert table(url, "round, losses, lone_losses, alone", "deliveries") == [(1, 0, 0, 0)]
