"""What a signal or a changed file begins never ends the gateway, whatever becomes of it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from gateway.errors import GatewayError
from gateway.runtime import background
from gateway.store.admin.audit import Actor
from gateway.web.renewal import renewing
from tests.patience import PATIENCE_S


class Reloaded:
    """A gateway whose reloads and whose file watch end as a test wants it."""

    def __init__(self, *ends: Exception | None) -> None:
        self.ends = list(ends)
        self.by: list[str] = []

    async def reload(self, actor: Actor) -> Any:
        self.by.append(actor.name)
        if (end := self.ends.pop(0)) is not None:
            raise end

    async def watch(self) -> None:
        self.by.append("watch")
        raise OSError(24, "Too many open files")


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await asyncio.sleep(0)


async def test_sighup_reloads_again_after_a_reload_that_failed() -> None:
    gateway: Any = Reloaded(RuntimeError("a plugin's"), GatewayError("told already"), None)
    with structlog.testing.capture_logs() as logs:
        async with renewing(gateway, watch=False):
            for times in (1, 2, 3):
                os.kill(os.getpid(), signal.SIGHUP)
                await until(lambda times=times: len(gateway.by) == times)  # type: ignore[misc]
    assert gateway.by == ["SIGHUP"] * 3
    assert [(line["event"], line["log_level"]) for line in logs] == [("reload_failed", "error")]
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL  # nobody hears it any more


async def test_a_file_watch_that_fails_is_told_once_and_begins_anew_and_a_signal_still_reloads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(background, "WORK_PAUSE_SECONDS", 0.01)
    gateway: Any = Reloaded(None)
    with structlog.testing.capture_logs() as logs:
        async with renewing(gateway, watch=True):
            await until(lambda: gateway.by.count("watch") == 3)
            os.kill(os.getpid(), signal.SIGHUP)
            await until(lambda: "SIGHUP" in gateway.by)
    failed = [line["what"] for line in logs if line["event"] == "background_failed"]  # a busy machine says more
    assert failed == ["file watch"]
