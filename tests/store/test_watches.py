"""What a recording waits for is told once when it is overdue, and once when it came after all, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import pytest

from gateway.model import (
    FILE_COMPLETED,
    FILE_STARTED,
    RECORDING_ENDED,
    RECORDING_FAILED,
    RECORDING_OVERDUE,
    RECORDING_RECOVERED,
    RECORDING_STARTED,
    STREAM_STARTED,
    Event,
    Trust,
)
from gateway.recordings.watch_event import new_watch_event, watch_event
from gateway.routing import RoutingDecision
from gateway.runtime.clock import FrozenClock
from gateway.store.admin.admin import StoreAdmin
from gateway.store.outbox.watch_due import WatchDue
from gateway.store.outbox.watches import WatchRule
from gateway.store.records import NewEvent
from gateway.store.store import Store
from tests.store.conftest import Opener
from tests.store.kit import beside, event, new, table, take
from tests.store.recording_kit import NUMBERS, follow_all, there
from tests.store.test_clock_steps import step

HOUR = 3600.0  # seconds
NO_FILE = WatchRule("no-file", {"type": (RECORDING_STARTED,)}, FILE_COMPLETED, 3_600_000)
UNFINISHED = WatchRule("unfinished", {"type": (FILE_STARTED,)}, FILE_COMPLETED, 3_600_000)
EMPTY = WatchRule("empty", {"type": (RECORDING_ENDED,)}, FILE_COMPLETED, 600_000)
UNRECORDED = WatchRule("unrecorded", {"type": (STREAM_STARTED,), "app": ("live",)}, RECORDING_STARTED, 60_000)


def now_of(clock: FrozenClock, type: str, stream: str = "s", **more: object) -> Event:
    return event(next(NUMBERS), type=type, stream=stream, at=clock.now(), **more)


def make(row: WatchDue, behind: Event) -> NewEvent:
    return new_watch_event(watch_event(row, behind), RoutingDecision((), ()), lambda _sink: False)


async def tell(store: Store, *rules: WatchRule) -> list[tuple[str, str | None]]:
    """What is told now: type and stream."""
    await follow_with(store, rules)
    told: list[tuple[str, str | None]] = []
    while some := (await store.tell_watches(rules, make))[0]:
        told += [(one.new.event.type, one.new.event.stream) for one in some]
    return told


async def follow_with(store: Store, rules: Sequence[WatchRule]) -> None:
    while (await store.follow_recordings(rules)).looked:
        pass


async def come(store: Store, *events: Event) -> None:
    await take(store, *(new(one) for one in events))


OVERDUE, RECOVERED = (RECORDING_OVERDUE, "s"), (RECORDING_RECOVERED, "s")


async def test_it_is_told_once_when_it_is_due_and_once_when_it_came_after_all(
    store: Store, url: str, clock: FrozenClock
) -> None:
    await come(store, now_of(clock, RECORDING_STARTED))
    assert await tell(store, NO_FILE) == []
    clock.advance(HOUR - 1)
    assert await tell(store, NO_FILE) == []
    clock.advance(1)
    assert await tell(store, NO_FILE) == [OVERDUE]
    assert await tell(store, NO_FILE) == []
    (full,) = there(url)
    assert (full.recording.state, full.overdue, full.total) == ("overdue", [FILE_COMPLETED], 2)
    clock.advance(9 * HOUR)
    await come(store, now_of(clock, FILE_COMPLETED, time=clock.now() - timedelta(hours=9)))
    assert await tell(store, NO_FILE) == [RECOVERED]
    assert await tell(store, NO_FILE) == []
    (full,) = there(url)
    assert (full.recording.state, full.overdue, full.total) == ("open", (), 4)


async def test_what_is_told_says_what_it_waits_for(store: Store, clock: FrozenClock, url: str) -> None:
    behind = now_of(clock, RECORDING_STARTED, task_id="t", trust=Trust.FIELDS)
    await come(store, behind)
    await follow_with(store, [NO_FILE])
    clock.advance(HOUR)
    (told,), _ = await store.tell_watches([NO_FILE], make)
    made = told.new.event
    assert (made.source, made.domain, made.app, made.task_id) == (behind.source, behind.domain, behind.app, "t")
    assert {name: made.extra[name] for name in ("watch", "expected", "behind", "behind_type")} == {
        "watch": "no-file",
        "expected": FILE_COMPLETED,
        "behind": behind.id,
        "behind_type": RECORDING_STARTED,
    }
    assert made.extra["recording"] == there(url)[0].recording.id


CASES: list[tuple[WatchRule, list[str], int]] = [
    (NO_FILE, [RECORDING_STARTED, FILE_COMPLETED], 0),
    (NO_FILE, [FILE_COMPLETED, RECORDING_STARTED], 0),
    (NO_FILE, [RECORDING_STARTED, RECORDING_FAILED], 0),
    (NO_FILE, [RECORDING_FAILED, RECORDING_STARTED], 0),
    (NO_FILE, [RECORDING_STARTED, RECORDING_ENDED], 1),
    (EMPTY, [RECORDING_STARTED, FILE_COMPLETED, RECORDING_ENDED], 0),
    (EMPTY, [RECORDING_STARTED, RECORDING_ENDED], 1),
    (UNFINISHED, [FILE_STARTED, FILE_STARTED, FILE_COMPLETED], 1),
    (UNFINISHED, [FILE_COMPLETED, FILE_STARTED, FILE_STARTED], 1),
    (UNFINISHED, [FILE_STARTED, FILE_COMPLETED, FILE_STARTED, FILE_COMPLETED], 0),
    (UNRECORDED, [STREAM_STARTED], 1),
    (UNRECORDED, [STREAM_STARTED, RECORDING_STARTED], 0),
]


@pytest.mark.parametrize(("rule", "types", "overdue"), CASES)
@pytest.mark.parametrize("steps", [True, False], ids=["one by one", "in one step"])
async def test_what_is_waited_for(
    store: Store, clock: FrozenClock, rule: WatchRule, types: list[str], overdue: int, steps: bool
) -> None:
    for type_ in types:
        await come(store, now_of(clock, type_))
        if steps:
            await follow_with(store, [rule])
    assert await tell(store, rule) == []
    clock.advance(HOUR)
    assert await tell(store, rule) == [OVERDUE] * overdue


async def test_conditions_choose_what_is_waited_behind(store: Store, clock: FrozenClock) -> None:
    rule = WatchRule("vip", {"type": ("recording.*",), "stream": ("vip-*",), "source": ("live",)}, FILE_COMPLETED, 1000)
    await come(store, now_of(clock, RECORDING_STARTED, "vip-1"), now_of(clock, RECORDING_STARTED, "other"))
    await follow_with(store, [rule])
    clock.advance(2)
    assert await tell(store, rule) == [(RECORDING_OVERDUE, "vip-1")]


async def test_a_rule_that_is_gone_tells_nothing_and_one_that_changed_tells_by_its_new_time(
    store: Store, url: str, clock: FrozenClock
) -> None:
    await come(store, now_of(clock, RECORDING_STARTED), now_of(clock, STREAM_STARTED, "t"))
    await follow_with(store, [NO_FILE, UNRECORDED])
    sooner = WatchRule("no-file", NO_FILE.when, FILE_COMPLETED, 10_000)
    await store.apply_watches([sooner])
    clock.advance(10)
    assert await tell(store, sooner) == [OVERDUE]
    clock.advance(HOUR)
    assert await tell(store, sooner) == []
    assert [state for (state,) in table(url, "state", "watches")] == ["overdue"]


async def test_an_erased_event_is_not_told_of(store: Store, url: str, clock: FrozenClock) -> None:
    behind = now_of(clock, RECORDING_STARTED)
    await come(store, behind)
    await follow_with(store, [NO_FILE])
    with StoreAdmin(url) as admin:
        admin.erase(behind.id)
    clock.advance(HOUR)
    assert await tell(store, NO_FILE) == []
    assert table(url, "id", "watches") == []


@pytest.mark.parametrize("seconds", [-HOUR / 2, -48 * HOUR, 48 * HOUR], ids=str)
async def test_a_clock_that_is_set_makes_it_neither_earlier_nor_later(
    store: Store, clock: FrozenClock, seconds: float
) -> None:
    await come(store, now_of(clock, RECORDING_STARTED))
    await follow_with(store, [NO_FILE])
    await step(store, clock, seconds)
    assert await tell(store, NO_FILE) == []
    clock.advance(HOUR - 10)
    assert await tell(store, NO_FILE) == []
    clock.advance(10)
    assert await tell(store, NO_FILE) == [OVERDUE]


async def test_a_clock_set_back_while_no_gateway_ran_delays_it_by_its_time_at_most(
    opened: Opener, clock: FrozenClock
) -> None:
    store = await opened()
    await come(store, now_of(clock, RECORDING_STARTED))
    await follow_with(store, [NO_FILE])
    await store.close()
    clock.jump(-400 * HOUR)
    store = await opened()
    await store.apply_watches([NO_FILE])
    clock.advance(HOUR)
    assert await tell(store, NO_FILE) == [OVERDUE]


async def test_what_is_due_is_found_along_its_index(store: Store, url: str) -> None:
    if not url.startswith("sqlite"):
        pytest.skip("a table of a few rows is read whole there")
    with beside(url) as session:
        plan = session.rows("""EXPLAIN QUERY PLAN SELECT 1 FROM watches
          WHERE state IN ('waiting', 'back') AND due_at <= 5 LIMIT 1""")
    assert [line for *_, line in plan] == ["SEARCH watches USING INDEX watches_due (due_at<?)"]


async def many_are_told_once(opened: Opener, url: str, clock: FrozenClock, count: int) -> None:
    """So many recordings, a tenth of which get their file: over a restart, by two gateways, with the clock set back."""
    store = await opened()
    vendor = clock.now()  # whose clock nobody sets
    for at in range(0, count, 500):
        await come(store, *(now_of(clock, RECORDING_STARTED, f"s{n}", time=vendor) for n in range(at, at + 500)))
    await follow_with(store, [NO_FILE])
    await step(store, clock, -HOUR * 3)
    await store.close()
    stores = [await opened()] if url.startswith("sqlite") else [await opened(), await opened()]
    await come(stores[0], *(now_of(clock, FILE_COMPLETED, f"s{n}", time=vendor) for n in range(0, count, 10)))
    await follow_with(stores[0], [NO_FILE])
    clock.advance(HOUR - 10)
    assert await tell(stores[0], NO_FILE) == []
    clock.advance(10)
    told: Counter[str | None] = Counter()
    while some := [
        one for got, _ in await asyncio.gather(*(one.tell_watches([NO_FILE], make) for one in stores)) for one in got
    ]:
        told.update(one.new.event.stream for one in some)
    assert set(told) == {f"s{n}" for n in range(count) if n % 10}
    assert set(told.values()) == {1}
    assert table(url, "count(*)", "events WHERE type = 'recording.overdue'") == [(count * 9 // 10,)]
    for one in stores:
        await one.close()
    store = await opened()
    assert await tell(store, NO_FILE) == []


async def test_hundreds_of_missing_files_are_told_once_each(opened: Opener, url: str, clock: FrozenClock) -> None:
    await many_are_told_once(opened, url, clock, 500)


@pytest.mark.slow
@pytest.mark.timeout(240)  # PostgreSQL takes a minute for it on two busy cores
async def test_ten_thousand_missing_files_are_told_once_each(opened: Opener, url: str, clock: FrozenClock) -> None:
    await many_are_told_once(opened, url, clock, 10_000)


async def test_events_of_watches_are_of_no_other_recording(store: Store, url: str, clock: FrozenClock) -> None:
    await come(store, now_of(clock, RECORDING_STARTED))
    await follow_with(store, [NO_FILE])
    clock.advance(48 * HOUR)
    await tell(store, NO_FILE)
    await follow_all(store)
    assert [full.total for full in there(url)] == [2]
