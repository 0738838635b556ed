"""Reloads as fast as they can be asked for, and SIGHUP by the hundred: nothing is lost, and nothing comes twice."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.faults.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_storm_of_reloads_loses_nothing_and_brings_nothing_twice(tmp_path: Path, seed: int, whole: bool) -> None:
    with World(tmp_path, seed, sinks=("app", "two")) as world:
        gateway = world.gateways[0].start()
        process = gateway.process
        assert process is not None
        text = gateway.path.read_text()
        world.begin(rate=150)
        world.wait_for(20)
        for turn in range(60 if whole else 20):
            changed = text.replace("concurrency: 8", f"concurrency: {2 + turn % 5}")
            if turn % 3 == 2:
                changed = text.replace("sinks:", "sinks: [this is no list of sinks]")
            new = gateway.path.with_suffix(".new")
            new.write_text(changed)
            new.chmod(0o600)
            new.replace(gateway.path)
            process.send_signal(signal.SIGHUP)
            world.nap(0.2)
        world.wait_for(50)
        account = world.settle()
        assert '"reloaded"' in gateway.log
        assert '"reload_refused"' in gateway.log
        assert gateway.stop() == 0
    account.closes(again_max=0)


FLOOD_S = 3.0


def test_a_flood_of_sighup_stops_nothing(tmp_path: Path, seed: int) -> None:
    with World(tmp_path, seed) as world:
        gateway = world.gateways[0].start()
        process = gateway.process
        assert process is not None
        world.begin(rate=150)
        world.wait_for(20)
        until = time.monotonic() + FLOOD_S
        while time.monotonic() < until:
            process.send_signal(signal.SIGHUP)
            time.sleep(0.002)
        world.wait_for(50)
        account = world.settle()
        assert gateway.stop() == 0
    account.closes(again_max=0)
