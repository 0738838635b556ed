"""No memory at any line of the dispatcher, for that line or for a while: what was acknowledged is delivered all the same."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import gateway.dispatch
from gateway.errors import Retry
from gateway.model import Delivery
from tests.ready_stores import file_at

from .conftest import Build, House, Scripted, event

ROOM = str(Path(gateway.dispatch.__file__).parent)
FEW, MANY = 61, 11  # each so-manieth line is tried: every day, and by the slow test
CONCURRENCY = 2


class Shortage:
    """Counts the lines of the dispatcher that run in this thread, and raises at those from `first` on, so many of them."""

    def __init__(self, first: int, lines: int) -> None:
        self._first, self._end = first, first + lines
        self._spared: asyncio.Task[Any] | None = None
        self.seen = 0
        self.hit = ""  # the first line that it came to

    def __call__(self, frame: FrameType, what: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(ROOM) or self._is_spared():
            return None
        if what == "line":
            self.seen += 1
            if self._first <= self.seen < self._end:
                self.hit = self.hit or f"{frame.f_code.co_qualname}, line {frame.f_lineno}"
                raise MemoryError
        return self

    def _is_spared(self) -> bool:
        return self._spared is not None and self._spared is asyncio.current_task()

    @contextmanager
    def begun(self) -> Iterator[None]:
        before = sys.gettrace()
        sys.settrace(self)
        try:
            yield
        finally:
            sys.settrace(before)

    @contextmanager
    def spares_this_task(self) -> Iterator[None]:
        """While the test itself looks."""
        self._spared = asyncio.current_task()
        yield
        self._spared = None


async def _carry_some(build: Build, shortage: Shortage, folder: Path) -> House:
    """Two that are handed over, one of which is to be tried again, and two that are claimed, as far as the door takes them."""
    failed: set[str] = set()

    async def script(delivery: Delivery) -> None:
        if delivery.event.id == event(2).id and not failed:
            failed.add(delivery.event.id)
            raise Retry("once")

    waits = {"concurrency": CONCURRENCY, "timeout": "5s", "retry": {"initial": "1s", "max": "1s"}}
    (folder / f"{shortage._first}").mkdir()
    house = await build(Scripted("app", script), delivery=waits, url=file_at(folder / f"{shortage._first}/gateway.db"))
    with shortage.begun():
        for numbers, handed in (((1, 2), True), ((3, 4), False)):
            with suppress(MemoryError):
                await house.put(*map(event, numbers), hand=handed)
                house.dispatcher.wake("app")
            with shortage.spares_this_task():
                await house.calm()
        with shortage.spares_this_task():
            await house.later(2)
    return house


def _is_over(house: House) -> bool:
    """Everything is delivered, and nothing is held."""
    lane = house.dispatcher.lanes["app"]
    return set(house.rows()) <= {"delivered"} and not lane.held and not house.dispatcher._settler.pending


async def _tried_at(build: Build, folder: Path, lines: int, step: int) -> None:
    shortage = Shortage(sys.maxsize - 1, 0)
    house = await _carry_some(build, shortage, folder)
    assert house.rows() == ["delivered"] * 4
    await house.close(0.05)
    for first in range(1, shortage.seen, step):
        one = Shortage(first, lines)
        house = await _carry_some(build, one, folder)
        for _ in range(60):
            if _is_over(house):
                break
            await house.later(2)
        held = house.dispatcher.lanes["app"].held
        assert _is_over(house), f"{house.rows()}, {held} held: there was no memory at {one.hit}"
        assert len(house.dispatcher.lanes["app"].workers._workers) == CONCURRENCY, one.hit
        await house.close(0.05)


LENGTHS = pytest.mark.parametrize("lines", [1, 60], ids=["one line", "sixty lines"])
DIES = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # whatever died says so


@DIES
@LENGTHS
async def test_no_memory_for_a_moment_costs_no_delivery_and_no_slot(build: Build, tmp_path: Path, lines: int) -> None:
    await _tried_at(build, tmp_path, lines, FEW)


@DIES
@LENGTHS
@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_no_memory_at_any_line_costs_no_delivery_and_no_slot(build: Build, tmp_path: Path, lines: int) -> None:
    await _tried_at(build, tmp_path, lines, MANY)
