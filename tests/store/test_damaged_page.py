"""A damaged page of the SQLite file: it is called that, and what lies on it is all that is lost."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway.errors import ItemRefused
from gateway.runtime.clock import FrozenClock
from gateway.store.admin.admin import StoreAdmin
from gateway.store.store import Keep, Store
from tests.store.conftest import Opener
from tests.store.faults import held_up, on_writer
from tests.store.kit import LEASE, beside, event, new, pause, settlement, take

pytestmark = pytest.mark.plain_rows  # it finds a page by what it holds
PAGE = 8192
DAY = 86_400


def damage(file: Path, marker: bytes) -> None:
    """Break the chain of pages that holds a long value."""
    content = bytearray(file.read_bytes())
    filled = marker * (PAGE - 4)  # a page that this value alone fills, behind the number of the next
    at = next(at for at in range(0, len(content), PAGE) if content[at + 4 : at + PAGE] == filled)
    content[at : at + 4] = b"\xff\xff\xff\xff"
    file.write_bytes(content)


@pytest.fixture
async def store(tmp_path: Path, open_at: Opener) -> Store:
    """Five deliveries, the event of the third on a damaged page."""
    file = tmp_path / "gateway.db"
    first = await open_at(url=f"sqlite:///{file}")
    await take(first, *[new(event(n, raw=b"%d" % n * 5 * PAGE), "app") for n in range(1, 6)])
    await first.close()
    damage(file, b"3")
    return await open_at(url=f"sqlite:///{file}", keep=Keep(delivered=timedelta(days=2), dead=timedelta(days=2)))


async def test_a_claim_goes_round_the_event_on_it_and_says_why_that_one_is_dead(store: Store, tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as lines:
        leases = await store.claim("app", 10, LEASE)
    assert sorted(lease.event.stream or "" for lease in leases) == ["s1", "s2", "s4", "s5"]
    rows = await on_writer(
        store, lambda session: session.rows("SELECT last_error FROM deliveries WHERE state = 'dead'")
    )
    assert len(rows) == 1
    assert "a page of the file is damaged" in rows[0][0]
    assert [line["event"] for line in lines] == ["stored_event_unreadable"]
    assert store.healthy()


async def test_what_consumers_are_given_goes_round_it_too(store: Store) -> None:
    assert len((await store.lease_out("app", 10, LEASE, 100)).leases) == 4
    assert store.healthy()


async def test_what_is_in_one_batch_with_it_is_done(store: Store) -> None:
    read = "SELECT sum(length(raw)), max(raw) FROM events"
    with held_up(store):
        accepted = store.accept([new(9, "app")])
        reading = store._writer.enqueue(lambda session: session.rows(read))
        other = store.accept([new(10, "app")])
    with pytest.raises(ItemRefused, match="damaged"):
        await reading
    assert (await accepted)[0].new
    assert (await other)[0].new
    assert store.healthy()


async def test_a_probe_ends_it_as_dead_too(store: Store, tmp_path: Path) -> None:
    for _ in range(2):
        await store.settle([settlement(one) for one in await store.claim("app", 1, LEASE)])
    await store.trip("app", 0, "down")
    assert not await store.claim("app", 1, LEASE, probe=True)
    (lease,) = await store.claim("app", 1, LEASE, probe=True)
    assert lease.event.stream == "s4"


async def test_retention_goes_round_it_and_deletes_all_others(store: Store, clock: FrozenClock) -> None:
    await store.settle([settlement(one) for one in await store.claim("app", 10, LEASE)])
    clock.advance(3 * DAY)
    with structlog.testing.capture_logs() as lines:
        assert await store.sweep() >= 4
        assert await store.sweep() == 0
    assert not lines


async def test_a_page_that_held_several_events_takes_no_other_with_it(
    tmp_path: Path, open_at: Opener, clock: FrozenClock
) -> None:
    file = tmp_path / "gateway.db"
    first = await open_at(url=f"sqlite:///{file}")
    await take(first, *[new(event(n, raw=b"x" * 5 * PAGE), "app") for n in range(1, 31)])
    await first.close()
    damage_leaf(file, event(15).id)
    store = await open_at(url=f"sqlite:///{file}", keep=Keep(delivered=timedelta(days=2), dead=timedelta(days=2)))
    leases = await store.claim("app", 100, LEASE)
    dead = await on_writer(store, lambda session: session.rows("SELECT event FROM deliveries WHERE state = 'dead'"))
    assert 1 <= len(dead) <= 10
    assert len(leases) + len(dead) == 30
    await store.settle([settlement(one) for one in leases])
    assert (await take(store, new(99)))[0].new
    clock.advance(3 * DAY)
    with structlog.testing.capture_logs() as lines:
        deleted = await store.sweep()
    assert deleted >= (30 - len(dead)) // 2  # a page next to it cannot be joined with it, so some of its rows stay
    assert "stored_events_damaged" in {line["event"] for line in lines}
    assert store.healthy()


async def test_listings_go_round_it_and_show_all_others(tmp_path: Path, open_at: Opener, clock: FrozenClock) -> None:
    file = tmp_path / "gateway.db"
    for spoiled in (15, 60, 1):  # in the middle, the newest, the oldest
        file.unlink(missing_ok=True)
        store = await open_at(url=f"sqlite:///{file}")
        await take(
            store, *[new(event(n, raw=b"x" * 5 * PAGE, source="a" if n % 2 else "b"), "app") for n in range(1, 61)]
        )
        await store.close()
        damage_leaf(file, event(spoiled).id)
        with StoreAdmin(f"sqlite:///{file}", clock=clock) as admin:
            shown = [row.subject for row in admin.events(limit=100)]
            asked: list[dict[str, Any]] = [{"stream": "s*"}, {"type": "*"}, {"type": ["*", "x"]}, {"state": "waiting"}]
            filtered = [[row.subject for row in admin.events(limit=100, **said)] for said in asked]
            waiting = admin.deliveries(limit=100, type="*", state="waiting")
            (page,) = [admin.events(limit=1, before=61)] if spoiled != 60 else [[1]]
        lost = 60 - len(shown)
        assert 1 <= lost <= 10, spoiled  # so many fit on a page
        assert shown == sorted(shown, key=lambda subject: int(subject.rpartition("/s")[2]), reverse=True)
        assert event(spoiled).subject not in shown
        assert filtered == [shown] * len(asked)
        assert len(waiting) == len(shown)
        assert page


async def test_on_postgresql_it_stops_only_the_rows_on_it(
    postgres_url: str, open_at: Opener, clock: FrozenClock
) -> None:
    """What the server says of a page that it cannot read, said of one event by a view in the table's place."""
    store = await open_at(url=postgres_url)
    await take(store, *[new(event(n), "app") for n in range(1, 6)])
    with beside(postgres_url) as session:
        columns = [name for (name,) in session.rows(COLUMNS)]
        session.change(DAMAGE)
        session.change("ALTER TABLE events RENAME TO kept_events")
        listed = ", ".join("damage(seq, raw) AS raw" if name == "raw" else name for name in columns)
        session.change(f"CREATE VIEW events AS SELECT {listed} FROM kept_events")
    with structlog.testing.capture_logs() as lines:
        leases = await store.claim("app", 10, LEASE)
    assert sorted(lease.event.stream or "" for lease in leases) == ["s1", "s2", "s4", "s5"]
    assert "stored_event_unreadable" in {line["event"] for line in lines}
    dead = await on_writer(
        store, lambda session: session.rows("SELECT last_error FROM deliveries WHERE state = 'dead'")
    )
    assert len(dead) == 1
    assert "damaged" in dead[0][0]
    assert store.healthy()


COLUMNS = (
    "SELECT column_name::text FROM information_schema.columns WHERE table_name = 'events' ORDER BY ordinal_position"
)
DAMAGE = """CREATE FUNCTION damage(seq bigint, raw bytea) RETURNS bytea LANGUAGE plpgsql AS $$
  BEGIN IF seq = 3 THEN RAISE EXCEPTION 'invalid page in block 7' USING ERRCODE = 'XX001'; END IF; RETURN raw; END $$"""


def damage_leaf(file: Path, text: str) -> None:
    """Spoil the page of a table in which this text stands."""
    content = bytearray(file.read_bytes())
    leaf = 13  # SQLite's mark of a table's leaf
    at = next(
        at for at in range(PAGE, len(content), PAGE) if content[at] == leaf and text.encode() in content[at : at + PAGE]
    )
    content[at] = 0xFF
    file.write_bytes(content)


async def test_a_damaged_page_is_no_lost_connection(store: Store) -> None:
    with pytest.raises(ItemRefused):
        await on_writer(store, lambda session: session.rows("SELECT max(raw) FROM events"))
    assert store.healthy()
    assert (await take(store, new(20)))[0].new


async def test_a_page_of_a_gate_does_not_matter_to_it(store: Store, tmp_path: Path, clock: FrozenClock) -> None:
    pause(f"sqlite:///{tmp_path}/gateway.db", clock, "app")
    assert not await store.claim("app", 10, LEASE)


async def test_what_waits_is_counted_where_a_page_of_deliveries_is_damaged(tmp_path: Path, open_at: Opener) -> None:
    """How many is in an index; since when the oldest waits is on the page, and is then not known."""
    file = tmp_path / "gateway.db"
    first = await open_at(url=f"sqlite:///{file}")
    await take(first, new(1, "sink-of-the-damaged-page"))
    await first.close()
    damage_leaf(file, "sink-of-the-damaged-page")
    [row] = await (await open_at(url=f"sqlite:///{file}")).sinks()
    assert (row.waiting, row.oldest_waiting_at) == (1, None)
