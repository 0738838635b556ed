"""Two gateways on one PostgreSQL, of which one stands still for longer than its leases last, or is gone for good."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.account import Account
from tests.faults.server import Server, serving
from tests.faults.world import CONCURRENCY, World
from tests.running import COMMAND

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.timeout(600)]
CALLBACKS = 2 * CONCURRENCY  # so that nothing waits for a slot
MISTAKEN_S = 30.0  # for a program that may deliver the same for ever
LEASE_S = 4.0  # the timeout of three seconds, and what HASTY leaves of the thirty above it
DELIVERS_S = 5.0  # longer than a lease
ARRIVES_S = 2.0
STILL_S = 6.5  # what it had in hand is carried by the other one by then, and has not arrived yet
HASTY = """
import asyncio, os, time
import gateway.dispatch.deliverer, gateway.dispatch.slots
from gateway import Sink

gateway.dispatch.slots.LEASE_SPARE_SECONDS = 1.0
gateway.dispatch.deliverer.LEASE_LEFT_SECONDS_MIN = 0.0
LEDGER = os.open({ledger!r}, os.O_WRONLY | os.O_APPEND)

class Long(Sink):
    type = "long"

    async def deliver(self, delivery) -> None:
        until = time.monotonic() + {seconds}
        while time.monotonic() < until:
            await delivery.alive()
            await asyncio.sleep(0.2)
        file = delivery.event.files[0]
        line = f"{{time.monotonic()}} long {{file.size_bytes}} {{delivery.event.id}}\\n"
        os.write(LEDGER, line.encode())
"""


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
    with World(
        folder, seed, store=store, gateways=2, sinks=("app", "long"), more="plugins: [./hasty.py]\n", command=command
    ) as world:
        for one in world.gateways:
            text = one.path.read_text()
            start, end = text.index("  long:"), text.index("routes:")
            long = f"  long: {{type: long, delivery: {{concurrency: {CONCURRENCY}, timeout: 3s}}}}\n"
            one.path.write_text(text[:start] + long + text[end:])
            (one.folder / "hasty.py").write_text(HASTY.format(ledger=str(folder / "came"), seconds=DELIVERS_S))
            (one.folder / "hasty.py").chmod(0o600)
            one.start()
        world.begin(callbacks=CALLBACKS, streams=CALLBACKS, forgets=0)
        world.wait_for(CALLBACKS)
        world.until(
            lambda: world.arrived("app") >= CALLBACKS
        )  # else one that is just being sent would go on after the pause
        first = world.gateways[0].process
        assert first is not None
        world.disturb()
        first.send_signal(signal.SIGSTOP if comes_back else signal.SIGKILL)
        time.sleep(ARRIVES_S)  # what it had sent has arrived on a busy machine too, and no lease has ended yet
        world.disturb()
        if comes_back:
            time.sleep(STILL_S - ARRIVES_S)
            first.send_signal(signal.SIGCONT)  # which is no reason for anything to come twice
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
    account.closes(again_max=CONCURRENCY)
