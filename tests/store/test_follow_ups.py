"""What follows on a delivery: stored with its outcome or not at all, once, past every limit; and what a long one keeps."""

from __future__ import annotations

import json

import pytest

from gateway.errors import ItemRefused
from gateway.model import RECORDING_ARCHIVED, Cause, Event, Progress
from gateway.runtime.clock import FrozenClock
from gateway.store.records import Lease, NewDelivery, NewEvent
from gateway.store.store import Keep, Store
from tests.store.conftest import Opener
from tests.store.kit import LEASE, beside, event, new, settlement, states, table, take


def follow_up(cause: Event, *sinks: str | NewDelivery, number: int = 100, content: str = "x") -> NewEvent:
    """What follows on this event, always with the same fingerprint, as the dispatcher makes it."""
    made = event(number, type=RECORDING_ARCHIVED, cause=Cause(cause.ref, "app"), depth=1, job_id=content, raw=b"")
    return new(made, *sinks, fingerprint=b"f" * 16)


async def claim_one(store: Store, sink: str = "app") -> Lease:
    (lease,) = await store.claim(sink, 1, LEASE)
    return lease


async def test_it_is_stored_with_the_outcome_and_waits_for_its_own_sinks(store: Store, url: str) -> None:
    await take(store, new(1, "app"))
    lease = await claim_one(store)
    settled = await store.settle_with(settlement(lease), [follow_up(lease.event, "chat", "rows")])
    assert settled.kept
    assert [(one.new, one.waiting) for one in settled.accepted] == [(True, ("chat", "rows"))]
    assert table(url, "id, type, cause", "events", "seq") == [
        (event(1).id, event(1).type, None),
        (event(100).id, RECORDING_ARCHIVED, event(1).id),
    ]
    assert states(url) == [("app", "delivered"), ("chat", "waiting"), ("rows", "waiting")]
    assert table(url, "outcome", "attempts") == [("delivered",)]
    carried = await claim_one(store, "chat")
    assert carried.event.cause == Cause(event(1).id, "app")
    assert carried.event.depth == 1


async def test_where_the_lease_was_lost_nothing_is_stored(store: Store, url: str, clock: FrozenClock) -> None:
    await take(store, new(1, "app"))
    lost = await claim_one(store)
    clock.advance(LEASE / 1000 + 1)
    await claim_one(store)
    settled = await store.settle_with(settlement(lost), [follow_up(lost.event, "chat")])
    assert (settled.kept, list(settled.accepted)) == (False, [])
    assert len(table(url, "seq", "events")) == 1
    assert states(url) == [("app", "sending")]


async def test_the_same_settlement_again_is_kept_and_stores_nothing_new(store: Store, url: str) -> None:
    """Its commit's answer was lost, so it is asked once more."""
    await take(store, new(1, "app"))
    lease = await claim_one(store)
    for first in (True, False):
        settled = await store.settle_with(settlement(lease), [follow_up(lease.event, "chat")])
        assert (settled.kept, [one.new for one in settled.accepted]) == (True, [first])
    assert len(table(url, "seq", "events")) == 2
    assert states(url) == [("app", "delivered"), ("chat", "waiting")]


async def test_made_again_with_other_words_it_is_a_repeat_and_no_conflict(store: Store, url: str) -> None:
    await take(store, new(1, "app"), new(2, "app"))
    first, second = await store.claim("app", 2, LEASE)
    await store.settle_with(settlement(first), [follow_up(first.event, "chat", content="a")])
    settled = await store.settle_with(settlement(second), [follow_up(first.event, "chat", content="b")])
    assert [(one.new, one.held) for one in settled.accepted] == [(False, None)]
    assert len(table(url, "seq", "events")) == 3


async def test_limits_do_not_hold_it_up(opened: Opener, url: str) -> None:
    store = await opened(keep=Keep(waiting=1))
    await take(store, new(1, "app"))
    lease = await claim_one(store)
    settled = await store.settle_with(settlement(lease), [follow_up(lease.event, "a", "b", "c")])
    assert settled.accepted[0].new
    assert len(states(url)) == 4


async def test_it_stands_behind_an_older_one_of_its_stream_and_frees_what_stood_behind_its_cause(
    store: Store, url: str
) -> None:
    """With `order: stream`: the settlement of a head lets the next go, and the follow-up takes its place at the end."""
    key = "live push.example.com/live/s1"
    await take(store, new(1, NewDelivery(sink="app", order_key=key)), new(2, NewDelivery(sink="app", order_key=key)))
    lease = await claim_one(store)
    await store.settle_with(settlement(lease), [follow_up(lease.event, NewDelivery(sink="app", order_key=key))])
    assert table(url, "state, rank", "deliveries") == [("delivered", 1), ("waiting", 0), ("waiting", 2)]


async def test_one_that_the_database_refuses_takes_its_settlement_along_and_nothing_else(
    store: Store, url: str
) -> None:
    """The caller writes the outcome alone then; no half of it stands."""
    await take(store, new(1, "app"), new(2, "app"))
    first, second = await store.claim("app", 2, LEASE)
    bad = follow_up(first.event, "chat").replace(routing=None)
    refused = store.settle_with(settlement(first), [bad])
    other = store.settle_with(settlement(second), [follow_up(second.event, "chat", number=101)])
    with pytest.raises(ItemRefused):
        await refused
    assert (await other).kept
    assert states(url) == [("app", "sending"), ("app", "delivered"), ("chat", "waiting")]
    assert await store.settle([settlement(first)]) == [True]


# --- long deliveries


@pytest.mark.plain_rows
async def test_alive_begins_the_lease_anew_and_keeps_memo_and_progress(
    store: Store, url: str, clock: FrozenClock
) -> None:
    await take(store, new(1, "app"))
    lease = await claim_one(store)
    clock.advance(30)
    progress = Progress(5, 10, "segment 1 of 2")
    assert await store.keep_alive(lease.delivery, lease.token, LEASE, {"offset": 5}, progress)
    assert await store.keep_alive(lease.delivery, lease.token, LEASE, None, None)  # as it was
    ((due, memo, kept, token),) = table(url, "due_at, memo, progress, token", "deliveries")
    assert (due, json.loads(memo), json.loads(kept), token) == (
        clock.ms() + LEASE,
        {"offset": 5},
        {"done": 5, "total": 10, "text": "segment 1 of 2"},
        lease.token,
    )
    clock.advance(LEASE / 1000 + 1)
    again = await claim_one(store)
    assert (again.memo, again.lost) == ({"offset": 5}, True)


async def test_a_lost_lease_is_not_kept_alive_and_its_memo_changes_nothing(
    store: Store, url: str, clock: FrozenClock
) -> None:
    await take(store, new(1, "app"))
    lost = await claim_one(store)
    clock.advance(LEASE / 1000 + 1)
    await claim_one(store)
    before = table(url, "*", "deliveries")
    assert not await store.keep_alive(lost.delivery, lost.token, LEASE, {"offset": 5}, Progress(1, 2))
    assert table(url, "*", "deliveries") == before


async def test_a_memo_that_was_kept_takes_back_what_was_lost_before(store: Store, url: str) -> None:
    await take(store, new(1, "app"))
    lease = await claim_one(store)
    table_of = "losses, lone_losses"
    with beside(url) as side, side.atomic():
        side.change("UPDATE deliveries SET losses = 3, lone_losses = 2")
    assert await store.keep_alive(lease.delivery, lease.token, LEASE, None, Progress(text="still here"))
    assert table(url, table_of, "deliveries") == [(3, 2)]
    assert await store.keep_alive(lease.delivery, lease.token, LEASE, {"offset": 1}, None)
    assert table(url, table_of, "deliveries") == [(0, 0)]


@pytest.mark.plain_rows
async def test_an_emptied_memo_is_kept_as_empty(store: Store, url: str) -> None:
    await take(store, new(1, "app"))
    lease = await claim_one(store)
    for memo in ({"offset": 1}, {}):
        await store.keep_alive(lease.delivery, lease.token, LEASE, memo, None)
    assert table(url, "memo", "deliveries") == [("{}",)]
