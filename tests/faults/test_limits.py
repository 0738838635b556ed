"""A gateway whose file descriptors or whose memory run out: it says no, or dies and is started again, and loses nothing."""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from tests.faults import ledger
from tests.faults.server import serving
from tests.faults.world import OCCUPIED_MAX, World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
VENDOR_CONNECTIONS = 300
SINK_CONNECTIONS = 64
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


def _process(world: World) -> psutil.Process:
    process = world.gateways[0].process
    assert process is not None
    return psutil.Process(process.pid)


def starve(world: World, spare: int, seconds: float, meanwhile: Callable[[], object]) -> int:
    """For so long the gateway may open `spare` files more than when it was idle; how often it was seen at that limit."""
    process, most = _process(world), _idle_files(world) + spare
    _, hard = process.rlimit(psutil.RLIMIT_NOFILE)
    usual = process.rlimit(psutil.RLIMIT_NOFILE)
    at_limit = 0
    world.disturb()
    process.rlimit(psutil.RLIMIT_NOFILE, (most, hard))
    until = time.monotonic() + seconds
    try:
        meanwhile()
        while time.monotonic() < until:
            at_limit += process.num_fds() >= most
            time.sleep(0.02)
    finally:
        process.rlimit(psutil.RLIMIT_NOFILE, usual)
        world.disturb()
    return at_limit


def _idle_files(world: World) -> int:
    """Those that are no connection: of a gateway with hundreds of them."""
    process = _process(world)
    return process.num_fds() - len(process.net_connections("inet"))


@pytest.mark.parametrize("store", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_a_gateway_at_its_limit_of_files_loses_nothing_and_recovers_by_itself(
    tmp_path: Path, seed: int, whole: bool, store: str
) -> None:
    """Hundreds of callbacks and deliveries want a connection each, and the database takes its own away meanwhile."""
    with ExitStack() as stack:
        server = stack.enter_context(serving()) if store == "postgresql" else None
        url = "sqlite:///gateway.db" if server is None else server.database("limited")
        world = stack.enter_context(World(tmp_path, seed, store=url, concurrency=SINK_CONNECTIONS))
        world.receiver.tell("app closes 0.2")
        world.gateways[0].start()
        process = _process(world)
        world.begin(streams=VENDOR_CONNECTIONS, fresh=0.5)
        for spare in (4, 24, 64) * (3 if whole else 1):
            world.wait_for(300)
            before = answers(world)
            at_limit = starve(
                world, spare, 4.0, lambda: None if server is None else server.terminate_backends("limited")
            )
            assert at_limit > 20, f"it was at its limit {at_limit} times of 200, so that little was tried"
            world.wait_for(300)
            print(f"{spare} spare: at its limit {at_limit} times of 200; answers {answers(world) - before}")
        assert process.is_running(), "it died"
        world.receiver.tell("app 200")
        account = world.settle()
    assert any(one.status in (0, 503) for one in account.posted), "nobody was turned away, so nothing was tried"
    account.closes(again_max=(9 if whole else 3) * 2 * SINK_CONNECTIONS)


def answers(world: World) -> Counter[int]:
    """How many requests were answered with each status by now; 0: the connection was refused or broken."""
    return Counter(one.status for one in ledger.posted(world.folder / "posted"))


def test_a_gateway_without_memory_loses_nothing(tmp_path: Path, seed: int, whole: bool) -> None:
    """Hundreds of callers, half of whose requests need a connection of their own, and with it memory that is not there.

    An attempt whose answer there is no memory to read has failed, and is made again: its event may arrive twice, and both
    times while the memory is short.
    """
    with World(tmp_path, seed) as world:
        world.gateways[0].start()
        world.begin(rate=400, streams=VENDOR_CONNECTIONS, fresh=0.5)
        for _ in range(8 if whole else 3):
            world.wait_for(60, kept_up=True)
            with suppress(psutil.NoSuchProcess), world.disturbing():
                process = _process(world)
                process.rlimit(psutil.RLIMIT_AS, (process.memory_info().vms + 65536, resource.RLIM_INFINITY))
                world.nap(3)
                process.rlimit(psutil.RLIMIT_AS, UNLIMITED)
            world.disturb()
            world.wait_for(60, kept_up=True)
        account = world.settle()
    print(f"it died {world.deaths} times")
    assert world.deaths or any(one.status in (0, 500) for one in account.posted), "nobody felt it, so nothing was tried"
    account.closes(again_max=8 * 3 * OCCUPIED_MAX, refusals=frozenset({500, 503}))
