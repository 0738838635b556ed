"""A disk that is full and freed, one that loses power, a store's file that is taken away, a log that cannot be written."""

from __future__ import annotations

import os
import signal
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.disk import Disk, fill, small, unchangeable
from tests.faults.world import OCCUPIED_MAX, World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
FULL_BYTES = 12 * 2**20
FULL_LONG_BYTES = 40 * 2**20  # because there the rows alone would fill the other
NO_RESERVE = ", limits: {free_disk: 0}"  # so that it is the disk that says no, and not the gateway before it


def refused(world: World) -> int:
    """How many requests were answered 503 by now."""
    path = world.folder / "posted"
    return sum(line.split()[2] == "503" for line in path.read_text().splitlines(keepends=True) if line.endswith("\n"))


def test_a_disk_that_is_full_and_freed_again_loses_nothing(tmp_path: Path, seed: int, whole: bool) -> None:
    with (
        small(tmp_path / "disk", FULL_LONG_BYTES if whole else FULL_BYTES) as place,
        (tmp_path / "log").open("ab") as log,  # elsewhere
        World(tmp_path, seed, store_more=NO_RESERVE, home=place) as world,
    ):
        gateway = world.gateways[0]
        gateway.output = log.fileno()
        gateway.start()
        world.begin(rate=150)
        for turn in range(5 if whole else 2):
            world.wait_for(80)
            before = refused(world)
            ballast = fill(place)
            world.until(lambda before=before: refused(world) > before + 20)  # type: ignore[misc]
            if turn % 2:
                world.kill()
            ballast.unlink()
            if turn % 2:
                gateway.start()
            world.disturb()
            world.wait_for(80)
        account = world.settle()
        gateway.stop()
    account.closes(again_max=5 * 2 * OCCUPIED_MAX)


def cut_power(world: World, disk: Disk) -> None:
    """Everything stops in one moment, and comes back with what the disk has."""
    process = world.gateways[0].process
    assert process is not None
    process.send_signal(signal.SIGSTOP)  # else it would write while the image is taken
    image = disk.image()
    world.kill()
    disk.go_on_with(image)


def power_cuts(world: World, disk: Disk, times: int) -> None:
    """Under load, so many."""
    disk.flush()  # the configuration
    world.gateways[0].start()
    world.begin(rate=200)
    for _ in range(times):
        world.wait_for(150)
        world.nap(0.3)
        cut_power(world, disk)
        world.gateways[0].start()


def test_a_power_cut_loses_nothing_that_was_acknowledged(tmp_path: Path, seed: int, whole: bool) -> None:
    times = 10 if whole else 2
    with closing(Disk(tmp_path)) as disk, World(tmp_path, seed, store_more=NO_RESERVE, home=disk.place) as world:
        power_cuts(world, disk, times)
        account = world.settle()
        world.kill()
    account.closes(again_max=times * 2 * OCCUPIED_MAX)


def test_a_disk_that_goes_read_only_and_comes_back_loses_nothing(tmp_path: Path, seed: int, whole: bool) -> None:
    """As the system makes it, when the disk beneath fails: whoever runs the gateway checks the disk and starts it again."""
    with (
        closing(Disk(tmp_path)) as disk,
        World(tmp_path, seed, store=f"sqlite:///{disk.place}/gateway.db", store_more=NO_RESERVE) as world,
    ):
        gateway = world.gateways[0].start()
        world.begin(rate=150)
        for turn in range(5 if whole else 2):
            world.wait_for(80)
            before = refused(world)
            world.disturb()
            disk.go_read_only()
            world.until(lambda before=before: refused(world) > before + 20)  # type: ignore[misc]
            if turn % 2:
                world.kill()
            else:
                gateway.stop()
            with pytest.raises(AssertionError, match="not ready"):  # it says why, and does not begin
                gateway.start()
            disk.come_back()
            gateway.start()
            world.disturb()
        world.wait_for(80)
        account = world.settle()
        gateway.stop()
    account.closes(again_max=5 * 2 * OCCUPIED_MAX)


def test_files_that_may_not_be_written_for_a_while_lose_nothing_and_it_goes_on_by_itself(
    tmp_path: Path, seed: int, whole: bool
) -> None:
    with closing(Disk(tmp_path)) as disk, World(tmp_path, seed, store_more=NO_RESERVE, home=disk.place) as world:
        gateway = world.gateways[0].start()
        world.begin(rate=150)
        for _ in range(5 if whole else 2):
            world.wait_for(80)
            before = refused(world)
            world.disturb()
            with unchangeable(gateway.folder / "gateway.db", gateway.folder / "gateway.db-wal"):
                world.until(lambda before=before: refused(world) > before + 20)  # type: ignore[misc]
            world.disturb()
            world.wait_for(80)
        account = world.settle()
        gateway.stop()
    account.closes(again_max=5 * 2 * OCCUPIED_MAX)


def test_a_file_that_is_taken_away_and_put_back_loses_nothing(tmp_path: Path, seed: int) -> None:
    with World(tmp_path, seed) as world:
        gateway = world.gateways[0].start()
        world.begin(rate=150)
        world.wait_for(80)
        before = refused(world)
        (gateway.folder / "gateway.db").rename(tmp_path / "elsewhere")
        world.until(lambda: refused(world) > before + 10)
        (tmp_path / "elsewhere").rename(gateway.folder / "gateway.db")
        world.disturb()
        world.wait_for(80)
        account = world.settle()
        assert "store_file_gone" in gateway.log
    account.closes(again_max=OCCUPIED_MAX)


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path, seed: int) -> None:
    with World(tmp_path, seed) as world:
        full = os.open("/dev/full", os.O_WRONLY)
        world.gateways[0].output = full
        world.gateways[0].start()
        os.close(full)
        world.begin(rate=200, callbacks=400)
        account = world.settle()
        assert world.gateways[0].stop() == 0
    account.closes(again_max=0)
