"""Other contents under a known (source, id): which is delivered, which is held, which takes another's place."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from gateway.model import Trust
from gateway.runtime.clock import FrozenClock
from gateway.store.outbox.contents import CONTENTS_MAX
from gateway.store.records import Held
from gateway.store.store import Store
from tests.store.conftest import Opener
from tests.store.kit import LEASE, new, states, table, take
from tests.store.trusts import TRUSTS, said

DAY = 86_400.0


def claimed(leases: Any) -> list[tuple[str, str]]:
    """What a sink sees: the name of each event, and whose place it took."""
    return [(lease.event.ref, lease.event.supersedes) for lease in leases]


# -- trust decides who waits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weak", "strong"), [(weak, strong) for weak, strong in itertools.combinations(TRUSTS, 2)], ids=str
)
@pytest.mark.parametrize("together", [True, False])
async def test_what_is_trusted_more_than_all_that_stands_is_delivered_at_once(
    store: Store, url: str, weak: Trust, strong: Trust, together: bool
) -> None:
    forged, genuine = new(said("forged", weak), "app"), new(said("genuine", strong), "app", lease=LEASE)
    answers = (
        await take(store, forged, genuine) if together else [*await take(store, forged), *await take(store, genuine)]
    )
    second = answers[1]
    ref = f"{1:032x}~{second.variant}"
    assert (second.held, second.full, second.supersedes) == (None, False, f"{1:032x}")
    (lease,) = second.leases
    assert claimed([lease]) == [(ref, f"{1:032x}")]
    assert table(url, "held, supersedes, superseded", "events", "seq") == [
        (None, None, ref),
        (None, f"{1:032x}", None),
    ]
    assert len(states(url)) == 2


@pytest.mark.parametrize("second", [Trust.NONE, Trust.TIMESTAMP, Trust.FIELDS])
async def test_what_is_trusted_no_more_than_what_stands_is_held(store: Store, url: str, second: Trust) -> None:
    await take(store, new(said("first", Trust.FIELDS), "app"))
    (answer,) = await take(store, new(said("second", second), "app"))
    assert (answer.held, answer.supersedes) == (Held.CONFLICT, "")
    assert states(url) == [("app", "waiting")]
    assert table(url, "superseded", "events", "seq") == [(None,), (None,)]


async def test_the_same_content_with_more_trust_goes_to_the_routes_that_ask_for_trust(store: Store) -> None:
    await take(store, new(said("same", Trust.TIMESTAMP)))  # its routes wanted more trust
    (answer,) = await take(store, new(said("same", Trust.FIELDS), "app", lease=LEASE))
    assert answer.supersedes == f"{1:032x}"
    assert [lease.event.trust for lease in answer.leases] == [Trust.FIELDS]
    (again,) = await take(store, new(said("same", Trust.FIELDS), "app", lease=LEASE))
    (weaker,) = await take(store, new(said("same", Trust.TIMESTAMP), "app", lease=LEASE))
    assert (again.new, again.leases, weaker.new, weaker.leases) == (False, (), False, ())


async def test_what_is_claimed_later_names_itself_as_what_was_handed_over(store: Store) -> None:
    _, strong = await take(store, new(said("a", Trust.NONE), "app"), new(said("b", Trust.BODY), "app"))
    leases = await store.claim("app", 10, LEASE)
    first = f"{1:032x}"
    assert claimed(leases) == [(first, ""), (f"{first}~{strong.variant}", first)]


async def test_a_full_id_keeps_nobody_out_who_is_trusted_more(store: Store, url: str) -> None:
    forged = [new(said(f"forged {n}", Trust.TIMESTAMP), "app") for n in range(CONTENTS_MAX + 5)]
    answers = await take(store, *forged)
    assert [one.full for one in answers] == [False] * (CONTENTS_MAX + 1) + [True] * 4
    (genuine,) = await take(store, new(said("genuine", Trust.FIELDS), "app", lease=LEASE))
    assert len(genuine.leases) == 1
    assert len(table(url, "seq", "events")) == CONTENTS_MAX + 2


async def test_one_full_id_keeps_no_other_event_of_its_callback_out(store: Store) -> None:
    await take(store, *[new(said(f"forged {n}"), "app") for n in range(CONTENTS_MAX + 1)])
    full, other = await store.accept([new(said("one more"), "app"), new(said("x", number=2), "app", lease=LEASE)])
    assert (full.full, full.new, full.held) == (True, False, None)
    assert (other.full, len(other.leases)) == (False, 1)


async def test_nothing_is_taken_that_a_person_cannot_find(store: Store, url: str) -> None:
    contents = [new(said(f"c {n}", trust), "app") for n in range(20) for trust in (Trust.TIMESTAMP, Trust.NONE)]
    answers = await take(store, *contents)
    there = {bytes(row[0]) for row in table(url, "fingerprint", "events")}
    for one, answer in zip(contents, answers, strict=True):
        assert answer.full != (one.fingerprint in there)


# -- a seal is decided first ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("quarantined_first", [True, False])
async def test_what_is_quarantined_neither_stands_under_an_id_nor_supersedes(
    store: Store, url: str, quarantined_first: bool
) -> None:
    await take(store, new(said("a file", Trust.FIELDS, number=9), seal=b"s", seal_most=1))
    forged = new(said("forged", Trust.BODY), "app", seal=b"s", seal_most=1)
    genuine = new(said("genuine", Trust.TIMESTAMP), "app", lease=LEASE)
    pair = (forged, genuine) if quarantined_first else (genuine, forged)
    answers = await take(store, *pair)
    held, delivered = answers if quarantined_first else answers[::-1]
    assert (held.held, held.leases) == (Held.QUARANTINED, ())
    assert (delivered.held, delivered.supersedes) == (None, "")
    assert claimed(delivered.leases) == [(f"{1:032x}", "")]  # the first that is not quarantined is the first
    assert set(table(url, "superseded", "events")) == {(None,)}


async def test_the_genuine_callback_over_a_content_that_was_quarantined_before_is_delivered(store: Store) -> None:
    await take(store, new(said("a file", Trust.FIELDS, number=9), seal=b"s", seal_most=1))
    said_before = said("genuine", Trust.FIELDS)
    (forged,) = await take(store, new(said_before, "app", seal=b"s", seal_most=1))
    (again,) = await take(store, new(said_before, "app", seal=b"s", seal_most=1))
    (genuine,) = await take(store, new(said_before, "app", lease=LEASE, seal=b"own", seal_most=1))
    assert (forged.held, again.held, again.new) == (Held.QUARANTINED, None, False)
    assert claimed(genuine.leases) == [(f"{1:032x}", "")]


@pytest.mark.parametrize("gone", ["erased", "swept"])
async def test_a_signature_whose_event_was_deleted_still_bears_no_other(
    opened: Opener, url: str, clock: FrozenClock, gone: str
) -> None:
    from gateway.store.admin.admin import StoreAdmin

    store = await opened()
    await take(store, new(said("a file", Trust.FIELDS, number=9), seal=b"s", seal_most=1))
    if gone == "erased":
        with StoreAdmin(url, clock=clock) as admin:
            admin.erase(f"{9:032x}")
    else:
        clock.advance(8 * DAY)
        assert await store.sweep() == 1
    assert table(url, "id", "events") == []
    (answer,) = await take(store, new(said("forged", Trust.FIELDS), "app", lease=LEASE, seal=b"s", seal_most=1))
    assert (answer.held, answer.leases) == (Held.QUARANTINED, ())


# -- one source does nothing to another's events ---------------------------------------------------------------------


async def test_an_event_is_known_by_its_source_and_its_id(opened: Opener, url: str, clock: FrozenClock) -> None:
    store = await opened()
    here, there = said("a", Trust.BODY), said("b", Trust.NONE, source="edge")
    answers = await take(store, new(here, "app", lease=LEASE), new(there, "app", lease=LEASE))
    assert [(one.new, one.held, len(one.leases)) for one in answers] == [(True, None, 1)] * 2
    (repeat,) = await take(store, new(there, "app"))
    assert not repeat.new
    assert table(url, "source, variant, conflicts", "events") == [("edge", b"", 0), ("live", b"", 0)]


@pytest.mark.parametrize("kind", ["conflicts", "full", "superseding", "remembered", "erased"])
async def test_nothing_one_source_sends_changes_what_anothers_events_do(
    opened: Opener, url: str, clock: FrozenClock, kind: str
) -> None:
    from gateway.store.admin.admin import StoreAdmin

    store = await opened()
    mine = new(said("mine", Trust.TIMESTAMP), "app", lease=LEASE)
    hostile = [new(said(f"{n}", Trust.TIMESTAMP, source="evil"), "bin") for n in range(15)]
    if kind == "superseding":
        hostile = [new(said(trust, trust, source="evil"), "bin") for trust in TRUSTS]
    await take(store, *hostile)
    if kind == "remembered":
        for lease in await store.claim("bin", 100, LEASE):
            from tests.store.kit import settlement

            await store.settle([settlement(lease)])
        clock.advance(91 * DAY / 10)
        await store.sweep()
    if kind == "erased":
        with StoreAdmin(url, clock=clock) as admin:
            admin.erase(f"evil:{1:032x}")
    (answer,) = await take(store, mine)
    assert (answer.new, answer.held, answer.full, len(answer.leases)) == (True, None, False, 1)
    assert claimed(answer.leases) == [(f"{1:032x}", "")]
    (repeat,) = await take(store, mine)
    assert (repeat.new, repeat.held) == (False, None)


# -- a signature over many contents is ranked, not held ------------------------------------------------------------------


@pytest.mark.parametrize("together", [True, False])
async def test_past_its_bound_a_ranking_seal_puts_events_behind_everything_else(
    store: Store, url: str, together: bool
) -> None:
    weak = [new(said(number=n), "app", lease=LEASE, seal=b"t", seal_most=3, seal_ranks=True) for n in range(1, 7)]
    answers = await take(store, *weak) if together else [(await take(store, one))[0] for one in weak]
    assert [one.weak for one in answers] == [False] * 3 + [True] * 3
    assert all(one.held is None and one.new for one in answers)
    assert [one.waiting for one in answers[3:]] == [("app",)] * 3  # its lane is woken
    await take(store, new(said(number=9), "app"))
    first, *rest = await store.claim("app", 10, LEASE)
    assert first.event.id == f"{9:032x}"
    assert [lease.event.id for lease in rest] == [f"{n:032x}" for n in (4, 5, 6)]


async def test_what_is_ranked_last_stays_last_after_a_try_and_a_person_can_end_that(
    store: Store, url: str, clock: FrozenClock
) -> None:
    from gateway.store.admin.admin import StoreAdmin
    from gateway.store.records import Rank
    from tests.store.kit import settlement

    made = [new(said(number=n), "app", seal=b"t", seal_most=1, seal_ranks=True) for n in (1, 2)]
    await take(store, *made)
    leases = await store.claim("app", 10, LEASE)
    await store.settle([settlement(lease, "waiting") for lease in leases])
    assert table(url, "id, rank", "deliveries") == [(1, Rank.AGAIN), (2, Rank.LAST)]
    with StoreAdmin(url, clock=clock) as admin:
        assert [row.waits_for for row in admin.deliveries()] == ["last", None]
        (lease,) = await store.claim("app", 1, LEASE)
        assert lease.delivery == 1
        (lease,) = await store.claim("app", 1, LEASE)
        await store.settle([settlement(lease, "dead")])
        admin.retry(2)
    assert table(url, "rank", "deliveries WHERE id = 2") == [(Rank.AGAIN,)]


async def test_callbacks_that_share_a_ranking_signature_do_not_wait_for_each_other(store: Store) -> None:
    from gateway.store.outbox.accept import _names, _waves

    shared = [new(said(number=n), "app", seal=b"t", seal_most=32, seal_ranks=True) for n in range(50)]
    assert len(list(_waves(shared))) == 1
    assert _names(shared) == set()
    one_file = [new(said(number=n), "app", seal=b"f", seal_most=1) for n in range(5)]
    assert len(list(_waves(one_file))) == 5


async def test_a_quarantining_bound_is_kept_in_one_batch_too(store: Store) -> None:
    answers = await take(store, *[new(said(number=n), "app", seal=b"t", seal_most=32) for n in range(40)])
    assert [one.held for one in answers] == [None] * 32 + [Held.QUARANTINED] * 8
