"""Callbacks as vendors send them, for the tests of signatures."""

from __future__ import annotations

from datetime import datetime

from gateway import Callback
from gateway.testing import NOW, callback

AT = int(NOW.timestamp())


def sent(body: bytes, headers: dict[str, str], at: datetime = NOW) -> Callback:
    return callback(body, headers=headers, received_at=at)
