"""A plugin that takes its process with it, and a sink that never answers: the other sinks get everything."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.faults.world import OCCUPIED_MAX, World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
DEADLY = '''
import os, pathlib, random
from gateway import Sink

LIVES = pathlib.Path(__file__).with_name("lives")

class Deadly(Sink):
    """Ends the process now and then: at which delivery of each life, the seed says."""
    type = "deadly"
    async def open(self) -> None:
        lives = LIVES.read_text() if LIVES.exists() else ""
        LIVES.write_text(lives + "x")
        self.rng = random.Random(f"SEED {len(lives)}")
    async def deliver(self, delivery) -> None:
        if self.rng.random() < 0.02:
            os._exit(1)
'''


def test_a_plugin_that_ends_the_process_now_and_then_costs_other_sinks_nothing(
    tmp_path: Path, seed: int, whole: bool
) -> None:
    deaths = 20 if whole else 4
    with World(tmp_path, seed, more="plugins: [./deadly.py]\n") as world:
        gateway = world.gateways[0]
        (gateway.folder / "deadly.py").write_text(DEADLY.replace("SEED", str(seed)))
        (gateway.folder / "deadly.py").chmod(0o600)
        text = gateway.path.read_text()
        gateway.path.write_text(
            text.replace("routes:", "  odd: {type: deadly}\nroutes:").replace("to: [app]", "to: [app, odd]")
        )
        gateway.start()
        world.begin(rate=100)
        until = time.monotonic() + (900 if whole else 240)
        while len(world.moments) < deaths and time.monotonic() < until:
            world.keep_up()
            time.sleep(0.05)
        died = len(world.moments)
        gateway.path.write_text(text)  # the plugin is taken out
        world.kill()
        gateway.start()
        account = world.settle()
    assert died >= deaths
    account.closes(again_max=(deaths + 2) * OCCUPIED_MAX)


def test_a_sink_that_never_answers_keeps_nothing_from_the_others_and_gets_all_when_it_does(
    tmp_path: Path, seed: int
) -> None:
    with World(tmp_path, seed, sinks=("app", "two")) as world:
        world.receiver.tell("two never")
        world.gateways[0].start()
        world.begin(rate=100)
        world.wait_for(150)
        world.until(lambda: world.arrived("app") >= 150, 10)
        assert world.arrived("two") == 0
        world.kill()
        world.gateways[0].start()
        world.wait_for(50)
        world.receiver.tell("two 200")
        account = world.settle()
    account.closes(again_max=2 * OCCUPIED_MAX)
