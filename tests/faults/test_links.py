"""Two hosts, each a network namespace, and a link between them that is unplugged at either end or loses packets."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.faults.link import Link
from tests.faults.server import serving
from tests.faults.world import LONG, OCCUPIED_MAX, World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
UNPLUGGED_S = 4.0  # longer than a delivery may take
LOSING_S = 6.0
LATE_S = 4.0  # what was given up after three seconds is still on its way: the kernel sends it again, the longer it was away the later


def disturbed(world: World, seconds: float) -> None:
    """So long a request may come at any moment, and once more."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        world.disturb()
        time.sleep(0.1)


def _unplugged(link: Link, world: World) -> None:
    link.unplug()
    time.sleep(UNPLUGGED_S)
    link.plug_in()
    disturbed(world, LATE_S)


def _unplugged_there(link: Link, world: World) -> None:
    link.unplug(far=True)
    time.sleep(UNPLUGGED_S)
    link.plug_in()
    disturbed(world, LATE_S)


def _loses_packets(link: Link, world: World) -> None:
    link.lose()
    disturbed(world, LOSING_S)
    counted = link.heal()
    disturbed(world, LATE_S)
    dropped = re.search(r"dropped (\d+)", counted)
    assert dropped is not None, counted
    assert int(dropped[1]), "no packet was lost, so nothing was tried"
    print(f"{dropped[1]} packets lost by {link.losing}")


FAULTS: dict[str, Callable[[Link, World], None]] = {
    "unplugged": _unplugged, "unplugged_there": _unplugged_there, "loses_packets": _loses_packets,
}  # fmt: skip


def faults(short: str) -> Sequence[object]:
    """All of them; only one is in the short form."""
    return [pytest.param(one, marks=() if one == short else LONG) for one in FAULTS]


@pytest.mark.parametrize("fault", faults("unplugged_there"))
@pytest.mark.postgres
def test_a_link_to_the_database_that_fails_loses_nothing(tmp_path: Path, seed: int, whole: bool, fault: str) -> None:
    with Link() as link, serving() as server:
        server.database("linked")
        server.move(link)
        url = f"postgresql://postgres@{link.address}:5432/linked"
        with World(tmp_path, seed, store=url, gateways=2) as world:
            play(world, link, fault, times=3 if whole else 1)


@pytest.mark.parametrize("fault", faults("loses_packets"))
def test_a_link_to_a_sink_that_fails_loses_nothing(tmp_path: Path, seed: int, whole: bool, fault: str) -> None:
    with Link() as link, World(tmp_path, seed, far=link) as world:
        play(world, link, fault, times=3 if whole else 1)


def play(world: World, link: Link, fault: str, *, times: int) -> None:
    """Under load, so often."""
    for one in world.gateways:
        one.start()
    world.begin(rate=150)
    for _ in range(times):
        world.wait_for(100)
        world.disturb()
        FAULTS[fault](link, world)
        world.disturb()
        world.wait_for(100)
        world.disturb()
    account = world.settle()
    assert all(one.process is not None and one.process.poll() is None for one in world.gateways)
    account.closes(again_max=times * len(world.gateways) * OCCUPIED_MAX)
