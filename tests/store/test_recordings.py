"""Which events are one recording, and what is missing of it: whatever the order they come in, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.model import (
    FILE_COMPLETED,
    FILE_STARTED,
    RECORDING_ENDED,
    RECORDING_FAILED,
    RECORDING_STARTED,
    SOURCE_SILENT,
    STREAM_ENDED,
    STREAM_STARTED,
    Event,
    Trust,
)
from gateway.store.store import Store
from tests.store.kit import START, event, new, take
from tests.store.recording_kit import NUMBERS, WHOLE, joined, of, refs, there


async def test_the_events_of_a_stream_are_one_recording(store: Store, url: str) -> None:
    events = [of(*one) for one in WHOLE]
    (full,) = await joined(store, url, *events)
    assert refs(full) == [one.id for one in events]
    one = full.recording
    assert (one.source, one.domain, one.app, one.stream) == ("live", "push.example.com", "live", "s")
    assert (one.state, one.missing, one.begun, one.completed) == ("ended", [], 1, 1)
    assert one.started_at == round(START.timestamp() * 1000)
    assert one.over_at == one.started_at + 31 * 60_000


@pytest.mark.parametrize("order", [(3, 2, 1, 0), (2, 0, 3, 1), (1, 3, 0, 2)])
async def test_in_whatever_order_they_come_it_is_the_same_recording(
    store: Store, url: str, order: tuple[int, ...]
) -> None:
    (full,) = await joined(store, url, *[of(*WHOLE[n]) for n in order])
    one = full.recording
    assert (one.state, one.missing, full.total) == ("ended", [], 4)
    assert one.over_at == round((START + timedelta(minutes=31)).timestamp() * 1000)


TOGETHER: list[tuple[str, list[Event], list[list[int]]]] = [
    (
        "a second start is a second recording",
        [of(RECORDING_STARTED, 0), of(RECORDING_ENDED, 9), of(RECORDING_STARTED, 10), of(RECORDING_ENDED, 20)],
        [[0, 1], [2, 3]],
    ),
    (
        "though the first one's end was lost",
        [of(RECORDING_STARTED, 0), of(RECORDING_STARTED, 10), of(RECORDING_ENDED, 20)],
        [[0], [1, 2]],
    ),
    (
        "a late file goes to the recording of its time",
        [of(RECORDING_STARTED, 0), of(RECORDING_ENDED, 9), of(RECORDING_STARTED, 10), of(FILE_COMPLETED, 8)],
        [[0, 1, 3], [2]],
    ),
    (
        "a file after the end is of that recording",
        [of(RECORDING_STARTED, 0), of(RECORDING_ENDED, 9), of(FILE_COMPLETED, 12)],
        [[0, 1, 2]],
    ),
    (
        "after hours without a word it is another",
        [of(FILE_COMPLETED, 0), of(FILE_COMPLETED, 10), of(FILE_COMPLETED, 10 + 361)],
        [[0, 1], [2]],
    ),
    ("another stream is another", [of(RECORDING_STARTED, 0), of(RECORDING_STARTED, 0, "t")], [[0], [1]]),
    ("another source is another", [of(RECORDING_STARTED, 0), of(RECORDING_ENDED, 1, source="other")], [[0], [1]]),
    (
        "tasks at the same time are told apart",
        [
            of(RECORDING_STARTED, 0, task_id="a"),
            of(RECORDING_STARTED, 0, task_id="b"),
            of(RECORDING_ENDED, 9, task_id="a"),
            of(RECORDING_ENDED, 9, task_id="b"),
        ],
        [[0, 2], [1, 3]],
    ),
    (
        "a task opens again by a start",
        [
            of(RECORDING_STARTED, 0, task_id="a"),
            of(RECORDING_ENDED, 9, task_id="a"),
            of(RECORDING_STARTED, 10, task_id="a"),
        ],
        [[0, 1], [2]],
    ),
    (
        "a job's end follows its begin, however late",
        [of(FILE_STARTED, 0, job_id="j"), of(RECORDING_STARTED, 10), of(FILE_COMPLETED, 600, job_id="j")],
        [[0, 1, 2]],
    ),
    (
        "a push and its recording are one",
        [
            of(STREAM_STARTED, 0),
            of(RECORDING_STARTED, 0.1, task_id="a"),
            of(RECORDING_ENDED, 9, task_id="a"),
            of(STREAM_ENDED, 9),
        ],
        [[0, 1, 2, 3]],
    ),
    ("though the push is told later", [of(RECORDING_STARTED, 0.1, task_id="a"), of(STREAM_STARTED, 0)], [[0, 1]]),
]


@pytest.mark.parametrize(("name", "events", "expected"), TOGETHER, ids=[name for name, *_ in TOGETHER])
async def test_what_belongs_together(
    store: Store, url: str, name: str, events: list[Event], expected: list[list[int]]
) -> None:
    fulls = await joined(store, url, *events)
    assert sorted([refs(full) for full in fulls]) == sorted([[events[n].id for n in group] for group in expected])


MISSING: list[tuple[list[Event], str, list[str]]] = [
    ([of(RECORDING_STARTED, 0)], "open", []),
    ([of(RECORDING_STARTED, 0), of(RECORDING_ENDED, 9)], "ended", [FILE_COMPLETED]),
    (
        [
            of(RECORDING_STARTED, 0),
            of(FILE_STARTED, 1),
            of(FILE_STARTED, 2),
            of(FILE_COMPLETED, 3),
            of(RECORDING_ENDED, 9),
        ],
        "ended",
        [FILE_COMPLETED],
    ),
    ([of(FILE_COMPLETED, 3), of(RECORDING_ENDED, 9)], "ended", [RECORDING_STARTED]),
    ([of(RECORDING_STARTED, 0), of(RECORDING_FAILED, 1)], "failed", []),
    ([of(FILE_COMPLETED, 3)], "ended", []),
    ([of(STREAM_STARTED, 0), of(STREAM_ENDED, 9)], "ended", [RECORDING_STARTED]),
    ([of(STREAM_STARTED, 0)], "open", []),
]


@pytest.mark.parametrize(("events", "state", "missing"), MISSING)
async def test_what_is_missing_at_the_end_is_said(
    store: Store, url: str, events: list[Event], state: str, missing: list[str]
) -> None:
    (full,) = await joined(store, url, *events)
    assert (full.recording.state, full.recording.missing) == (state, missing)
    assert [one.recording.id for one in there(url, missing=bool(missing), state=state)] == [full.recording.id]
    assert there(url, missing=not missing) == []


async def test_a_vendors_clock_that_is_days_off_is_not_believed(store: Store, url: str) -> None:
    far = START + timedelta(days=900)
    (full,) = await joined(
        store, url, of(RECORDING_STARTED, 0), event(next(NUMBERS), type=RECORDING_ENDED, stream="s", time=far)
    )
    assert full.recording.over_at == round(START.timestamp() * 1000)


async def test_alarms_and_what_has_no_stream_are_of_no_recording(store: Store, url: str) -> None:
    nameless = event(next(NUMBERS), domain=None, app=None, stream=None)
    alarm = event(next(NUMBERS), type=SOURCE_SILENT)
    unreadable = new(event(next(NUMBERS)), body="no JSON")
    await take(store, new(nameless), new(alarm), unreadable)
    assert await joined(store, url) == []
    assert not (await store.follow_recordings()).looked


async def test_a_repeat_changes_nothing_and_a_better_version_is_the_same_file(store: Store, url: str) -> None:
    begun, weak = of(FILE_STARTED, 0), of(FILE_COMPLETED, 3, trust=Trust.TIMESTAMP)
    (first,) = await joined(store, url, begun, weak)
    (again,) = await joined(store, url, weak)
    assert again == first
    better = new(weak.replace(trust=Trust.BODY, job_id="j"), fingerprint=b"b" * 16)
    await take(store, better)
    (after,) = await joined(store, url)
    assert (after.total, after.recording.completed) == (3, 1)
    assert [one.superseded is not None for one in after.events] == [False, True, False]
