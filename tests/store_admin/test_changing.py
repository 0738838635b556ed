"""What people do, seen by the gateway that runs beside them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.errors import NotFound, StoreError
from gateway.model import order_key
from gateway.runtime.clock import FrozenClock
from gateway.store.admin import bulk
from gateway.store.admin.admin import Actor, DeliveryFilter, StoreAdmin
from gateway.store.outbox.accept import accept
from gateway.store.records import Accepted, Held, Lease, NewEvent
from gateway.store.store import Store
from tests.store.kit import LEASE, beside, event, new, other, settlement, table, take

MINUTE = 60_000


async def claim(store: Store, sink: str = "app", most: int = 10) -> list[Lease]:
    return list(await store.claim(sink, most, LEASE))


async def settle(store: Store, lease: Lease, state: str, **changes: object) -> bool:
    (done,) = await store.settle([settlement(lease, state, **changes)])
    return done


async def finished(store: Store, state: str, sink: str = "app") -> Lease:
    """One delivery that ended so."""
    (lease,) = await claim(store, sink)
    await settle(store, lease, state)
    return lease


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
    assert [row.held for row in admin.deliveries()] == [None, "order"]
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


# -- move


async def test_waiting_deliveries_move_to_another_sink_as_never_tried(
    store: Store, admin: StoreAdmin, url: str
) -> None:
    await take(store, new(1, "old"), new(2, "old", "app"), new(3, "old", lease=LEASE))
    (lease,) = await claim(store, "old", 1)
    await settle(store, lease, "waiting", delay=MINUTE, memo={"a": 1}, detail="busy")
    assert sorted(answer.text for answer in admin.move("old", "app").answers) == ["cancelled", "moved"]
    assert [(row.sink, row.state, row.reason) for row in reversed(admin.deliveries())] == [
        ("app", "waiting", None),
        ("old", "dead", "cancelled"),
        ("app", "waiting", None),
        ("old", "sending", None),
    ]
    first, second = await claim(store)
    assert {first.event.id, second.event.id} == {f"{1:032x}", f"{2:032x}"}
    moved = next(one for one in (first, second) if one.delivery == lease.delivery)
    assert (moved.attempt, moved.memo, moved.round) == (1, {}, 0)
    assert moved.token > lease.token
    assert admin.deliveries(sink="app")[-1].last_error is None


async def test_many_move_in_several_transactions_and_a_stream_keeps_its_order(
    store: Store, admin: StoreAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "BATCH_ROWS_MAX", 2)
    await take(store, *[new(n, "old", key="ab"[n % 2]) for n in range(1, 8)], new(20, "app", key="a"))
    assert admin.move("old", "app").done == 7
    assert admin.move("old", "app").done == 0
    seen: list[int] = []
    while leases := await claim(store):
        assert len({lease.order_key for lease in leases}) == len(leases)
        for lease in leases:
            seen.append(int(lease.event.id, 16))
            await settle(store, lease, "delivered")
    assert [n for n in seen if n % 2] == [1, 3, 5, 7]
    assert [n for n in seen if not n % 2] == [20, 2, 4, 6]


async def test_a_stream_of_which_some_are_moved_is_never_stuck(
    store: Store, admin: StoreAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    await take(store, new(1, "old", "app", key="k"), new(2, "old", key="k"), new(3, "old", key="k"))
    monkeypatch.setattr(bulk, "BATCH_ROWS_MAX", 1)
    chosen = admin.choose(DeliveryFilter(sink="old", state="waiting"))
    (answer,) = admin.move("old", "app", deliveries=chosen[:1]).answers
    assert answer.text == "cancelled"
    (lease,) = await claim(store, "old")  # the second is the head now
    assert lease.event.id == f"{2:032x}"
    assert admin.move("old", "app").done == 1
    assert await settle(store, lease, "delivered")


async def test_a_sink_is_not_moved_to_itself(store: Store, admin: StoreAdmin) -> None:
    with pytest.raises(StoreError, match="the same sink"):
        admin.move("app", "app")


# -- replay


async def test_a_replay_goes_to_the_sinks_of_the_first_time_and_leaves_what_is_open_alone(
    store: Store, admin: StoreAdmin
) -> None:
    await take(store, new(1, "app", "ops"))
    done = await finished(store, "delivered")
    rows = admin.replay(f"{1:032x}")
    assert [(row.id, row.sink, row.state, row.round) for row in rows] == [(done.delivery, "app", "waiting", 1)]
    (lease,) = await claim(store)
    assert (lease.replay, lease.event.id) == (True, f"{1:032x}")
    (first,) = await claim(store, "ops")
    assert (first.replay, first.round) == (False, 0)
    assert admin.replay(f"{1:032x}") == []


async def test_a_replay_to_named_sinks_adds_those_that_never_had_it(store: Store, admin: StoreAdmin) -> None:
    await take(store, new(1, "app"))
    await finished(store, "dead")
    rows = admin.replay("000000"[:6] + f"{1:032x}"[6:], sinks=["ops", "app", "ops"])
    assert [(row.sink, row.round) for row in rows] == [("app", 1), ("ops", 0)]
    (lease,) = await claim(store, "ops")
    assert lease.replay


async def test_an_event_that_no_route_wanted_is_replayed_by_the_routes_of_today(
    store: Store, admin: StoreAdmin
) -> None:
    await take(store, new(1))
    with pytest.raises(StoreError, match="no route wanted the event"):
        admin.replay(f"{1:032x}")
    again = admin.replay(f"{1:032x}", sinks=["app"], routing='[{"route":"new"}]', actor=Actor("ann", "host"))
    assert [row.sink for row in again] == ["app"]
    shown = admin.event(f"{1:032x}")
    assert shown.routing == "[]"  # what the routes said when it came is never rewritten
    assert [(one.made_by, one.routing) for one in shown.verdicts] == [("ann@host", '[{"route":"new"}]')]
    assert len(await claim(store)) == 1
    assert admin.replay(f"{1:032x}", sinks=[], routing="[]") == []


async def test_a_held_event_is_released_and_not_replayed(store: Store, admin: StoreAdmin) -> None:
    await take(store, new(1, "app"), other(1, "a", "app"))
    (row,) = admin.events(held=True)
    with pytest.raises(StoreError, match="is held"):
        admin.replay(row.ref, sinks=["app"])


async def test_what_is_added_to_an_ordered_sink_waits_behind_its_stream(
    store: Store, desks: Callable[..., StoreAdmin]
) -> None:
    admin = desks(configured=("app", "ops"), ordered=("app",))
    stream = order_key("live", event(1).subject, ordered=True)
    await take(store, new(2, "app", key=stream), new(1), new(event(3, domain=None, app=None, stream=None)))
    admin.replay(f"{1:032x}", sinks=["app", "ops"])
    admin.replay(f"{3:032x}", sinks=["app"])
    assert [(row.sink, row.held) for row in admin.deliveries()] == [
        ("app", None),
        ("ops", None),
        ("app", "order"),
        ("app", None),
    ]


# -- release


async def test_a_released_event_is_delivered_and_held_no_more(store: Store, admin: StoreAdmin) -> None:
    await take(store, new(1, "app"), other(1, "a", "app"))
    (row,) = admin.events(held=True)
    assert [one.sink for one in admin.release(row.ref, ["app", "ops"])] == ["app", "ops"]
    assert admin.events(held=True) == []
    assert admin.event(row.ref).row.deliveries == {"waiting": 2}
    (lease,) = [one for one in await claim(store) if one.event.job_id == "a"]
    assert not lease.replay
    with pytest.raises(StoreError, match="is not held"):
        admin.release(row.ref, ["app"])
    (again,) = await take(store, other(1, "a", "app"))
    assert (again.new, again.held) == (False, None)


async def test_a_quarantined_event_with_an_id_of_its_own_is_released_too(store: Store, admin: StoreAdmin) -> None:
    await take(store, new(1, seal=b"s" * 16, seal_most=1), new(2, "app", seal=b"s" * 16, seal_most=1))
    (row,) = admin.events(held=True)
    assert row.held is Held.QUARANTINED
    admin.release(row.ref, ["app"])
    assert [lease.event.id for lease in await claim(store)] == [f"{2:032x}"]


async def test_a_release_to_no_sink_only_ends_the_hold(store: Store, admin: StoreAdmin) -> None:
    await take(store, new(1), other(1, "a"))
    (row,) = admin.events(held=True)
    assert admin.release(row.ref, []) == []
    assert admin.event(row.ref).row.held is None


# -- erase


async def test_an_erased_event_is_gone_with_all_that_was_kept_of_it_but_known(
    store: Store, admin: StoreAdmin, url: str
) -> None:
    await take(store, new(1, "app", "ops"), other(1, "a"), new(2, "app"))
    await finished(store, "delivered", "ops")
    admin.erase(f"{1:032x}")
    with pytest.raises(NotFound, match="only its id is remembered"):
        admin.event(f"{1:032x}")
    assert [row.id for row in admin.events()] == [f"{2:032x}"]
    assert table(url, "count(*)", "deliveries") == [(1,)]
    assert table(url, "count(*)", "attempts") == [(0,)]
    (again, changed) = await take(store, new(1, "app"), other(1, "a"))
    assert (again.new, again.held, changed.held) == (False, None, None)
    assert table(url, "count(*)", "events") == [(1,)]


async def test_a_delivery_on_its_way_ends_quietly_when_its_event_is_erased(store: Store, admin: StoreAdmin) -> None:
    await take(store, new(1, "app"), new(2, "app", key="k"))
    leases = await claim(store)
    admin.erase(f"{1:032x}")
    assert [await settle(store, lease, "delivered") for lease in leases] == [False, True]


async def test_an_erased_head_lets_the_next_of_its_stream_go(store: Store, admin: StoreAdmin) -> None:
    await take(store, new(1, "app", key="k"), new(2, "app", key="k"))
    admin.erase(f"{1:032x}")
    assert [lease.event.id for lease in await claim(store)] == [f"{2:032x}"]


async def test_only_the_named_variant_is_erased(store: Store, admin: StoreAdmin) -> None:
    await take(store, new(1), other(1, "a"), other(1, "b"))
    a, b = admin.event(f"{1:032x}").beside
    admin.erase(a.ref)
    assert [row.ref for row in admin.event(f"{1:032x}").beside] == [b.ref]


@pytest.mark.parametrize("size", [40, 40_000])
async def test_erased_bytes_are_not_in_the_file_any_more(tmp_path: Path, clock: FrozenClock, size: int) -> None:
    canary = b"canary-5f2c1e"
    path = tmp_path / "gateway.db"
    store = Store(f"sqlite:///{path}", clock=clock)
    await store.open(lock_wait=0)
    await take(store, new(event(1, raw=canary + b"x" * size + canary), "app"))
    with StoreAdmin(f"sqlite:///{path}", clock=clock) as admin:
        admin.erase(f"{1:032x}")
    await store.close()
    assert canary not in path.read_bytes()
    assert not path.with_name("gateway.db-wal").exists()


# -- refused retry


async def test_what_is_taken_at_the_desk_is_delivered_by_the_gateway(store: Store, admin: StoreAdmin, url: str) -> None:
    (accepted,) = taken(admin, [new(1, "app", lease=LEASE)])
    assert (accepted.new, accepted.leases, accepted.waiting) == (True, (), ("app",))
    assert [lease.event.id for lease in await claim(store)] == [f"{1:032x}"]
    (again,) = taken(admin, [new(1, "app")])
    assert not again.new
    (conflict,) = taken(admin, [other(1, "a", "app")])
    assert conflict.held is Held.CONFLICT


# -- the gateway beside it


async def test_the_running_gateway_hears_of_every_change(store: Store, admin: StoreAdmin, clock: FrozenClock) -> None:
    woken: asyncio.Queue[str] = asyncio.Queue()
    store.listen(woken.put_nowait)

    async def heard(sink: str) -> None:
        async with asyncio.timeout(10):
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
