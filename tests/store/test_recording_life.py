"""Each event is joined once and never lost; recordings say no more than the events that stay."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gateway.errors import ItemRefused
from gateway.model import (
    FILE_COMPLETED,
    RECORDING_ARCHIVED,
    RECORDING_ENDED,
    RECORDING_STARTED,
    Cause,
)
from gateway.runtime.clock import FrozenClock
from gateway.store.admin import recording_pages
from gateway.store.admin.admin import StoreAdmin
from gateway.store.admin.recording_pages import RecordingFilter
from gateway.store.engine.batch import Bulk
from gateway.store.outbox.recording_joins import GAP_MS, follow
from gateway.store.postgres.reduced import take_numbers
from gateway.store.store import Keep, Store
from tests.store.conftest import Opener
from tests.store.kit import START, beside, new, table, take
from tests.store.recording_kit import WHOLE, joined, of, refs, there


async def test_what_follows_on_an_event_is_of_its_recording_however_late(store: Store, url: str) -> None:
    file = of(FILE_COMPLETED, 3)
    done = of(RECORDING_ARCHIVED, 5000, cause=Cause(file.id, "archive"), depth=1)
    (full,) = await joined(store, url, file, done)
    assert refs(full) == [file.id, done.id]
    assert full.recording.over_at == round((START + timedelta(minutes=3)).timestamp() * 1000)


async def test_held_events_wait_outside_until_they_are_released(store: Store, url: str) -> None:
    first = of(RECORDING_STARTED, 0)
    conflict = new(first.replace(job_id="other"), fingerprint=b"o" * 16)
    (before,) = await joined(store, url, first)
    await take(store, conflict)
    assert await joined(store, url) == [before]
    with StoreAdmin(url) as admin:
        (held,) = admin.events(held=True)
        admin.release(held.name, [])
        assert admin.event(held.name).recording == before.recording.id
    (after,) = there(url)
    assert after.total == 2


async def test_erasing_an_event_takes_what_it_said_along(store: Store, url: str) -> None:
    events = [of(*one) for one in WHOLE]
    await joined(store, url, *events)
    with StoreAdmin(url) as admin:
        admin.erase(events[-1].id)
        (full,) = there(url)
        assert (full.recording.state, full.recording.ended_at, full.total) == ("open", None, 3)
        admin.erase([one.id for one in events[:-1]])
    assert there(url) == []
    assert table(url, "*", "recording_events") == []


async def test_retention_takes_recordings_with_their_last_event(opened: Opener, url: str, clock: FrozenClock) -> None:
    store = await opened(keep=Keep(unrouted=timedelta(days=1)))
    await joined(store, url, of(RECORDING_STARTED, 0))
    assert len(table(url, "id", "recording_sessions")) == 1
    clock.advance((START - clock.now() + timedelta(days=2)).total_seconds())
    await store.sweep()
    assert there(url) == []


async def test_a_step_that_is_not_committed_is_done_again_whole(store: Store, url: str) -> None:
    await take(store, *(new(of(*one)) for one in WHOLE))

    def half(session: Bulk) -> None:
        with session.atomic():
            follow(session, 2)
            raise RuntimeError("half done")

    with pytest.raises(ItemRefused):
        await store.write(half)
    assert there(url) == []
    (full,) = await joined(store, url)
    assert full.total == 4


async def test_two_gateways_join_each_event_once(opened: Opener, url: str) -> None:
    if url.startswith("sqlite"):
        pytest.skip("one gateway serves a file")
    one, two = await opened(), await opened()
    await take(one, *(new(of(RECORDING_STARTED, 0, f"s{n}")) for n in range(150)))
    while sum(step.looked for step in await asyncio.gather(one.follow_recordings(), two.follow_recordings())):
        pass
    assert [full.total for full in there(url)] == [1] * 150


async def test_what_is_committed_behind_the_cursor_is_joined_all_the_same(
    store: Store, url: str, clock: FrozenClock
) -> None:
    if url.startswith("sqlite"):
        pytest.skip("numbers are in the order of commits")
    late = of(RECORDING_ENDED, 9)
    with beside(url) as session:
        if session.reduced:
            seq = take_numbers(session, {"events": 1})["events"] + 1
        else:
            ((seq,),) = session.rows("SELECT nextval(pg_get_serial_sequence('events', 'seq'))")
    (before,) = await joined(store, url, of(RECORDING_STARTED, 0))
    values = {"seq": seq, "id": late.id, "body": new(late).body}
    with beside(url) as session, session.atomic():
        session.change(
            """INSERT INTO events (seq, id, source, type, subject, received_at, fingerprint, body, raw, raw_type, routing)
            SELECT :seq, :id, source, 'recording.ended', subject, received_at, fingerprint, :body, raw, raw_type, routing
            FROM events LIMIT 1""",
            values,
        )
    await store.follow_recordings()
    (full,) = there(url)
    assert (full.total, full.recording.state) == (before.total + 1, "ended")
    clock.advance(GAP_MS / 1000 + 1)
    await store.follow_recordings()
    assert '"gaps": []' in table(url, "value", "meta WHERE name = 'recordings'")[0][0]


async def test_pages_follow_one_another(store: Store, url: str) -> None:
    await joined(store, url, *(of(RECORDING_STARTED, 0, f"s{n}") for n in range(7)))
    with beside(url) as session:
        first = recording_pages.page(session, RecordingFilter(stream="s*"), limit=3, before=None)
        then = recording_pages.page(session, RecordingFilter(stream="s*"), limit=9, before=first[-1].recording.id)
    assert [one.recording.stream for one in [*first, *then]] == [f"s{n}" for n in range(6, -1, -1)]
    assert [one.recording.stream for one in there(url, stream=("s1", "s2"))] == ["s1", "s2"]
    assert there(url, app="other") == []
