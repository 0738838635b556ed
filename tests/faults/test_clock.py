"""A clock that is set forward and back under a gateway's feet, hours at a time."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.faults.world import OCCUPIED_MAX, World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
STEPS_S = (3600, -3600, 0, 5400, 0)  # from the machine's clock; a callback's own expiry allows for six hours


def _library() -> str:
    for place in ("/usr/lib", "/usr/local/lib", "/opt/homebrew/lib"):
        for found in Path(place).glob("**/libfaketimeMT.so.1"):
            return str(found)
    pytest.skip("libfaketime is not installed (Debian: apt-get install faketime)")


def test_a_clock_that_is_set_by_hours_loses_nothing(tmp_path: Path, seed: int) -> None:
    offset = tmp_path / "offset"
    offset.write_text("+0s\n")
    command = tmp_path / "gateway-with-a-clock"  # a process of its own: the library is taken where one starts
    words = f"LD_PRELOAD={_library()} FAKETIME_TIMESTAMP_FILE={offset} FAKETIME_NO_CACHE=1 DONT_FAKE_MONOTONIC=1"
    command.write_text(f"#!/bin/sh\n{words} exec '{sys.executable}' -m gateway \"$@\"\n")
    command.chmod(0o755)
    with World(tmp_path, seed, command=str(command), sinks=("app", "two")) as world:
        gateway = world.gateways[0].start()
        world.begin(rate=100)
        for step in STEPS_S:
            world.wait_for(50)
            new = tmp_path / "offset.new"
            new.write_text(f"{step:+d}s\n")
            new.replace(offset)
            world.disturb()
            world.wait_for(50)
        world.kill()
        gateway.start()
        account = world.settle()
        assert "clock_stepped" in gateway.log
    account.closes(again_max=(len(STEPS_S) + 1) * OCCUPIED_MAX * 2)
