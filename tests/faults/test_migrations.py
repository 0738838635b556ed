"""An upgrade that adds to the tables is killed in the middle of it, under either database: the next start finishes it."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.store.engine import migrations
from tests.faults.server import serving
from tests.faults.world import OCCUPIED_MAX, ROOT, World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROWS = 300  # stored by the version before
SLOWLY_S = 0.2  # between two statements of the step, so that a kill meets it in the middle
# What a later version could add: columns with a default, a table that is filled from another, an index over all rows.
STEP = (
    "ALTER TABLE events ADD COLUMN later TEXT NOT NULL DEFAULT ''",
    "CREATE TABLE later (event {int} PRIMARY KEY, told {small} NOT NULL){end}",
    "INSERT INTO later (event, told) SELECT seq, 0 FROM events",
    "CREATE INDEX events_later ON events (later, seq)",
)
UPGRADED = f"""
import time
from gateway.store.engine import migrations as of

of.STEPS = (*of.STEPS, {STEP!r})
of.VERSION = len(of.STEPS)
_in_words_of = of.in_words_of


def _slowly(session, statement):
    if statement in of.STEPS[-1]:
        with open("steps", "a") as steps:
            steps.write("step\\n")
        time.sleep({SLOWLY_S})
    return _in_words_of(session, statement)


of.in_words_of = _slowly
from gateway.cli import main

main()
"""


def upgraded(folder: Path) -> str:
    """The command of a program whose tables have one version more."""
    (folder / "upgraded.py").write_text(UPGRADED)
    command = folder / "gateway-upgraded"
    command.write_text(f"#!/bin/sh\nPYTHONPATH='{ROOT}' exec '{sys.executable}' '{folder}/upgraded.py' \"$@\"\n")
    command.chmod(0o755)
    return str(command)


@pytest.mark.parametrize("store", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_an_upgrade_that_is_killed_in_the_middle_is_finished_by_the_next_start(
    tmp_path: Path, seed: int, whole: bool, store: str
) -> None:
    kills = 12 if whole else 2
    with ExitStack() as stack:
        url = "sqlite:///gateway.db"
        if store == "postgresql":
            url = stack.enter_context(serving()).database("upgraded")
        world = stack.enter_context(World(tmp_path, seed, store=url))
        gateway = world.gateways[0].start()
        world.begin(callbacks=ROWS)
        world.wait_for(ROWS - 40)
        world.kill()
        gateway.command = upgraded(tmp_path)
        steps = gateway.folder / "steps"
        in_the_middle = 0
        for _ in range(kills):
            steps.unlink(missing_ok=True)
            gateway.start(ready=False)
            world.until(steps.exists)
            world.nap(SLOWLY_S * len(STEP))
            in_the_middle += len(steps.read_text().splitlines()) < len(STEP)
            world.kill()
        gateway.start()
        world.disturb()
        account = world.settle()
        schema = json.loads(gateway.cli("store", "status", "--json"))["schema"]
        gateway.cli("store", "verify")
    assert in_the_middle, "no kill met the step, so nothing was tried"
    assert schema == migrations.VERSION + 1
    account.closes(again_max=(kills + 1) * 2 * OCCUPIED_MAX)
