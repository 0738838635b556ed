"""What people see: events, deliveries and what they wait for, refused callbacks, counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from gateway.errors import NotFound
from gateway.model import Outcome
from gateway.runtime.clock import FrozenClock
from gateway.store.admin import event_lookup, pages
from gateway.store.admin.admin import StoreAdmin
from gateway.store.admin.shown_rows import EventRow
from gateway.store.records import Held, Refusal
from gateway.store.store import Store
from tests.store.kit import LEASE, beside, event, new, other, pause, take
from tests.store_admin.shown import AT, settle


def _numbers(rows: Sequence[EventRow]) -> list[int]:
    return [int(row.id, 16) for row in rows]


# -- events


async def test_events_are_listed_newest_first_with_their_deliveries_by_state(store: Store, admin: StoreAdmin) -> None:
    await take(store, new(1, "app", "ops"), new(2), new(3, "app"))
    await settle(store, "app", "delivered")
    rows = admin.events()
    assert [row.ref for row in rows] == [f"{n:032x}" for n in (3, 2, 1)]
    assert [row.deliveries for row in rows] == [{"waiting": 1}, {}, {"waiting": 1, "delivered": 1}]
    first = rows[-1]
    assert (first.source, first.type, first.subject) == ("live", "recording.file.completed", "push.example.com/live/s1")
    assert (first.received_at, first.held, first.id) == (AT, None, f"{1:032x}")


async def test_pages_of_events_follow_each_other_by_seq(store: Store, admin: StoreAdmin) -> None:
    await take(store, *[new(n) for n in range(1, 8)])
    seen = []
    before = None
    while page := admin.events(limit=3, before=before):
        seen += [int(row.id, 16) for row in page]
        before = page[-1].seq
    assert seen == [7, 6, 5, 4, 3, 2, 1]


async def test_no_page_is_longer_than_200_rows(store: Store, admin: StoreAdmin) -> None:
    await take(store, *[new(n, "app") for n in range(1, 232)])
    assert len(admin.events(limit=1000)) == 200
    assert len(admin.deliveries(limit=1000)) == 200
    assert len(admin.deliveries(sink="app", limit=1000)) == 200


async def test_events_are_found_by_source_and_by_globs(
    store: Store, admin: StoreAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "_WINDOW_ROWS", 2)  # so that a search takes several statements
    kinds = ["recording.failed", "recording.file.completed", "recording.file.started"]
    await take(store, *[new(event(n, type=kinds[n % 3], source="live" if n < 4 else "other")) for n in range(1, 8)])
    assert _numbers(admin.events(source="other")) == [7, 6, 5, 4]
    assert _numbers(admin.events(type="recording.file.*")) == [7, 5, 4, 2, 1]
    assert _numbers(admin.events(type="recording.failed", source="live")) == [3]
    assert _numbers(admin.events(subject="*/live/s[23]")) == [3, 2]
    assert _numbers(admin.events(type="recording.file.*", limit=2)) == [7, 5]
    assert _numbers(admin.events(type="nothing")) == []


async def test_held_events_are_listed_alone_and_named_by_their_variant(store: Store, admin: StoreAdmin) -> None:
    await take(store, new(1, "app"), other(1, "a", "app"), new(2))
    (row,) = admin.events(held=True)
    assert row.held is Held.CONFLICT
    assert row.id == f"{1:032x}"
    assert row.ref == f"{1:032x}~{other(1, 'a').fingerprint.hex()[:8]}"
    assert admin.event(row.ref).row == row


async def test_an_event_is_shown_with_its_bytes_its_routes_and_what_is_held_beside_it(
    store: Store, admin: StoreAdmin
) -> None:
    await take(store, new(1, "app", routing='[{"route":"r"}]'), other(1, "a"), other(1, "b"))
    shown = admin.event(f"{1:032x}")
    assert shown.raw == b'{"n": 1}'
    assert (shown.raw_type, shown.routing) == ("application/json", '[{"route":"r"}]')
    assert shown.body == new(1).body
    assert [one.held for one in shown.beside] == [Held.CONFLICT, Held.CONFLICT]
    assert shown.conflicts == 2
    held = admin.event(shown.beside[0].ref)
    assert [one.ref for one in held.beside] == [shown.row.ref, shown.beside[1].ref]


async def test_a_quarantined_event_is_shown_beside_the_one_whose_signature_it_carries(
    store: Store, admin: StoreAdmin
) -> None:
    await take(store, new(1, seal=b"s" * 16, seal_most=1), new(2, seal=b"s" * 16, seal_most=1), new(3, seal=b"t" * 16))
    (held,) = admin.events(held=True)
    assert held.held is Held.QUARANTINED
    assert [one.id for one in admin.event(held.ref).beside] == [f"{1:032x}"]
    assert admin.event(f"{3:032x}").beside == ()


async def test_an_event_is_named_by_its_id_or_by_six_of_its_digits(store: Store, admin: StoreAdmin) -> None:
    named = "abcdef0123456789abcdef0123456789"
    await take(
        store,
        new(event(1, id=named)),
        new(event(2, id="abcdef9" + named[7:])),
        new(event(3, id="abc" + named[3:-1] + "0")),
    )
    assert admin.event(named).row.id == named
    assert admin.event(f" {named} ").row.id == named
    assert admin.event("ABCDEF9").row.id.startswith("abcdef9")


async def test_a_name_that_fits_no_event_or_several_says_what_is_near(store: Store, admin: StoreAdmin) -> None:
    ids = [f"abcdef{n}" + "0" * 25 for n in range(7)]
    await take(store, *[new(event(n, id=id_)) for n, id_ in enumerate(ids)])
    with pytest.raises(NotFound, match="at least its first 6 digits"):
        admin.event("abc")
    with pytest.raises(NotFound, match=rf"names several events: {ids[0]}.*, …"):
        admin.event("abcdef")
    with pytest.raises(NotFound, match=rf"near it: {ids[0]}"):
        admin.event("abcd77")
    with pytest.raises(NotFound, match="there is no event 999999; `gateway events list`"):
        admin.event("999999")
    with pytest.raises(NotFound, match="of that id there are"):
        admin.event(f"{ids[0]}~12345678")


async def test_a_variant_that_is_named_too_shortly_or_not_at_all_is_not_guessed(
    store: Store, admin: StoreAdmin
) -> None:
    await take(store, new(1), other(1, "a"))
    with pytest.raises(NotFound):
        admin.event(f"{1:032x}~")


def test_an_event_that_is_deleted_between_two_looks_is_not_found(admins: Callable[..., StoreAdmin]) -> None:
    admin = admins()
    admin.migrate()
    with pytest.raises(NotFound, match="deleted meanwhile"):
        admin._connections.read(lambda session: event_lookup.row_of(session, 7))


async def test_deliveries_are_found_by_event_sink_and_state(
    store: Store, admin: StoreAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "_WINDOW_ROWS", 2)
    await take(store, *[new(n, "app", "ops") for n in range(1, 5)])
    await settle(store, "ops", "delivered")
    assert [row.sink for row in admin.deliveries(event=f"{2:032x}")] == ["ops", "app"]
    assert [int(row.event_id, 16) for row in admin.deliveries(sink="app")] == [4, 3, 2, 1]
    assert [int(row.event_id, 16) for row in admin.deliveries(state="delivered")] == [1]
    assert [row.sink for row in admin.deliveries(event=f"{1:032x}", state="waiting")] == ["app"]
    first, *_, last = admin.deliveries(sink="app", limit=2)
    assert [int(row.event_id, 16) for row in admin.deliveries(sink="app", before=last.id)] == [2, 1]
    assert first.id > last.id
    with pytest.raises(NotFound):
        admin.deliveries(event="000000000000000000000000000000ff")


async def test_a_delivery_is_shown_with_its_attempts_of_all_rounds(store: Store, admin: StoreAdmin) -> None:
    await take(store, new(1, "app"))
    await settle(store, "app", "waiting", detail="busy", status=503)
    await settle(store, "app", "dead", detail="never")
    (row,) = admin.deliveries()
    admin.retry(row.id)
    await settle(store, "app", "delivered", detail="ok")
    row, attempts = admin.delivery(row.id)
    assert (row.state, row.round, row.attempts) == ("delivered", 1, 1)
    assert [(one.number, one.outcome, one.status, one.detail) for one in attempts] == [
        (1, Outcome.RETRY, 503, "busy"),
        (2, Outcome.REFUSED, None, "never"),
        (3, Outcome.DELIVERED, None, "ok"),
    ]


async def test_a_delivery_that_is_not_there_is_said_not_to_be(store: Store, admin: StoreAdmin) -> None:
    with pytest.raises(NotFound, match="there is no delivery 7"):
        admin.delivery(7)


# -- refused callbacks


def refusal(number: int, source: str = "live") -> Refusal:
    return Refusal(
        source=source,
        code="signature_mismatch",
        detail=f"wrong {number}",
        received_at=AT + number,
        method="POST",
        path="/hooks/live",
        headers=(("content-type", "application/json"), ("x", "a"), ("x", "b")),
        body=b"{}",
        size=2,
        peer="127.0.0.1",
    )


async def test_refused_callbacks_are_listed_by_source_shown_and_forgotten(store: Store, admin: StoreAdmin) -> None:
    for number in range(1, 4):
        store.keep_refusal(refusal(number))
    store.keep_refusal(refusal(4, "other"))
    await store.ping()
    rows = admin.refused()
    assert [row.refusal.detail for row in rows] == ["wrong 4", "wrong 3", "wrong 2", "wrong 1"]
    assert [row.refusal for row in admin.refused(source="live", limit=2)] == [refusal(3), refusal(2)]
    assert [row.refusal for row in admin.refused(source="live", before=rows[2].id)] == [refusal(1)]
    assert admin.refusal(rows[0].id).refusal == refusal(4, "other")
    assert admin.take_refused([rows[0].id, rows[0].id], lambda _refusal: []).done == 1
    with pytest.raises(NotFound, match="only the last ones of each source are kept"):
        admin.refusal(rows[0].id)


# -- counts


async def test_sinks_are_counted_exactly_and_shown_with_their_gates(
    store: Store, admin: StoreAdmin, url: str, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages.ranges, "__defaults__", (2,))
    await take(store, *[new(n, "app", "ops") for n in range(1, 4)], new(9, "ops", lease=LEASE))
    clock.advance(5)
    await settle(store, "app", "delivered")
    await settle(store, "app", "dead")
    pause(url, clock, "quiet")
    app, ops, quiet = admin.sinks()
    assert (app.name, app.waiting, app.sending, app.delivered, app.dead) == ("app", 1, 0, 1, 1)
    assert (ops.name, ops.waiting, ops.sending, ops.oldest_waiting_at) == ("ops", 3, 1, AT)
    assert (quiet.name, quiet.waiting, quiet.gate.paused, quiet.oldest_waiting_at) == ("quiet", 0, True, None)


async def test_the_status_counts_everything_and_names_the_store_without_secrets(
    store: Store, admin: StoreAdmin, url: str
) -> None:
    assert admin.status().events == 0
    await take(store, new(1, "app", "ops"), new(2, "app", lease=LEASE), other(1, "a"))
    await settle(store, "ops", "dead")
    store.keep_refusal(refusal(1))
    await store.ping()
    found = admin.status()
    assert (found.events, found.held_events, found.waiting, found.dead, found.refused) == (3, 1, 2, 1, 1)
    assert found.oldest_waiting_at == AT
    assert found.schema >= 1
    assert found.url.split(":")[0] == url.split(":", maxsplit=1)[0]
    assert found.size_bytes is not None
    assert found.size_bytes > 10_000
    assert all(isinstance(value, str) and value for value in found.details.values())


async def test_an_old_transaction_is_named_in_the_status(store: Store, admin: StoreAdmin, url: str) -> None:
    with beside(url) as opened, opened.atomic():
        opened.rows("SELECT 1 FROM events")
        details = admin.status().details
    assert details.get("oldest transaction", "0 s") == "0 s"


async def test_a_released_variant_has_deliveries_of_its_own(store: Store, admin: StoreAdmin) -> None:
    await take(store, new(1, "app"), other(1, "a"))
    (row,) = admin.events(held=True)
    admin.release(row.ref, ["app"])
    (one,) = admin.deliveries(event=row.ref)
    assert (one.event_id, one.event_ref) == (row.id, row.ref)
    assert [one.event_ref for one in admin.deliveries(event=row.id)] == [row.id]


async def test_an_event_that_is_delivered_beside_the_first_is_named_by_its_variant(
    store: Store, admin: StoreAdmin
) -> None:
    await take(store, new(1, "app"), other(1, "a", "app", hold_conflicts=False))
    assert admin.events(held=True) == []
    assert [row.event_ref for row in admin.deliveries()] == [
        f"{1:032x}~{other(1, 'a').fingerprint.hex()[:8]}",
        f"{1:032x}",
    ]
