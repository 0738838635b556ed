"""A network between gateways and their PostgreSQL that is cut, frozen, half-open or slow, and poolers that die."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cable import Cable
from tests.faults.server import Server, serving
from tests.faults.world import LONG, OCCUPIED_MAX, World
from tests.store.pooler import Pooler

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as one:
        yield one


def _cut(cable: Cable) -> None:
    cable.cut()
    time.sleep(3)
    cable.mend()


def _frozen(cable: Cable) -> None:
    cable.freeze()
    time.sleep(9)
    cable.thaw()


def _half_open(cable: Cable) -> None:
    """What the server says is lost; what it is told arrives, so that it does what nobody hears of."""
    cable.deaf = True
    time.sleep(9)
    cable.deaf = False
    cable.drop()


def _slow(cable: Cable) -> None:
    cable.delay_s = 0.1
    time.sleep(5)
    cable.delay_s = 0.0


FAULTS: dict[str, Callable[[Cable], None]] = {
    "cut": _cut, "frozen": _frozen, "half open": _half_open, "slow": _slow,
}  # fmt: skip


@pytest.mark.parametrize("fault", [pytest.param(one, marks=() if one == "half open" else LONG) for one in FAULTS])
def test_a_network_that_fails_between_gateway_and_database_loses_nothing(
    tmp_path: Path, seed: int, whole: bool, server: Server, fault: str
) -> None:
    name = "network_" + fault.replace(" ", "_")
    times = 4 if whole else 1
    server.database(name)
    with Cable(f"{server.data}/.s.PGSQL.5432") as cable:
        url = f"postgresql://postgres@127.0.0.1:{cable.port}/{name}"
        with World(tmp_path, seed, store=url, gateways=2) as world:
            for one in world.gateways:
                one.start()
            world.begin(rate=150)
            for _ in range(times):
                world.wait_for(100)
                world.disturb()
                FAULTS[fault](cable)
                world.disturb()
                world.wait_for(100)
                world.disturb()
            account = world.settle()
    account.closes(again_max=times * 2 * OCCUPIED_MAX)


@pytest.mark.parametrize("mode", ["transaction", pytest.param("session", marks=LONG)])
def test_a_pooler_that_is_killed_and_comes_back_loses_nothing(
    tmp_path: Path, seed: int, server: Server, mode: str
) -> None:
    name = f"pooled_{mode}"
    url = server.database(name)
    with Pooler(str(server.data), mode) as pooler, World(tmp_path, seed, store=pooler.url_of(url)) as world:
        world.gateways[0].start()
        world.begin(rate=100)
        for _ in range(2):
            world.wait_for(60)
            world.disturb()
            pooler.kill()
            pooler.start()
            world.disturb()
            world.wait_for(60)
        world.kill()
        world.gateways[0].start()
        account = world.settle()
    account.closes(again_max=3 * OCCUPIED_MAX)
