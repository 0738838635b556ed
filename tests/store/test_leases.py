"""The way of a delivery: claim, renew, settle, release, cancel, retry by hand; and that only the token counts."""

from __future__ import annotations

import pytest

from gateway.model import Outcome
from gateway.runtime.clock import FrozenClock
from gateway.store.outbox import statements as sql
from gateway.store.store import Store
from tests.store.claimed import claim_one
from tests.store.kit import LEASE, act, event, new, settlement, states, table, take

ROW = "state, rank, token, attempts, due_at, owner, memo, reason, last_error, note"


TRIES = "delivery, token, outcome, status, detail"


async def test_a_claim_leases_due_rows_with_their_events_oldest_first(
    store: Store, url: str, clock: FrozenClock
) -> None:
    await take(store, *[new(n, "app") for n in (3, 1, 2)], new(4, "ops"))
    leases = await store.claim("app", 2, LEASE)
    assert [lease.event for lease in leases] == [event(3), event(1)]
    assert {(lease.token, lease.attempt, lease.until) for lease in leases} == {(1, 1, clock.ms() + LEASE)}
    assert [lease.event.stream for lease in await store.claim("app", 10, LEASE)] == ["s2"]
    assert await store.claim("app", 10, LEASE) in ([], ())
    assert [state for _, state in states(url)] == ["sending"] * 3 + ["waiting"]


async def test_a_row_is_not_claimed_before_it_is_due(store: Store, clock: FrozenClock) -> None:
    await take(store, new(1, "app"))
    await store.settle([settlement(await claim_one(store), "waiting", delay=5_000)])
    clock.advance(4.999)
    assert not await store.claim("app", 1, LEASE)
    clock.advance(0.001)
    assert (await claim_one(store)).attempt == 2


async def test_a_claim_asks_for_no_more_than_a_hundred(store: Store) -> None:
    await take(store, *[new(n, "app") for n in range(120)])
    assert len(await store.claim("app", 10_000, LEASE)) == 100
    assert len(await store.claim("app", 10_000, LEASE)) == 20


async def test_settling_as_delivered_ends_the_delivery_and_records_the_attempt(
    store: Store, url: str, clock: FrozenClock
) -> None:
    await take(store, new(1, "app"))
    lease = await claim_one(store)
    clock.advance(1)
    assert await store.settle([settlement(lease, detail="receipt 7", status=204)]) == [True]
    assert table(url, ROW, "deliveries") == [
        ("delivered", 1, 1, 1, clock.ms(), None, None, None, None, "receipt 7"),
    ]
    assert table(url, TRIES, "attempts") == [(lease.delivery, 1, "delivered", 204, "receipt 7")]


async def test_settling_as_retry_waits_for_the_delay_and_keeps_the_memo(
    store: Store, url: str, clock: FrozenClock
) -> None:
    await take(store, new(1, "app"))
    lease = await claim_one(store)
    memo = {"done": ["a@example.com", "乙"], "n": 3}
    await store.settle([settlement(lease, "waiting", delay=1_500, memo=memo, detail="HTTP 503", status=503)])
    assert table(url, ROW, "deliveries")[0][:6] == ("waiting", 1, 1, 1, clock.ms() + 1_500, None)
    clock.advance(2)
    again = await claim_one(store)
    assert (again.token, again.attempt, dict(again.memo)) == (2, 2, memo)
    await store.settle([settlement(again)])
    ((*_, memo_left, reason, error, note),) = table(url, ROW, "deliveries")
    assert (memo_left, reason, error, note) == (None, None, "HTTP 503", "delivered 2")


@pytest.mark.parametrize("reason", ["refused", "expired"])
async def test_settling_as_dead_says_why(store: Store, url: str, reason: str) -> None:
    await take(store, new(1, "app"))
    await store.settle([settlement(await claim_one(store), "dead", reason=reason, detail="HTTP 422")])
    ((state, *_, found, error, _),) = table(url, ROW, "deliveries")
    assert (state, found, error) == ("dead", reason, "HTTP 422")
    assert not await store.claim("app", 1, LEASE)


async def test_an_unavailable_attempt_is_recorded_and_given_back(store: Store, url: str) -> None:
    await take(store, new(1, "app"))
    lease = await claim_one(store)
    await store.settle([settlement(lease, "waiting", outcome=Outcome.UNAVAILABLE, burnt=False)])
    assert table(url, "attempts, token", "deliveries") == [(0, 1)]
    assert table(url, TRIES, "attempts")[0][:3] == (lease.delivery, 1, "unavailable")


async def test_first_at_is_the_first_attempt_of_the_round_and_begins_afresh_when_it_was_given_back(
    store: Store, clock: FrozenClock
) -> None:
    await take(store, new(1, "app"))
    clock.advance(10)
    lease = await claim_one(store)
    assert lease.first_at == clock.ms()
    await store.settle([settlement(lease, "waiting")])
    clock.advance(10)
    again = await claim_one(store)
    assert again.first_at == lease.first_at
    await store.release([(again.delivery, again.token)])
    await store.settle([settlement(await claim_one(store), "waiting", outcome=Outcome.UNAVAILABLE, burnt=False)])
    clock.advance(10)
    assert (await claim_one(store)).first_at == lease.first_at


async def test_the_same_settlement_twice_is_the_same_as_once(store: Store, url: str) -> None:
    await take(store, new(1, "app"), new(2, "app"))
    leases = await store.claim("app", 2, LEASE)
    both = [settlement(leases[0]), settlement(leases[1], "waiting", delay=10)]
    assert await store.settle(both) == [True, True]
    before = table(url, "*", "deliveries"), table(url, "*", "attempts")
    assert await store.settle([*both, *both]) == [True] * 4
    assert (table(url, "*", "deliveries"), table(url, "*", "attempts")) == before


@pytest.mark.parametrize("stale", [0, 2, 7])
async def test_a_settle_renew_or_release_with_another_token_changes_no_column(
    store: Store, url: str, stale: int
) -> None:
    await take(store, new(1, "app"))
    lease = await claim_one(store)
    before = table(url, "*", "deliveries")
    wrong = (lease.delivery, stale)
    assert (
        await store.settle([settlement(wrong), settlement(wrong, "dead"), settlement(wrong, "waiting")]) == [False] * 3
    )
    assert await store.renew(*wrong, LEASE * 9) is False
    await store.release([wrong])
    assert table(url, "*", "deliveries") == before
    assert await store.settle([settlement(lease)]) == [True]
    assert table(url, TRIES, "attempts", "token")[-1][1:3] == (1, "delivered")


async def test_a_lease_that_ended_is_claimed_again_and_the_try_is_recorded_as_lost(
    store: Store, url: str, clock: FrozenClock
) -> None:
    await take(store, new(1, "app", lease=LEASE))
    clock.advance(LEASE / 1000 - 0.001)
    assert not await store.claim("app", 1, LEASE)
    clock.advance(0.001)
    lease = await claim_one(store)
    assert (lease.token, lease.attempt) == (2, 2)
    assert table(url, TRIES, "attempts") == [(lease.delivery, 1, "lost", None, "")]


async def test_a_late_settle_is_lost_but_people_see_what_it_said(store: Store, url: str, clock: FrozenClock) -> None:
    (answer,) = await take(store, new(1, "app", lease=LEASE))
    (late,) = answer.leases
    clock.advance(60)
    lease = await claim_one(store)
    before = table(url, "*", "deliveries")
    assert await store.settle([settlement(late)]) == [False]
    assert table(url, "*", "deliveries") == before
    assert table(url, TRIES, "attempts") == [(late.delivery, 1, "delivered", None, "delivered 1")]
    assert await store.settle([settlement(lease, "waiting")]) == [True]


async def test_what_this_process_is_running_is_not_claimed_a_second_time(store: Store, clock: FrozenClock) -> None:
    (answer,) = await take(store, new(1, "app", lease=LEASE))
    clock.jump(3600)
    running = [answer.leases[0].delivery]
    assert not await store.claim("app", 10, LEASE, running=running)
    await store.settle([settlement(answer.leases[0], "waiting")])
    assert not await store.claim("app", 10, LEASE, running=running)
    assert len(await store.claim("app", 10, LEASE)) == 1


async def test_a_renewed_lease_ends_later(store: Store, clock: FrozenClock) -> None:
    (answer,) = await take(store, new(1, "app", lease=LEASE))
    clock.advance(40)
    assert await store.renew(answer.leases[0].delivery, 1, LEASE) is True
    clock.advance(40)
    assert not await store.claim("app", 1, LEASE)
    clock.advance(5)
    assert await store.claim("app", 1, LEASE)


async def test_a_released_lease_burns_no_attempt_and_is_fresh_again_if_it_was(
    store: Store, url: str, clock: FrozenClock
) -> None:
    await take(store, new(1, "app"), new(2, "app"))
    first, second = await store.claim("app", 2, LEASE)
    await store.settle([settlement(second, "waiting")])
    second = await claim_one(store)
    pairs = [(first.delivery, first.token), (second.delivery, second.token)]
    await store.release(pairs, delay=2_000)
    assert table(url, "state, rank, token, attempts, due_at, owner", "deliveries", "id") == [
        ("waiting", 0, 1, 0, clock.ms() + 2_000, None),
        ("waiting", 1, 2, 1, clock.ms() + 2_000, None),
    ]
    assert len(table(url, TRIES, "attempts")) == 1
    before = table(url, "*", "deliveries")
    await store.release(pairs)
    assert table(url, "*", "deliveries") == before


async def test_after_release_and_claim_the_old_token_settles_nothing(store: Store, url: str) -> None:
    await take(store, new(1, "app"))
    old = await claim_one(store)
    await store.release([(old.delivery, old.token)])
    lease = await claim_one(store)
    assert lease.token > old.token
    assert await store.settle([settlement(old)]) == [False]
    assert states(url) == [("app", "sending")]


async def test_a_late_settle_of_an_erased_delivery_does_not_hit_a_stranger(
    store: Store, url: str, clock: FrozenClock
) -> None:
    (answer,) = await take(store, new(1, "app", lease=LEASE))
    act(url, clock, "DELETE FROM events WHERE seq = (SELECT max(e.seq) FROM events e)")
    (stranger,) = await take(store, new(2, "app", lease=LEASE))
    assert await store.settle([settlement(answer.leases[0], "dead"), settlement(stranger.leases[0])]) == [False, True]
    assert states(url) == [("app", "delivered")]


async def test_cancelling_ends_a_waiting_or_sent_delivery_and_fences_its_worker(
    store: Store, url: str, clock: FrozenClock
) -> None:
    (answer,) = await take(store, new(1, "app", lease=LEASE))
    lease = answer.leases[0]
    assert act(url, clock, sql.CANCEL, id=lease.delivery, note="by hand") == [("app", None)]
    assert await store.settle([settlement(lease)]) == [False]
    ((state, rank, token, *_, reason, _, note),) = table(url, ROW, "deliveries")
    assert (state, rank, token, reason, note) == ("dead", 1, 2, "cancelled", "by hand")
    assert not act(url, clock, sql.CANCEL, id=lease.delivery, note="again")


async def test_a_retry_by_hand_begins_a_new_round(store: Store, url: str, clock: FrozenClock) -> None:
    await take(store, new(1, "app"))
    await store.settle([settlement(await claim_one(store), "waiting")])
    await store.settle([settlement(await claim_one(store), "dead")])
    clock.advance(100)
    assert act(url, clock, sql.NEW_ROUND, id=1, replay=1) == [("app", None)]
    assert not act(url, clock, sql.NEW_ROUND, id=1, replay=1)
    lease = await claim_one(store)
    assert (lease.round, lease.attempt, lease.token, lease.replay) == (1, 1, 3, True)
    assert lease.first_at == clock.ms()


async def test_details_that_a_database_refuses_are_made_storable(store: Store, url: str) -> None:
    await take(store, new(1, "app"), new(2, "app"))
    leases = await store.claim("app", 2, LEASE)
    bad = "NUL \0 surrogate \ud800 " + "x" * 5000
    memo = {"key": object(), ("a", "b"): 1, "nul": "\0"}
    assert await store.settle(
        [settlement(leases[0], "waiting", detail=bad, memo=memo), settlement(leases[1], detail=bad)]
    ) == [True, True]
    for (detail,) in table(url, "detail", "attempts"):
        assert detail.startswith("NUL \ufffd surrogate ?")
        assert len(detail) == 2000
    again = await claim_one(store)
    assert again.memo["nul"] == "\0"
