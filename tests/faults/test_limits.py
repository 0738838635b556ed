"""A gateway whose file descriptors or whose memory run out: it says no, or dies and is started again, and loses nothing."""

from __future__ import annotations

import resource
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.faults.world import IN_HAND, World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


def _process(world: World) -> psutil.Process:
    process = world.gateways[0].process
    assert process is not None
    return psutil.Process(process.pid)


def test_a_gateway_without_file_descriptors_goes_on_when_it_has_some(tmp_path: Path, seed: int, whole: bool) -> None:
    with World(tmp_path, seed) as world:
        world.gateways[0].start()
        world.begin(rate=150, streams=64)
        for spare in (0, 2, 8) * (3 if whole else 1):
            world.wait_for(60)
            process = _process(world)
            usual = process.rlimit(psutil.RLIMIT_NOFILE)
            process.rlimit(psutil.RLIMIT_NOFILE, (process.num_fds() + spare, usual[1]))
            world.disturb()
            world.nap(4)
            process.rlimit(psutil.RLIMIT_NOFILE, usual)
            world.disturb()
            world.wait_for(60)
        assert _process(world).is_running()
        account = world.settle()
    account.closes(again_max=(9 if whole else 3) * 2 * IN_HAND)


def test_a_gateway_without_memory_loses_nothing(tmp_path: Path, seed: int, whole: bool) -> None:
    deaths = 0
    with World(tmp_path, seed) as world:
        world.gateways[0].start()
        world.begin(rate=150, streams=64)
        for _ in range(8 if whole else 3):
            world.wait_for(60)
            with suppress(psutil.NoSuchProcess):
                process = _process(world)
                process.rlimit(psutil.RLIMIT_AS, (process.memory_info().vms + 65536, resource.RLIM_INFINITY))
                world.disturb()
                world.nap(3)
                process.rlimit(psutil.RLIMIT_AS, UNLIMITED)
            before = len(world.moments)
            world.keep_up()
            deaths += len(world.moments) - before
            world.disturb()
            world.wait_for(60)
        account = world.settle()
    print(f"it died {deaths} times")
    account.closes(again_max=8 * 3 * IN_HAND, refusals=frozenset({500, 503}))
