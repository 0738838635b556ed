"""A sink that does not open starts with its circuit open, and holds up nobody."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import Unavailable
from tests.patience import PATIENCE_S, eventually

from .conftest import Build, Scripted, event, policy


class Shy(Scripted):
    """Fails to open until it is told to."""

    trouble: BaseException | None = None
    hangs = False

    async def open(self) -> None:
        await super().open()
        if self.hangs:
            await asyncio.Event().wait()
        if self.trouble is not None:
            raise self.trouble


@pytest.mark.parametrize("trouble", [OSError("no such folder"), Unavailable("not yet"), SystemExit(1)])
async def test_a_sink_that_does_not_open_starts_with_its_circuit_open(build: Build, trouble: BaseException) -> None:
    sink, other = Shy("app"), Scripted("ops")
    sink.trouble = trouble
    house = await build(sink, other)
    assert house.value("circuit_open", sink="app") == 1
    await house.put(event(1))
    await eventually(lambda: house.rows("state", "sink = 'ops'") == ["delivered"])
    await house.later(60)
    assert sink.opened >= 3
    assert sink.seen == []
    await eventually(lambda: house.rows("state, attempts", "sink = 'app'") == [("waiting", 0)])
    sink.trouble = None
    await house.later(60)
    await eventually(lambda: house.rows() == ["delivered"] * 2)
    opened = sink.opened
    await house.later(60)
    assert sink.opened == opened


async def test_a_sink_that_opens_late_closes_its_circuit_without_a_delivery(build: Build) -> None:
    sink = Shy("app")
    sink.trouble = OSError("not mounted yet")
    house = await build(sink)
    sink.trouble = None
    await house.later(10)
    assert house.value("circuit_open", sink="app") == 0
    (taken,) = await house.put(event(1))
    assert len(taken.leases) == 1


async def test_a_sink_that_hangs_while_it_opens_delays_no_other(build: Build) -> None:
    sink, other = Shy("app"), Scripted("ops")
    sink.hangs = True
    house = await build(sink, other, app=policy(timeout="10ms"))
    await house.put(event(1))
    await eventually(lambda: house.rows("state", "sink = 'ops'") == ["delivered"])
    await eventually(lambda: house.value("circuit_open", sink="app") == 1)
    assert "no answer within" in house.gate()[3]


async def test_a_sink_that_is_still_opening_does_not_hold_up_the_end(build: Build) -> None:
    sink = Shy("app")
    sink.hangs = True
    house = await build(sink, delivery={"timeout": "1h"})
    await asyncio.wait_for(house.close(), PATIENCE_S)


async def test_when_another_gateway_has_closed_the_circuit_a_sink_of_ours_still_opens_first(build: Build) -> None:
    sink = Shy("app")
    sink.trouble = OSError("here only")
    house = await build(sink)
    house.write("UPDATE sinks SET open_until = NULL, pauses = 0, stalled_since = NULL")
    await house.later(30)
    await house.put(event(1))
    await house.later(300)
    assert sink.seen == []
    assert 4 <= sink.opened <= 10  # ever more slowly
    assert house.gate()[0] is None  # the others' circuit is left closed
    sink.trouble = None
    await house.later(360)
    await eventually(lambda: house.rows() == ["delivered"])
