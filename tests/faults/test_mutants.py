"""The harness finds planted mistakes: each copy of the program with one loses what it acknowledged, and the account says so."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.account import Account
from tests.faults.disk import Disk
from tests.faults.mutants import MUTANTS, mutant
from tests.faults.server import serving
from tests.faults.test_disk import NO_RESERVE, power_cuts
from tests.faults.test_leases import with_a_late_word, without_one
from tests.faults.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ANSWERS_AFTER_S = 0.2  # else what was not stored in time has often arrived already
TRIES_MAX = 3
PATIENCE_S = 40  # until a circuit that the pause opened lets go what came back
QUIET_S = 8  # after which what has not arrived never will: retries come within half a second


def _world(folder: Path, seed: int, command: str, home: Path) -> World:
    world = World(folder, seed, command=command, home=home, store_more=NO_RESERVE)
    world.receiver.tell(f"app slow {ANSWERS_AFTER_S}")
    return world


def _killed(folder: Path, seed: int, command: str) -> Account:
    with _world(folder, seed, command, folder) as world:
        world.gateways[0].start()
        world.begin(streams=48)
        for _ in range(3):
            world.wait_for(60)
            world.nap(0.1)
            world.kill()
            world.gateways[0].start()
        return world.settle(quiet=QUIET_S)


def _cut(folder: Path, seed: int, command: str) -> Account:
    with closing(Disk(folder)) as disk, _world(folder, seed, command, disk.place) as world:
        power_cuts(world, disk, 2)
        account = world.settle(quiet=QUIET_S)
        world.kill()
        return account


def _still(folder: Path, seed: int, command: str) -> Account:
    with serving() as server:
        return without_one(folder, seed, server, "still", comes_back=True, command=command, patience=PATIENCE_S)


def _late(folder: Path, seed: int, command: str) -> Account:
    with serving() as server:
        return with_a_late_word(folder, seed, server, "late", command=command)


def _gone(folder: Path, seed: int, command: str) -> Account:
    with serving() as server:
        return without_one(folder, seed, server, "gone", comes_back=False, command=command)


LOST = "acknowledged and never delivered"
TWICE = "delivered twice although nothing happened between"
EITHER = f"{LOST}|{TWICE}"  # whoever carries an event for ever, together with another, may come to no end either
FOUND_BY = {
    "it answers before it commits": (_killed, LOST),
    "nobody takes up what was in flight when it died": (_killed, LOST),
    "it does not wait for the disk": (_cut, LOST),
    "it takes an outcome under a lease that was lost": (_late, LOST),
    "a lease is never lengthened": (_still, EITHER),
    "nobody is told of rows, and nobody looks": (_gone, LOST),
}


@pytest.mark.parametrize("mistake", MUTANTS)
def test_a_planted_mistake_is_found(tmp_path: Path, seed: int, mistake: str) -> None:
    (tmp_path / "program").mkdir()
    play, words = FOUND_BY[mistake]
    command = mutant(tmp_path / "program", mistake)
    for turn in range(TRIES_MAX):  # how the processes interleave is the machine's
        place = tmp_path / f"world-{turn}"
        place.mkdir()
        try:
            play(place, seed + turn, command).closes(again_max=1_000_000)
        except AssertionError as error:
            if re.search(words, str(error)):
                return
            raise
    pytest.fail("its account closed each time, so the mistake was not found")
