"""What a plugin still has running when everything is closed: told by name, and waited for no longer than a moment."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Collection
from typing import Final

from gateway.runtime.lean_imports import import_structlog

log = import_structlog().get_logger("gateway.web")

LEAVING_SECONDS: Final = 1.0  # for what a plugin still has running when everything is closed


async def nothing_left(seconds: float = LEAVING_SECONDS, but: Collection[threading.Thread] = ()) -> bool:
    """Whether every task of this loop, once cancelled, every thread of its executor, and every other thread that Python waits for
    at its exit ends within `seconds`; `but` are threads that are somebody else's.

    A plugin may swallow its cancellation, block a thread, or have begun one of its own; Python would wait for it without an end.
    """
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    threads = asyncio.create_task(asyncio.get_running_loop().shutdown_default_executor(), name="threads")
    until = time.monotonic() + seconds
    _, unended = await asyncio.wait({*tasks, threads}, timeout=seconds)
    begun = [
        one for one in threading.enumerate() if not (one.daemon or one is threading.current_thread() or one in but)
    ]
    for one in begun:
        one.join(max(0.0, until - time.monotonic()))
    left = sorted([*(task.get_name() for task in unended), *(one.name for one in begun if one.is_alive())])
    if left:
        log.warning("left_behind", what=left)
    return not left
