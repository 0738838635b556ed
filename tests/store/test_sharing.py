"""Several gateways on one PostgreSQL, and people beside one on SQLite: work is shared, nothing is done twice, all are woken."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from gateway.errors import StoreUnavailable
from gateway.runtime.clock import FrozenClock
from gateway.store.postgres.session import PostgresSession
from gateway.store.records import Held
from gateway.store.store import Store
from tests.patience import PATIENCE_S
from tests.store.conftest import Opener
from tests.store.kit import LEASE, beside, new, other, settlement, states, table, take


async def test_two_gateways_share_the_work_and_no_delivery_is_claimed_twice(
    pair: tuple[Store, Store], postgres_url: str
) -> None:
    await pair[0].accept([new(n, "app") for n in range(200)])
    taken: list[tuple[int, int]] = []

    async def carry(store: Store) -> int:
        mine = 0
        while leases := await store.claim("app", 7, LEASE):
            mine += len(leases)
            taken.extend((lease.delivery, lease.token) for lease in leases)
            assert await store.settle([settlement(lease) for lease in leases]) == [True] * len(leases)
        return mine

    shares = await asyncio.gather(*[carry(store) for store in pair])
    assert sum(shares) == len(taken) == len(set(taken)) == 200
    assert min(shares) > 0
    assert {state for _, state in states(postgres_url)} == {"delivered"}


async def test_a_dead_gateways_leases_are_claimed_by_the_other_when_they_end(
    pair: tuple[Store, Store], clock: FrozenClock
) -> None:
    first, second = pair
    await take(first, *[new(n, "app", lease=LEASE) for n in range(5)])
    assert not await second.claim("app", 10, LEASE)
    clock.advance(60)
    assert len(await second.claim("app", 10, LEASE)) == 5


async def test_one_event_that_comes_to_both_at_once_is_new_once(pair: tuple[Store, Store], postgres_url: str) -> None:
    for n in range(30):
        answers = await asyncio.gather(*[store.accept([new(n, "app", lease=LEASE)]) for store in pair])
        assert sorted(answer[0].new for answer in answers) == [False, True]
    assert len(states(postgres_url)) == 30


async def test_batches_with_the_same_ids_in_opposite_order_do_not_deadlock(pair: tuple[Store, Store]) -> None:
    numbers = list(range(64))
    for round_ in range(20):
        base = 1000 * round_
        batches = [[new(base + n, "app") for n in order] for order in (numbers, numbers[::-1])]
        answers = await asyncio.gather(*[store.accept(batch) for store, batch in zip(pair, batches, strict=True)])
        assert sum(one.new for answer in answers for one in answer) == 64


async def test_other_content_that_comes_to_both_at_once_is_kept_once(
    pair: tuple[Store, Store], postgres_url: str
) -> None:
    await take(pair[0], new(1))
    answers = await asyncio.gather(*[store.accept([other(1, "forged")]) for store in pair])
    assert sorted(answer[0].held is Held.CONFLICT for answer in answers) == [False, True]
    assert table(postgres_url, "conflicts", "events", "seq") == [(1,), (0,)]


async def test_one_seal_over_two_contents_at_two_gateways_is_quarantined_at_one(pair: tuple[Store, Store]) -> None:
    for n in range(20):
        seal = f"seal {n}".encode()
        answers = await asyncio.gather(
            *[store.accept([new(2 * n + i, seal=seal, seal_most=1)]) for i, store in enumerate(pair)]
        )
        assert Counter(answer[0].held for answer in answers) == {None: 1, Held.QUARANTINED: 1}


async def test_two_accepters_and_two_settlers_leave_no_key_stuck_and_none_in_flight_twice(
    open_at: Opener, postgres_url: str, pair: tuple[Store, Store]
) -> None:
    settlers = (await open_at(url=postgres_url), await open_at(url=postgres_url))
    accepted = 0
    flying: Counter[str] = Counter()
    worst = 0
    done = asyncio.Event()
    rng = random.Random(1)

    async def accept(store: Store, base: int) -> None:
        nonlocal accepted
        for n in range(60):
            events = [new(base + 10 * n + i, "app", key=f"k{rng.randrange(6)}") for i in range(3)]
            answers = await store.accept(events)
            accepted += len(answers)

    async def carry(store: Store) -> int:
        nonlocal worst
        count = 0
        while True:
            leases = await store.claim("app", 5, LEASE)
            if not leases and done.is_set():
                return count
            flying.update(lease.order_key for lease in leases if lease.order_key)
            worst = max(worst, *flying.values(), 0)
            await asyncio.sleep(0)
            flying.subtract(lease.order_key for lease in leases if lease.order_key)
            assert await store.settle([settlement(lease) for lease in leases]) == [True] * len(leases)
            count += len(leases)

    carriers = [asyncio.create_task(carry(store)) for store in settlers]
    await asyncio.gather(accept(pair[0], 0), accept(pair[1], 10_000))
    done.set()
    counts = await asyncio.gather(*carriers)
    assert worst == 1
    stuck = table(
        postgres_url,
        "h.order_key",
        "deliveries h WHERE h.rank = 2 AND NOT EXISTS (SELECT 1 FROM deliveries o WHERE o.sink = h.sink "
        "AND o.order_key = h.order_key AND o.rank <> 2 AND o.state IN ('waiting','sending'))",
    )
    assert stuck == []
    # A carrier may have looked just before the last promotion: what is left is claimable.
    left = 0
    while leases := await settlers[0].claim("app", 100, LEASE):
        left += len(leases)
        await settlers[0].settle([settlement(lease) for lease in leases])
    assert sum(counts) + left == accepted == 360


async def test_another_gateways_circuit_and_probe_are_honoured(pair: tuple[Store, Store], clock: FrozenClock) -> None:
    first, second = pair
    await first.trip("app", 1_000, "down")
    assert (await second.gates())["app"].open_until == clock.ms() + 1_000
    clock.advance(2)
    marks = await asyncio.gather(first.probe("app", LEASE), second.probe("app", LEASE))
    assert sorted(mark is None for mark in marks) == [False, True]


async def test_a_server_that_is_too_old_or_not_utf8_is_refused(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.postgres.session.SERVER_VERSION_MIN", 999_999)
    with pytest.raises(StoreUnavailable, match="too old"):
        await Store(postgres_url).open()


async def test_a_database_that_is_not_utf8_is_refused(postgres_url: str) -> None:
    name = "gateway_latin"
    with beside(postgres_url) as session:
        session.rows(f"CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
        try:
            scheme, _, rest = postgres_url.partition("@/")
            with pytest.raises(StoreUnavailable, match="LATIN1"):
                await Store(f"{scheme}@/{name}?{rest.partition('?')[2]}").open()
        finally:
            session.rows(f"DROP DATABASE {name} WITH (FORCE)")


async def test_tables_of_another_program_are_named_and_left_alone(postgres_url: str) -> None:
    with beside(postgres_url) as session:
        session.rows("CREATE TABLE events (theirs int)")
    with pytest.raises(StoreUnavailable, match=r"already exists.*database of its own"):
        await Store(postgres_url).open()
    assert table(postgres_url, "*", "events") == []


WAITING_FOR_A_LOCK = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


async def test_an_outcome_whose_event_is_erased_at_that_moment_is_only_lost(open_at: Opener, postgres_url: str) -> None:
    store = await open_at(url=postgres_url)
    await take(store, new(1, "app"), new(2, "app"))
    leases = await store.claim("app", 2, LEASE)
    with beside(postgres_url) as session, beside(postgres_url) as onlooker:
        assert isinstance(session, PostgresSession)
        session.connection.execute("BEGIN")  # as `events erase` does, which has not committed when the outcomes come
        session.change("DELETE FROM events WHERE id = :id", {"id": leases[0].event.id})
        settled = store.settle([settlement(lease) for lease in leases])
        while onlooker.rows(WAITING_FOR_A_LOCK) == [(0,)]:
            await asyncio.sleep(0.01)
        session.connection.execute("COMMIT")
        assert await asyncio.wait_for(settled, PATIENCE_S) == [False, True]
