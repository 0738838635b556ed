"""kill -9 at random and at chosen moments: what was acknowledged arrives, and no more of it twice than was in flight."""

from __future__ import annotations

import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.world import OCCUPIED_MAX, World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(5400)]


def test_nothing_acknowledged_is_lost_by_kills_at_random(
    tmp_path: Path, seed: int, whole: bool, request: pytest.FixtureRequest
) -> None:
    kills = int(request.config.getoption("--kills")) if whole else 10
    callbacks = kills * (1020 if whole else 400)  # some are forgotten
    with World(tmp_path, seed, sinks=("app", "two")) as world:
        world.gateways[0].start()
        world.begin(callbacks=callbacks)
        for _ in range(kills):
            world.wait_for(callbacks * 9 // 10 // kills)
            world.nap(0.2)
            world.kill()
            world.gateways[0].start()
        account = world.settle(within=2400 if whole else 120)
    assert len(account.ids) > callbacks * 0.97
    account.closes(again_max=kills * OCCUPIED_MAX * 2)


def _reload(world: World) -> None:
    process = world.gateways[0].process
    assert process is not None
    process.send_signal(signal.SIGHUP)


def _shutdown(world: World) -> None:
    process = world.gateways[0].process
    assert process is not None
    process.send_signal(signal.SIGTERM)
    world.disturb()  # what it does not end in time is given back


MOMENTS = {"in a reload": _reload, "in a shutdown": _shutdown}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_in_the_middle_of_what_a_gateway_does_loses_nothing(
    tmp_path: Path, seed: int, whole: bool, moment: str
) -> None:
    kills = 20 if whole else 3
    with World(tmp_path, seed) as world:
        world.gateways[0].start()
        world.begin(rate=150)
        for _ in range(kills):
            world.wait_for(40)
            MOMENTS[moment](world)
            world.nap(0.15)
            world.kill()
            world.gateways[0].start()
        account = world.settle()
    account.closes(again_max=2 * kills * OCCUPIED_MAX)


def test_kills_while_it_starts_lose_nothing(tmp_path: Path, seed: int, whole: bool) -> None:
    with World(tmp_path, seed) as world:
        gateway = world.gateways[0].start()
        world.begin(rate=150)
        for _ in range(4 if whole else 2):
            world.wait_for(60)
            world.kill()
            for _ in range(5):
                gateway.start(ready=False)
                world.nap(0.3)
                world.kill()
            gateway.start()
        account = world.settle()
    account.closes(again_max=12 * (4 if whole else 2) * OCCUPIED_MAX)


def test_kills_while_it_makes_its_store_leave_one_that_works(tmp_path: Path, seed: int, whole: bool) -> None:
    with World(tmp_path, seed) as world:
        gateway = world.gateways[0]
        for turn in range(30 if whole else 8):
            gateway.start(ready=False)
            world.until(lambda: (gateway.folder / "gateway.db").exists())
            time.sleep(turn * 0.004)
            world.kill()
        gateway.start()
        world.begin(callbacks=100)
        account = world.settle()
    account.closes(again_max=0)


HURRIES = """
import gateway.store_keeper
gateway.store_keeper.SWEEP_INTERVAL_SECONDS = 0.02
from gateway import Sink

class Unused(Sink):
    type = "unused"
    async def deliver(self, delivery) -> None: ...
"""


def test_kills_in_a_sweep_of_what_is_old_lose_nothing_that_is_not(tmp_path: Path, seed: int, whole: bool) -> None:
    more = "plugins: [./hurries.py]\n"
    with World(tmp_path, seed, store_more=", keep: {delivered: 1d}", more=more) as world:
        gateway = world.gateways[0]
        (gateway.folder / "hurries.py").write_text(HURRIES)
        (gateway.folder / "hurries.py").chmod(0o600)
        gateway.start()
        world.begin(rate=200)
        swept = 0
        for _ in range(20 if whole else 4):
            world.wait_for(150)
            world.kill()
            with closing(sqlite3.connect(gateway.folder / "gateway.db")) as store, store:
                two_days = 2 * 86_400_000
                store.execute("UPDATE events SET received_at = received_at - ?", (two_days,))
                store.execute("UPDATE deliveries SET due_at = due_at - ? WHERE state = 'delivered'", (two_days,))
                (swept,) = store.execute("SELECT count(*) FROM remembered").fetchone()
            gateway.start()
            world.nap(0.4)
        account = world.settle()
    assert swept, "nothing was deleted, so nothing was tried"
    account.closes(again_max=20 * OCCUPIED_MAX)


def test_a_gateway_that_starts_again_and_again_with_what_is_in_flight_finishes_it(tmp_path: Path, seed: int) -> None:
    """What was in flight when a process died goes together once, and what had begun then alone; a sink that takes its time is the worst case."""
    with World(tmp_path, seed) as world:
        world.receiver.tell("app slow 0.2")
        world.gateways[0].start()
        world.begin(callbacks=200, streams=16)
        for _ in range(4):
            world.wait_for(40)
            world.kill()
            world.gateways[0].start()
        world.receiver.tell("app 200")
        began = time.monotonic()
        account = world.settle()
    print(f"finished {time.monotonic() - began:.1f} s after the last kill")
    account.closes(again_max=4 * OCCUPIED_MAX)
