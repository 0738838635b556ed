"""What a callback becomes in the store: new, duplicate, held; and its deliveries."""

from __future__ import annotations

import pytest

from gateway.model import Event
from gateway.runtime.clock import FrozenClock
from gateway.store.records import Held, NewDelivery
from gateway.store.store import Keep, Store
from tests.store.conftest import Opener
from tests.store.kit import LEASE, act, event, new, other, pause, settlement, states, table, take

DAY = 86_400.0


@pytest.mark.plain_rows
async def test_a_new_event_is_stored_whole_with_a_waiting_delivery_for_each_sink(store: Store, url: str) -> None:
    one = new(1, "app", "ops", raw_type="text/plain", routing='[{"route":"x"}]')
    (answer,) = await take(store, one)
    assert (answer.id, answer.new, answer.held, answer.leases) == (one.event.id, True, None, ())
    assert answer.waiting == ("app", "ops")
    columns = "id, source, type, subject, received_at, fingerprint, body, raw, raw_type, routing, held, conflicts"
    (row,) = table(url, columns, "events")
    made = one.event
    when = round(made.received_at.timestamp() * 1000)
    assert row[:5] == (made.id, "live", made.type, made.subject, when)
    assert row[5:] == (one.fingerprint, one.body, made.raw, "text/plain", '[{"route":"x"}]', None, 0)
    assert table(url, "sink, state, rank, token, attempts, round", "deliveries") == [
        ("app", "waiting", 0, 0, 0, 0),
        ("ops", "waiting", 0, 0, 0, 0),
    ]


async def test_the_media_type_of_the_vendors_bytes_comes_back_with_them(store: Store) -> None:
    await take(store, new(1, "app", raw_type="application/json; charset=utf-8"))
    await take(store, new(2, "app", raw_type="text/plain"))
    (first,) = await store.claim("app", 1, LEASE)
    (second,) = await store.claim("app", 1, LEASE, probe=True)
    assert {lease.event.raw_type for lease in (first, second)} == {"application/json; charset=utf-8", "text/plain"}


async def test_an_event_that_no_route_wants_is_stored_without_deliveries(store: Store, url: str) -> None:
    (answer,) = await take(store, new(1))
    assert answer.new
    assert len(table(url, "seq", "events")) == 1
    assert states(url) == []


async def test_a_repeat_is_a_duplicate_and_changes_nothing(store: Store, url: str) -> None:
    await take(store, new(1, "app"))
    before = table(url, "*", "events"), table(url, "*", "deliveries")
    (again,) = await take(store, new(1, "app", "ops", lease=LEASE))
    assert (again.new, again.held, again.leases, again.waiting) == (False, None, (), ())
    assert (table(url, "*", "events"), table(url, "*", "deliveries")) == before


async def test_the_same_id_many_times_in_one_batch_is_new_once(store: Store, url: str) -> None:
    answers = await take(store, *[new(1, "app") for _ in range(20)], *[new(2, "app") for _ in range(20)])
    assert [answer.new for answer in answers].count(True) == 2
    assert answers[0].new
    assert answers[20].new
    assert len(states(url)) == 2


async def test_a_delivery_is_handed_over_leased_and_is_the_event_itself(
    store: Store, url: str, clock: FrozenClock
) -> None:
    one = new(1, "app", lease=LEASE)
    (answer,) = await take(store, one)
    (lease,) = answer.leases
    assert lease.event is one.event
    assert (lease.token, lease.attempt, lease.round, lease.replay) == (1, 1, 0, False)
    assert (lease.first_at, lease.until, lease.stalled) == (clock.ms(), clock.ms() + LEASE, 0)
    assert answer.waiting == ()
    assert table(url, "state, rank, token, attempts, due_at, first_at", "deliveries") == [
        ("sending", 3, 1, 1, clock.ms() + LEASE, clock.ms())
    ]


async def test_a_paused_or_open_sink_is_handed_nothing(store: Store, url: str, clock: FrozenClock) -> None:
    pause(url, clock, "app")
    await store.trip("ops", 60_000, "down")
    (answer,) = await take(store, new(1, "app", "ops", "free", lease=LEASE))
    assert [lease.sink for lease in answer.leases] == ["free"]
    assert set(answer.waiting) == {"app", "ops"}
    assert set(states(url)) == {("app", "waiting"), ("ops", "waiting"), ("free", "sending")}


async def test_events_of_one_callback_are_stored_all_or_none(store: Store, url: str) -> None:
    bad = new(2, "app", routing="\ud800")
    with pytest.raises(Exception, match="refused"):
        await store.accept([new(1, "app"), bad])
    assert table(url, "id", "events") == []
    first, second = await store.accept([new(1, "app"), new(2, "ops")])
    assert first.new
    assert second.new


# -- other content under a known id ---------------------------------------------------------------------------------


async def test_other_content_under_a_known_id_is_held_beside_the_first_without_deliveries(
    store: Store, url: str
) -> None:
    await take(store, new(1, "app"))
    (answer,) = await take(store, other(1, "forged", "app", lease=LEASE))
    assert (answer.new, answer.held, answer.leases) == (False, Held.CONFLICT, ())
    first, second = table(url, "variant, held, conflicts", "events", "seq")
    assert first == (b"", None, 1)
    assert second == (other(1, "forged").fingerprint, "conflict", 0)
    assert states(url) == [("app", "waiting")]


async def test_the_held_content_again_is_a_plain_duplicate(store: Store, url: str) -> None:
    await take(store, new(1), other(1))
    (again,) = await take(store, other(1))
    assert (again.new, again.held) == (False, None)
    assert table(url, "conflicts", "events", "seq") == [(1,), (0,)]


async def test_ten_other_contents_are_kept_and_for_the_rest_there_is_no_room(store: Store, url: str) -> None:
    await take(store, new(1))
    answers = await take(store, *[other(1, f"content {n}") for n in range(15)])
    assert [answer.held for answer in answers] == [Held.CONFLICT] * 10 + [None] * 5
    assert [answer.full for answer in answers] == [False] * 10 + [True] * 5
    assert not any(answer.new for answer in answers)
    rows = table(url, "conflicts", "events", "seq")
    assert len(rows) == 11
    assert rows[0] == (15,)


async def test_with_on_conflict_deliver_the_other_content_is_delivered_too(store: Store, url: str) -> None:
    await take(store, new(1, "app"))
    (answer,) = await take(store, other(1, "second", "app", lease=LEASE, hold_conflicts=False))
    assert (answer.new, answer.held) == (False, None)
    (lease,) = answer.leases
    assert lease.event.job_id == "second"
    assert table(url, "held", "events", "seq") == [(None,), (None,)]
    (again,) = await take(store, other(1, "second", "app", lease=LEASE, hold_conflicts=False))
    assert again.leases == ()


@pytest.mark.plain_rows
async def test_forged_then_genuine_the_genuine_is_in_the_store(store: Store, url: str) -> None:
    await take(store, other(1, "forged", "app"))
    await take(store, new(1, "app"))
    bodies = [body for (body,) in table(url, "body", "events", "seq")]
    assert bodies == [other(1, "forged").body, new(1).body]


# -- seals ----------------------------------------------------------------------------------------------------------


async def test_a_signature_that_named_one_file_and_comes_over_another_is_quarantined(store: Store, url: str) -> None:
    first, second = await take(
        store, new(1, "app", seal=b"s" * 16, seal_most=1), new(2, "app", lease=LEASE, seal=b"s" * 16, seal_most=1)
    )
    assert (first.new, first.held) == (True, None)
    assert (second.new, second.held, second.leases) == (True, Held.QUARANTINED, ())
    assert states(url) == [("app", "waiting")]
    (again,) = await take(store, new(1, "app", seal=b"s" * 16, seal_most=1))
    assert (again.new, again.held) == (False, None)


async def test_quarantine_goes_before_conflict_where_the_id_is_known_too(store: Store) -> None:
    await take(store, new(1, seal=b"s", seal_most=1))
    (answer,) = await take(store, other(1, "x", seal=b"s", seal_most=1, hold_conflicts=False))
    assert (answer.new, answer.held) == (False, Held.QUARANTINED)


async def test_a_seal_bears_as_many_contents_as_its_bound(store: Store) -> None:
    answers = await take(store, *[new(n, seal=b"s", seal_most=3) for n in range(1, 6)])
    assert [answer.held for answer in answers] == [None, None, None, Held.QUARANTINED, Held.QUARANTINED]


async def test_a_seal_without_a_bound_bears_any_number(store: Store) -> None:
    answers = await take(store, *[new(n, seal=b"s") for n in range(1, 33)])
    assert all(answer.new and answer.held is None for answer in answers)


# -- remembered -----------------------------------------------------------------------------------------------------


async def test_an_id_whose_event_was_deleted_is_still_known(opened: Opener, url: str, clock: FrozenClock) -> None:
    store = await opened()
    await take(store, new(1))
    clock.advance(8 * DAY)
    assert await store.sweep() == 1
    assert table(url, "id", "events") == []
    same, forged = await take(store, new(1, "app"), other(1, "forged", "app", lease=LEASE))
    assert (same.new, same.held) == (False, None)
    assert (forged.new, forged.held, forged.leases) == (False, Held.CONFLICT, ())
    assert table(url, "held, conflicts", "events") == [("conflict", 1)]


async def test_after_remember_the_id_is_new_again(opened: Opener, clock: FrozenClock) -> None:
    store = await opened()
    await take(store, new(1))
    clock.advance(8 * DAY)
    await store.sweep()
    clock.advance(23 * DAY)
    await store.sweep()
    (again,) = await take(store, new(1))
    assert again.new


# -- ordering keys --------------------------------------------------------------------------------------------------


async def test_only_the_head_of_a_key_goes_and_the_rest_are_held_behind_it(store: Store, url: str) -> None:
    answers = await take(store, *[new(n, "app", key="k", lease=LEASE) for n in (1, 2, 3)], new(4, "app", lease=LEASE))
    assert [len(answer.leases) for answer in answers] == [1, 0, 0, 1]
    assert [answer.waiting for answer in answers] == [(), (), (), ()]
    assert [rank for (_, rank) in table(url, "id, rank", "deliveries")] == [3, 2, 2, 3]
    (later,) = await take(store, new(5, "app", key="k", lease=LEASE))
    assert later.leases == ()


async def test_keys_of_other_sinks_and_other_keys_are_free(store: Store) -> None:
    first = NewDelivery(sink="a", order_key="k", lease=LEASE)
    answers = await take(
        store,
        new(1, first),
        new(2, NewDelivery(sink="b", order_key="k", lease=LEASE)),
        new(3, "a", key="l", lease=LEASE),
    )
    assert [len(answer.leases) for answer in answers] == [1, 1, 1]


async def test_in_one_batch_the_first_to_come_is_the_head(store: Store) -> None:
    # The ids are such that sorting by them would turn the order round.
    numbers = [9, 5, 1]
    answers = await take(store, *[new(n, "app", key="k", lease=LEASE) for n in numbers])
    order = [answers[0].leases[0]]
    for _ in range(2):
        await store.settle([settlement(order[-1])])
        order += await store.claim("app", 10, LEASE)
    assert [lease.event.stream for lease in order] == ["s9", "s5", "s1"]


# -- what a database refuses ----------------------------------------------------------------------------------------


async def test_text_of_every_script_and_control_characters_come_back_as_they_went_in(store: Store) -> None:
    made: Event = event(1, stream='录制 \u0001 "q" \'\\ {1,2} 🎥', extra={"k": "NULL", "n": [None, True, 1.5]})
    await take(store, new(made, "app"))
    (lease,) = await store.claim("app", 1, LEASE)
    assert lease.event == made


async def test_refused_keep_zero_is_no_error(opened: Opener, url: str, clock: FrozenClock) -> None:
    store = await opened(keep=Keep(refused=0))
    await store.ping()
    assert act(url, clock, "SELECT count(*) FROM refused")[0][0] == 0
