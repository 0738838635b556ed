"""What a store hands out to consumers of a pull sink: leased like any delivery, but by nobody's process."""

from __future__ import annotations

from gateway.runtime.clock import FrozenClock
from gateway.store.outbox import statements as sql
from gateway.store.store import Store
from tests.store.conftest import Opener
from tests.store.kit import LEASE, act, beside, event, new, pause, resume, settlement, states, table, take


async def ids(store: Store, most: int = 10, limit: int = 100) -> list[str]:
    return [lease.event.id for lease in (await store.lease_out("q", most, LEASE, limit)).leases]


async def test_a_consumer_is_given_what_is_due_and_the_rest_stays(store: Store, url: str, clock: FrozenClock) -> None:
    await take(store, *[new(n, "q") for n in (1, 2, 3)], new(4, "other"))
    given = await store.lease_out("q", 2, LEASE, 100)
    assert [lease.event for lease in given.leases] == [event(1), event(2)]
    assert {(lease.token, lease.attempt, lease.until) for lease in given.leases} == {(1, 1, clock.ms() + LEASE)}
    assert [one.event.id for one in await store.peek("q", 5)] == [event(3).id]
    assert [row[0] for row in table(url, "owner, state", "deliveries", "id")][:2] == ["consumer"] * 2
    assert await ids(store) == [event(3).id]
    assert (await store.lease_out("q", 5, LEASE, 100)).why == "empty"


async def test_a_look_leaves_out_what_cannot_be_read(store: Store, url: str) -> None:
    await take(store, new(1, "q"), new(2, "q"))
    with beside(url) as session:
        session.change(f"UPDATE events SET body = '{{}}' WHERE id = '{event(1).id}'")
    assert [one.event.id for one in await store.peek("q", 5)] == [event(2).id]
    assert await ids(store) == [event(2).id], "and a claim ends it"


async def test_no_more_are_leased_at_once_than_the_sink_allows(store: Store, clock: FrozenClock) -> None:
    await take(store, *[new(n, "q") for n in range(5)])
    assert len(await ids(store, 10, 3)) == 3
    full = await store.lease_out("q", 10, LEASE, 3)
    assert (full.leases, full.why) == ((), "concurrency")
    clock.advance(LEASE / 1000 + 0.001)  # leases that ended hold no place
    assert len(await ids(store, 10, 3)) == 3


async def test_a_paused_sink_gives_nothing_and_an_old_circuit_does_not_hold_it(
    store: Store, url: str, clock: FrozenClock
) -> None:
    await take(store, new(1, "q"))
    pause(url, clock, "q")
    assert (await store.lease_out("q", 1, LEASE, 9)).why == "paused"
    resume(url, clock, "q")
    await store.trip("q", 3_600_000, "when it was a forward")
    assert await ids(store) == [event(1).id]
    assert (await store.gates())["q"].open_until is None


async def test_of_one_stream_one_is_out_at_a_time(store: Store) -> None:
    await take(store, new(1, "q", key="a"), new(2, "q", key="a"), new(3, "q", key="b"))
    given = (await store.lease_out("q", 10, LEASE, 100)).leases
    assert [lease.event.id for lease in given] == [event(1).id, event(3).id]
    await store.settle([settlement(given[0])])
    assert await ids(store) == [event(2).id]


async def test_what_is_leased_is_found_by_its_token_until_it_is_ended(store: Store, clock: FrozenClock) -> None:
    await take(store, new(1, "q"))
    ((lease,), _) = (given := await store.lease_out("q", 1, LEASE, 9)).leases, given.why
    clock.advance(7)
    (held, stale, foreign) = [
        (await store.leased(sink, [(lease.delivery, token)]))[0]
        for sink, token in (("q", lease.token), ("q", lease.token + 1), ("other", lease.token))
    ]
    assert held is not None
    assert (held.event, held.attempt, held.elapsed, held.until) == (lease.event, 1, 7_000, lease.until)
    assert stale is foreign is None
    at = clock.ms() - 7_000
    assert await store.ended_as(lease.delivery, lease.token, at) is None
    await store.settle([settlement(lease, started_at=at)])
    assert await store.leased("q", [(lease.delivery, lease.token)]) == [None]
    assert await store.ended_as(lease.delivery, lease.token, at) == "delivered"


async def test_a_lease_is_extended_by_whoever_has_it_alone(store: Store, clock: FrozenClock) -> None:
    await take(store, new(1, "q"), new(2, "q"))
    one, two = (await store.lease_out("q", 2, LEASE, 9)).leases
    clock.advance(10)
    pairs = [(two.delivery, two.token), (one.delivery, one.token + 1), (one.delivery, one.token)]
    untils = await store.extend(pairs, 600_000)
    assert untils == [clock.ms() + 600_000, None, clock.ms() + 600_000]
    clock.advance(LEASE / 1000)
    assert await ids(store) == []


async def test_a_lease_that_ends_is_a_lost_attempt_of_no_process(store: Store, url: str, clock: FrozenClock) -> None:
    await take(store, new(1, "q"))
    await ids(store)
    clock.advance(LEASE / 1000)
    (again,) = (await store.lease_out("q", 1, LEASE, 9)).leases
    assert (again.attempt, again.lost, again.losses) == (2, True, 0)
    assert table(url, "token, outcome", "attempts") == [(1, "lost")]


async def test_what_consumers_hold_is_theirs_over_a_restart(opened: Opener, url: str, clock: FrozenClock) -> None:
    store = await opened(owner="host:1:a")
    await take(store, new(1, "q"), new(2, "app"))
    (lease,) = (await store.lease_out("q", 1, LEASE, 9)).leases
    await store.claim("app", 1, LEASE)
    key = await store.receipt_key()
    await store.close()
    store = await opened(owner="host:2:b")
    assert await store.receipt_key() == key
    assert await ids(store) == []
    assert await store.settle([settlement(lease)]) == [True]
    assert ("q", "delivered") in states(url)


async def test_a_lease_that_ended_over_a_restart_and_was_extended_then_is_theirs_over_the_next(
    opened: Opener, url: str, clock: FrozenClock
) -> None:
    store = await opened()
    await take(store, new(1, "q"))
    (lease,) = (await store.lease_out("q", 1, LEASE, 9)).leases
    clock.advance(LEASE / 1000 + 1)
    for _ in range(2):
        await store.close()
        store = await opened()
        assert await store.extend([(lease.delivery, lease.token)], LEASE) == [clock.ms() + LEASE]
    assert table(url, "state, owner, due_at", "deliveries") == [("sending", "consumer", clock.ms() + LEASE)]
    await store.close()
    store = await opened()
    assert await ids(store) == []


async def test_what_a_consumer_held_is_no_loss_when_its_sink_becomes_one_that_is_called(
    store: Store, url: str, clock: FrozenClock
) -> None:
    await take(store, new(1, "q"))
    await ids(store)
    clock.advance(LEASE / 1000 + 1)
    (lease,) = await store.claim("q", 1, LEASE)
    assert (lease.losses, lease.attempt) == (0, 2)


async def test_what_a_gateway_held_is_handed_out_when_its_sink_becomes_one_that_is_fetched_from(
    opened: Opener, url: str, clock: FrozenClock
) -> None:
    store = await opened(owner="host:1:gone")
    await take(store, new(1, "q"))
    await store.claim("q", 1, LEASE)
    await store.close()
    store = await opened(owner="host:2:here")
    clock.advance(LEASE / 1000 + 30)
    (lease,) = (await store.lease_out("q", 1, LEASE, 9)).leases
    assert lease.attempt == 2


async def test_a_cancelled_delivery_is_nobodys_any_more(store: Store, url: str, clock: FrozenClock) -> None:
    await take(store, new(1, "q"))
    (lease,) = (await store.lease_out("q", 1, LEASE, 9)).leases
    act(url, clock, sql.CANCEL, id=lease.delivery, note="")
    assert await store.leased("q", [(lease.delivery, lease.token)]) == [None]
    assert await store.settle([settlement(lease)]) == [False]
