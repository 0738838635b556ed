"""Deliveries that move to another sink, events that are replayed or released: what is on its way stays what it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.errors import StoreError
from gateway.model import order_key
from gateway.store.admin import bulk
from gateway.store.admin.admin import Actor, DeliveryFilter, StoreAdmin
from gateway.store.records import Held
from gateway.store.store import Store
from tests.store.kit import LEASE, event, new, other, take
from tests.store_admin.beside import MINUTE, claim, finished, settle

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
    store: Store, admins: Callable[..., StoreAdmin]
) -> None:
    admin = admins(configured=("app", "ops"), ordered=("app",))
    stream = order_key("live", event(1).subject, ordered=True)
    await take(store, new(2, "app", key=stream), new(1), new(event(3, domain=None, app=None, stream=None)))
    admin.replay(f"{1:032x}", sinks=["app", "ops"])
    admin.replay(f"{3:032x}", sinks=["app"])
    assert [(row.sink, row.waits_for) for row in admin.deliveries()] == [
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
