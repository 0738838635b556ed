"""Duties of a whole gateway that ended for ever at a failure nobody had foreseen, or were late behind one another."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.runtime.background import end_tasks
from gateway.store.admin import free_jobs
from gateway.testing import running
from tests.patience import eventually

CONFIG = {
    "sources": {"live": {"type": "huawei-live", "keys": ["demo-0123456789abcdef0123456789abcdef"]}},
    "sinks": {"app": {"type": "recorder"}},
    "routes": [{"to": ["app"]}],
}


async def test_jobs_are_looked_for_after_a_start_at_which_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    leave, free, failures, looks = free_jobs.leave, free_jobs.free, [RuntimeError("a bug")], list[str]()

    def fails(*given: Any) -> None:
        if failures:
            raise failures.pop()
        leave(*given)

    def looked(*given: Any) -> Any:
        looks.append("free")
        return free(*given)

    monkeypatch.setattr(free_jobs, "leave", fails)
    monkeypatch.setattr(free_jobs, "free", looked)
    monkeypatch.setattr("gateway.runtime.background.WORK_PAUSE_SECONDS", 0.01)
    async with running(CONFIG):
        await eventually(lambda: looks)


async def test_a_changed_file_is_seen_after_a_look_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(CONFIG) as gateway:
        failures = [MemoryError()]
        files: Any = type(gateway.gateway.loaded).watched_files

        def fails(loaded: Any) -> Any:
            if watching and failures:
                raise failures.pop()
            return files.fget(loaded)

        watching: list[asyncio.Task[None]] = []
        monkeypatch.setattr(type(gateway.gateway.loaded), "watched_files", property(fails))
        with capture_logs() as logs:
            task = asyncio.create_task(gateway.gateway.watch())
            await asyncio.sleep(0)
            watching.append(task)
            path = gateway.folder / "under-test.yaml"
            path.write_text(path.read_text() + "\n# another\n")
            for _ in range(10):
                gateway.clock.advance(1)
                await gateway.settle()
            await eventually(lambda: [line for line in logs if line["event"].startswith("reload")])
        assert not failures
        await end_tasks(*watching)
