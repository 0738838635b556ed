"""What makes a running gateway read its configuration again: SIGHUP, and the file itself."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import AsyncIterator

from gateway.errors import GatewayError
from gateway.runtime.background import end_tasks, tireless
from gateway.runtime.clock import Clock
from gateway.runtime.lean_imports import import_structlog
from gateway.store.admin.audit import Actor
from gateway.web.ports import Serving

log = import_structlog().get_logger("gateway.web")


@contextlib.asynccontextmanager
async def renewing(gateway: Serving, *, watch: bool) -> AsyncIterator[None]:
    """The life of the public application: inside it SIGHUP reloads, where this thread may hear signals, and with `watch` a changed file does."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    def reload() -> None:
        task = loop.create_task(_reload(gateway), name="reload")
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    hears = threading.current_thread() is threading.main_thread()
    if hears:
        loop.add_signal_handler(signal.SIGHUP, reload)
    watching = tireless("file watch", gateway.watch, Clock()) if watch else None
    try:
        yield
    finally:
        if hears:
            loop.remove_signal_handler(signal.SIGHUP)
        await end_tasks(*tasks, watching)


async def _reload(gateway: Serving) -> None:
    try:
        await gateway.reload(Actor("SIGHUP", socket.gethostname()))
    except GatewayError:
        pass  # it was said already
    except Exception:
        log.exception("reload_failed")
