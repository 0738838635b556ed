"""What the tests of vendors' events share: a callback of a vendor as the event that its source makes of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from gateway import Event, Trust, Verified
from gateway.testing import callback
from tests.sources.vendors import make

VERIFIED = Verified(trust=Trust.BODY, scheme="test", key=0)


def read(type: str, said: dict[str, Any] | bytes, **headers: str) -> tuple[Event, ...]:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    return tuple(make(type).normalise(callback(body, headers=headers), VERIFIED))


def one(type: str, said: dict[str, Any] | bytes, **headers: str) -> Event:
    (event,) = read(type, said, **headers)
    assert event.provider == type
    return event


def form(**said: str) -> bytes:
    return urlencode(said).encode()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
