"""Two gateways on one PostgreSQL, of which one stands still for longer than its leases last, or is gone for good."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from tests.faults.account import Account
from tests.faults.server import Server, serving
from tests.faults.world import CONCURRENCY, OCCUPIED_MAX, World
from tests.running import COMMAND

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.timeout(600)]
CALLBACKS = 2 * CONCURRENCY  # so that nothing waits for a slot
MISTAKEN_S = 30.0  # for a program that may deliver the same for ever
LEASE_S = 4.0  # of every sink
TIMEOUT_S = 3.0  # of `long`
DELIVERS_S = 5.0  # longer than a lease
ARRIVES_S = 2.0
STILL_S = 6.5  # what it had in hand is carried by the other one by then, and has not arrived yet
HASTY = """
import asyncio, os, time
import gateway.dispatch.deliverer, gateway.dispatch.slots
from gateway import Refused, Sink

gateway.dispatch.slots.lease_of = lambda policy: {lease_ms}
gateway.dispatch.deliverer.LEASE_LEFT_SECONDS_MIN = {left}
LEDGER = os.open({ledger!r}, os.O_WRONLY | os.O_APPEND)

def refuses_before():
    try:
        with open("refuses") as file:
            return float(file.read())
    except (OSError, ValueError):
        return 0.0

class Long(Sink):
    type = "long"

    async def deliver(self, delivery) -> None:
        began = time.monotonic()
        while time.monotonic() < began + {seconds} and not os.path.exists({may!r}):
            if began < refuses_before():
                raise Refused("no")
            await delivery.alive()
            await asyncio.sleep(0.2)
        file = delivery.event.files[0]
        line = f"{{time.monotonic()}} long {{file.size_bytes}} {{delivery.event.id}}\\n"
        os.write(LEDGER, line.encode())
"""


@contextmanager
def two_with_a_long_sink(
    folder: Path,
    seed: int,
    store: str,
    command: str,
    *,
    seconds: float,
    timeout: float = TIMEOUT_S,
    at_once: int = CONCURRENCY,
) -> Iterator[World]:
    """Two gateways whose deliveries to `long` (so many `at_once`) take so long, or until there is a file `may`; each refuses
    what it began before the moment in the file `refuses` of its folder. All is acknowledged, and has arrived at the other sink."""
    with World(
        folder, seed, store=store, gateways=2, sinks=("app", "long"), more="plugins: [./hasty.py]\n", command=command
    ) as world:
        hasty = HASTY.format(
            ledger=str(folder / "came"),
            may=str(folder / "may"),
            seconds=seconds,
            lease_ms=round(LEASE_S * 1000),
            left=min(LEASE_S - timeout, 0.0),
        )
        for one in world.gateways:
            text = one.path.read_text()
            start, end = text.index("  long:"), text.index("routes:")
            long = f"  long: {{type: long, delivery: {{concurrency: {at_once}, timeout: {timeout:g}s}}}}\n"
            one.path.write_text(text[:start] + long + text[end:])
            (one.folder / "hasty.py").write_text(hasty)
            (one.folder / "hasty.py").chmod(0o600)
            one.start()
        world.begin(callbacks=CALLBACKS, streams=CALLBACKS, forgets=0)
        world.wait_for(CALLBACKS)
        # else one that is just being sent would go on after the pause
        world.until(lambda: world.arrived("app") >= CALLBACKS)
        yield world


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as one:
        yield one


def without_one(
    folder: Path,
    seed: int,
    server: Server,
    database: str,
    *,
    comes_back: bool,
    command: str = COMMAND,
    patience: float = DELIVERS_S,
) -> Account:
    """The account of long deliveries, whose first gateway stood still meanwhile or was killed. What comes twice comes later:
    so long it is waited for."""
    store = server.database(database)
    with two_with_a_long_sink(folder, seed, store, command, seconds=DELIVERS_S) as world:
        first = _pid(world, 0)
        world.disturb()
        os.kill(first, signal.SIGSTOP if comes_back else signal.SIGKILL)
        time.sleep(ARRIVES_S)  # what it had sent has arrived on a busy machine too, and no lease has ended yet
        world.disturb()
        if comes_back:
            time.sleep(STILL_S - ARRIVES_S)
            os.kill(first, signal.SIGCONT)  # which is no reason for anything to come twice
        account = world.settle(120 if command == COMMAND else MISTAKEN_S, quiet=LEASE_S + 2 * DELIVERS_S)
        if comes_back and not account.lost:
            with suppress(AssertionError):
                world.until(lambda: world.account().unexplained, patience)
        return world.account()


@pytest.mark.parametrize("comes_back", [True, False], ids=["comes back", "is gone"])
def test_what_a_gateway_had_in_hand_that_stands_still_is_carried_by_another_once(
    tmp_path: Path, seed: int, server: Server, comes_back: bool
) -> None:
    name = "back" if comes_back else "gone"
    account = without_one(tmp_path, seed, server, name, comes_back=comes_back)
    assert len(account.ids) == CALLBACKS
    account.closes(again_max=OCCUPIED_MAX)  # at the other sink what had arrived, and whose outcome was not written yet


def with_a_late_word(folder: Path, seed: int, server: Server, database: str, *, command: str = COMMAND) -> Account:
    """The account where the first gateway stood still until the other had all that it carried, and then said that it is
    refused; and where the other was killed before it had delivered any."""
    store = server.database(database)
    with (
        two_with_a_long_sink(folder, seed, store, command, seconds=600, timeout=600, at_once=CALLBACKS) as world,
        psycopg.connect(store) as rows_of,
    ):
        rows_of.autocommit = True
        first, second = (_pid(world, n) for n in (0, 1))

        def rows(where: str) -> int:
            query = f"SELECT count(*) FROM deliveries WHERE sink = 'long' AND {where}"
            found = rows_of.execute(query.encode()).fetchone()
            assert found is not None
            return int(found[0])

        world.until(lambda: rows("state = 'sending'") == CALLBACKS)
        os.kill(first, signal.SIGSTOP)
        world.disturb()
        carried = rows(f"owner LIKE '%:{first}:%'")
        world.until(lambda: rows(f"owner LIKE '%:{second}:%'") == CALLBACKS)
        woken = world.gateways[0]
        (woken.folder / "refuses").write_text(str(time.monotonic()))
        os.kill(first, signal.SIGCONT)
        world.until(lambda: woken.log.count('"lease_lost"') + CALLBACKS - rows("state = 'sending'") >= carried)
        world.kill(1)
        (folder / "may").touch()
        assert carried, "it carried nothing, so nothing was tried"
        return world.settle(120, quiet=None if command == COMMAND else 3 * LEASE_S)


def _pid(world: World, n: int) -> int:
    process = world.gateways[n].process
    assert process is not None
    return process.pid


def test_what_a_gateway_says_too_late_of_a_delivery_that_another_has_by_now_is_not_heard(
    tmp_path: Path, seed: int, server: Server
) -> None:
    account = with_a_late_word(tmp_path, seed, server, "late")
    assert len(account.ids) == CALLBACKS
    account.closes(again_max=OCCUPIED_MAX)
