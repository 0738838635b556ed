"""No memory at any line between a callback and its commit, for that line or for a while: nothing acknowledged is lost."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

import gateway.dispatch
import gateway.intake
import gateway.store
from gateway.intake import intake
from gateway.plugin import Played, Scene
from gateway.store.engine import write_queue
from gateway.testing import running
from gateway.testing.inprocess import RunningGateway
from tests.patience import PATIENCE_S
from tests.shortage import Place, Shortage

CONFIG = """
version: 1
sources: {live: {type: huawei-live, keys: [0123456789abcdef0123456789abcdef]}}
sinks: {app: {type: recorder, delivery: {concurrency: 2, timeout: 1s, retry: {initial: 1s, max: 1s}}}}
routes: [{to: [app]}]
"""
LEASE_S = 31.0  # the timeout, and what a lease lasts longer
FEW, MANY = 47, 9  # each so-manieth place is tried: every day, and where a shortage lasts, because callers give up
TOGETHER = 3
MOMENT_S = 0.02
GIVES_UP_S = 0.5  # a vendor


class Vendor:
    """Sends until it is acknowledged."""

    def __init__(self, gateway: RunningGateway) -> None:
        self._gateway = gateway
        self._number = 0
        self.acknowledged: set[str] = set()
        self.unheard = 0

    def plays(self) -> list[Played]:
        source, now = self._gateway.source(), self._gateway.clock.now()
        self._number += TOGETHER
        numbers = range(self._number, self._number + TOGETHER)
        return [source.play(Scene(type=source.scenes[0], number=number, now=now)) for number in numbers]

    async def send(self, played: Played) -> bool:
        try:
            async with asyncio.timeout(GIVES_UP_S):
                answer = await self._gateway.post(played, settle=False)
        except TimeoutError:
            self.unheard += 1
            return False
        except Exception:
            return False
        if answer.status == 200:
            self.acknowledged.update(answer.events)
        return answer.status == 200


def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is made good by itself after a moment is, after less of one."""
    monkeypatch.setattr(write_queue, "TICK_SECONDS", MOMENT_S / 4)
    for module in (write_queue, intake):
        monkeypatch.setattr(module, "CALL_SECONDS_MAX", MOMENT_S)


async def _goes_on(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer is woken when there is something, and does not only look now and then."""
    await asyncio.sleep(1.5 * MOMENT_S)
    with monkeypatch.context() as patch:
        patch.setattr(write_queue, "TICK_SECONDS", PATIENCE_S * 10)
        for _ in range(3):
            async with asyncio.timeout(PATIENCE_S):
                await gateway.gateway.store.ping()
    await gateway.gateway.store.ping()  # so that it looks as often as before


async def _arrives(gateway: RunningGateway, ids: set[str]) -> None:
    """Also what lost its slot, or its lease, between two hands: each comes free when a lease has ended."""
    for _ in range(3 * int(LEASE_S)):
        if ids <= {one.event.id for one in gateway.recorder().seen}:
            return
        await gateway.advance(1, settle=False)
        for _ in range(5):
            await gateway.gateway.store.ping()
            await gateway.gateway.store.gates()
    raise AssertionError(f"acknowledged and not delivered: {ids - {one.event.id for one in gateway.recorder().seen}}")


async def _tried(monkeypatch: pytest.MonkeyPatch, lines: int, few: int) -> None:
    _hurry(monkeypatch)
    shortage = Shortage(gateway.intake, gateway.store)
    with capture_logs(), shortage.watching():  # not written: sixty errors one in another are a long text
        async with running(CONFIG) as whole:
            vendor = Vendor(whole)
            with shortage.on():
                assert all(await asyncio.gather(*map(vendor.send, vendor.plays())))
                await whole.settle()
            places = list(shortage.places)
            for place in places[::few]:
                await _at(whole, vendor, shortage, place, lines, monkeypatch)


async def _at(
    whole: RunningGateway, vendor: Vendor, shortage: Shortage, place: Place, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await whole.advance(1, settle=False)  # because one signature may not bring any number of events
    plays = vendor.plays()
    with shortage.on(place, lines):
        heard = await asyncio.gather(*map(vendor.send, plays))
        await asyncio.sleep(0.01)
    try:
        await _goes_on(whole, monkeypatch)
        for played, well in zip(plays, heard, strict=True):
            if not well:
                async with asyncio.timeout(PATIENCE_S):
                    while not await vendor.send(played):
                        await asyncio.sleep(0.01)
        await _arrives(whole, vendor.acknowledged)
    except BaseException as error:
        error.add_note(f"there was no memory at {place} ({shortage.raised} times)")
        raise


LENGTHS = pytest.mark.parametrize("lines", [1, 60], ids=["one line", "sixty lines"])
DIES = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # whatever died says so


@DIES
async def test_no_memory_for_a_moment_loses_nothing_that_was_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    await _tried(monkeypatch, 1, FEW)


@DIES
@LENGTHS
@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_no_memory_at_any_line_loses_nothing_that_was_acknowledged(
    monkeypatch: pytest.MonkeyPatch, lines: int
) -> None:
    await _tried(monkeypatch, lines, 1 if lines == 1 else MANY)
