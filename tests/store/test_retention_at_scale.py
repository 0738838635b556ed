"""Retention among a million whole events and ten million small ones: a step costs what it costs among a hundredth of them, and
accepts go on beside it. What accepts wait is printed (`-s`), because it is the disk's and the machine's."""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.retention import OLD_DAYS, filler, measure, together
from benchmarks.store import new_event
from gateway.runtime.clock import Clock
from gateway.store.engine.batch import Bulk
from gateway.store.outbox import retention
from gateway.store.outbox.retention import Keep
from gateway.store.postgres.batch import PostgresBulk
from gateway.store.sqlite.batch import SqliteBulk
from gateway.text.store_address import parse_address
from tests.postgres import Postgres
from tests.store.old_events import fill, sizes

WHOLE, SMALL = 1_000_000, 10_000_000
FREE_BYTES_MIN = 40 << 30  # the four stores, their logs, and room for whoever else works here
STEPS = 60
STEP_GROWTH_MAX = 3.0  # times; a step that reads a table grows a hundredfold
FREE_BYTES = shutil.disk_usage(tempfile.gettempdir()).free

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3000),
    pytest.mark.skipif(
        FREE_BYTES < FREE_BYTES_MIN, reason=f"{FREE_BYTES >> 30} GiB free in {tempfile.gettempdir()}, 40 are needed"
    ),
]


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty place on the disk: the run's own server lies in memory."""
    folder = Path(tempfile.mkdtemp(prefix="gw-old-"))
    server = Postgres(folder / "server", owner=os.getpid()) if request.param == "postgresql" else None
    yield f"sqlite:///{folder}/gateway.db" if server is None else server.url
    if server is not None:
        server.close()
    shutil.rmtree(folder)


def step_cpu(url: str) -> float:
    """Milliseconds of processor time of a step of the sweep, of this process: what is read passes through it on SQLite."""
    address = parse_address(url)
    session: Bulk = SqliteBulk(address.path, Clock()) if address.backend == "sqlite" else PostgresBulk(address, None)
    try:
        after, times = 0, []
        for _ in range(STEPS):
            began = time.thread_time()
            step = retention.sweep_step(session, Keep(), after, 50)
            times.append((time.thread_time() - began) * 1000)
            assert step.deleted == 50
            assert step.after is not None
            after = step.after
        return statistics.median(times)
    finally:
        session.close()


@pytest.mark.parametrize(("events", "whole"), [(WHOLE, True), (SMALL, False)], ids=["whole", "small"])
def test_a_step_costs_the_same_and_accepts_go_on(place: str, events: int, whole: bool) -> None:
    like = new_event(0)
    content = {"body": like.body, "raw": like.event.raw} if whole else {"body": "{}", "raw": b"{}"}
    cpu = []
    for many in (events // 100, events - events // 100):
        with filler(place) as session:
            fill(session, many, days=OLD_DAYS, **content)  # type: ignore[arg-type]
            if session.backend == "postgresql":
                session.change("ANALYZE")
            weight = sum(sizes(session).values())
        cpu.append(step_cpu(place))
    turns_alone, turns_beside, deleted = asyncio.run(measure(place, rounds=2, rate=50, seconds=5))
    alone, beside = together(turns_alone), together(turns_beside)
    print(
        f"\n{events} events of {weight / events:.0f} bytes; a step of 50 takes {cpu[1]:.2f} ms, {cpu[0]:.2f} among a hundredth"
    )
    print(f"accepts alone:    {alone}\nbeside the sweep: {beside}; {deleted} deleted a second")
    assert cpu[1] < cpu[0] * STEP_GROWTH_MAX
    assert deleted > 0
    assert len(alone.ms) == len(beside.ms) == 500
