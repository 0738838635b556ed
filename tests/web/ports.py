"""Free ports, and when somebody listens there."""

from __future__ import annotations

import time
from typing import Any


def until(condition: Any) -> None:
    limit = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)
