"""A step that joins events is a few statements, and on a database that is shared nobody's accepts wait for it."""

from __future__ import annotations

import asyncio

from gateway.model import FILE_COMPLETED, FILE_STARTED, RECORDING_STARTED
from gateway.store.engine.session import Session
from gateway.store.outbox import recording_joins
from gateway.store.records import NewEvent
from gateway.store.store import Store
from tests.store.kit import beside, new, take
from tests.store.recording_kit import WHOLE, follow_all, of, there


class Counting:
    """A session that counts its statements."""

    def __init__(self, session: Session) -> None:
        self._session, self.count = session, 0

    def __getattr__(self, name: str) -> object:
        if name in ("rows", "change"):
            self.count += 1
        return getattr(self._session, name)


def statements(url: str) -> int:
    """So many does one step take that joins what is there."""
    with beside(url) as session:
        counting = Counting(session)
        recording_joins.follow(counting, 200)  # type: ignore[arg-type]
        return counting.count


async def test_a_step_is_as_many_statements_with_thirty_times_the_events(store: Store, url: str) -> None:
    def events(streams: int, kind: str) -> list[NewEvent]:
        return [new(of(*one, stream=f"{kind}{n}", job_id=f"job{n}")) for n in range(streams) for one in WHOLE]

    await take(store, *events(1, "first"))
    few = statements(url)
    await take(store, *events(30, "new"))
    assert statements(url) == few
    await take(store, *events(30, "new"))  # of recordings that are there already
    assert statements(url) <= few + 1
    assert len(there(url)) >= 31


async def test_accepts_wait_for_a_small_step_at_most(store: Store, url: str) -> None:
    step = store._backend.step_rows
    assert step <= (20 if url.startswith("sqlite") else 200), (
        "on SQLite the accepts wait for it, on PostgreSQL nobody does"
    )
    await take(store, *(new(of(FILE_STARTED, n)) for n in range(step + 3)))
    followed = [await store.follow_recordings() for _ in range(3)]
    assert [(one.looked, one.more) for one in followed] == [(step, True), (3, False), (0, False)]


async def test_those_of_one_step_that_say_the_same_are_recordings_of_their_own(store: Store, url: str) -> None:
    events = [of(RECORDING_STARTED, 0, task_id=f"task{n}") for n in range(3)]
    await take(store, *map(new, events))
    await follow_all(store)
    tasks = [(full.recording.task, len(full.events)) for full in there(url)]
    assert tasks == [("task0", 1), ("task1", 1), ("task2", 1)]
    await take(store, *[new(of(FILE_COMPLETED, 5, task_id=f"task{n}")) for n in range(3)])
    await follow_all(store)
    assert [(full.recording.task, len(full.events)) for full in there(url)] == [
        ("task0", 2),
        ("task1", 2),
        ("task2", 2),
    ]


async def test_while_another_gateway_joins_events_accepts_go_on(store: Store, url: str) -> None:
    await take(store, new(of(FILE_STARTED, 0)))
    with beside(url) as other:
        if other.backend == "sqlite":  # nobody else writes there
            return
        with other.atomic():
            recording_joins.lock(other)
            following = asyncio.ensure_future(store.follow_recordings())
            for n in range(20):
                await take(store, new(of(FILE_STARTED, n)))
            assert not following.done()
    assert (await following).looked > 0
    await follow_all(store)
    assert sum(full.total for full in there(url)) == 21
