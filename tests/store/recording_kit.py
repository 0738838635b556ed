"""Events of a stream, and the recordings that are there once they came."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

from gateway.model import (
    FILE_COMPLETED,
    FILE_STARTED,
    RECORDING_ENDED,
    RECORDING_STARTED,
    Event,
)
from gateway.store.admin import recording_pages
from gateway.store.admin.recording_pages import RecordingFilter, RecordingFull
from gateway.store.store import Store
from tests.store.kit import START, beside, event, new, take

NUMBERS = itertools.count(1)


def of(type: str, minute: float, stream: str = "s", **more: Any) -> Event:
    """An event of this stream, so many minutes after the start by the vendor's clock."""
    at = START + timedelta(minutes=minute)
    return event(next(NUMBERS), type=type, stream=stream, time=at, at=at, **more)


async def follow_all(store: Store) -> None:
    while (await store.follow_recordings()).looked:
        pass


async def joined(store: Store, url: str, *events: Event) -> list[RecordingFull]:
    """What is there once these came, oldest first."""
    await take(store, *(new(one) for one in events))
    await follow_all(store)
    return there(url)


def there(url: str, **wanted: Any) -> list[RecordingFull]:
    with beside(url) as session:
        return [*recording_pages.page(session, RecordingFilter(**wanted), limit=200, before=None)][::-1]


def refs(full: RecordingFull) -> list[str]:
    return [one.ref for one in full.events]


WHOLE = ((RECORDING_STARTED, 0), (FILE_STARTED, 1), (FILE_COMPLETED, 30), (RECORDING_ENDED, 31))
