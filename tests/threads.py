"""Threads of tests: none is waited for without end, and none keeps the process of a test that failed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from tests.patience import PATIENCE_S


def start(work: Callable[..., Any], *args: Any, name: str | None = None, **options: Any) -> threading.Thread:
    """A running thread; it is a daemon, because one that hangs would keep the process after its test failed."""
    thread = threading.Thread(target=work, args=args, kwargs=options, name=name, daemon=True)
    thread.start()
    return thread


def end(threads: threading.Thread | Iterable[threading.Thread], within: float = PATIENCE_S) -> None:
    """Wait for these to end; one that does not is the test's failure (and so is one that raised: pytest sees to it)."""
    until = time.monotonic() + within
    for thread in [threads] if isinstance(threads, threading.Thread) else threads:
        thread.join(max(0.0, until - time.monotonic()))
        assert not thread.is_alive(), f"{thread.name} does not end"
