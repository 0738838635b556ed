"""Two gateways and a PostgreSQL that is restarted, stopped, killed, frozen or locked; and ten gateways of which two die."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.faults import plain_gateway
from tests.faults.disk import fill, small
from tests.faults.server import Server, serving
from tests.faults.test_disk import refused
from tests.faults.world import LONG, OCCUPIED_MAX, ROOT, World
from tests.patience import PATIENCE_S
from tests.postgres import folder_of

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.timeout(5400)]
DATABASE_DISK_BYTES = 160 * 2**20  # a new database takes 40 MB, and its log as much
LEASE_ENDS_S = 60  # a lease of a gateway that died: the time-out of its sink and thirty seconds, then it is claimed


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as one:
        yield one


FAULTS: dict[str, Callable[[Server, str], object]] = {
    "restarted": lambda server, _: server.restart(),
    "stopped at once": lambda server, _: server.stop_at_once(1.0),
    "a backend killed": lambda server, name: server.kill_backend(name),
    "connections ended": lambda server, name: server.terminate_backends(name),
    "frozen": lambda server, _: server.freeze(7.0),
    "locked": lambda server, name: server.lock(name, 7.0),
}


SHORT = {"stopped at once", "a backend killed", "frozen"}


@pytest.mark.parametrize("fault", [pytest.param(one, marks=() if one in SHORT else LONG) for one in FAULTS])
def test_a_database_that_fails_loses_nothing_and_gateways_go_on_by_themselves(
    tmp_path: Path, seed: int, whole: bool, server: Server, fault: str
) -> None:
    name = fault.replace(" ", "_")
    times = 5 if whole else 1
    with World(tmp_path, seed, store=server.database(name), gateways=2, sinks=("app", "two")) as world:
        for one in world.gateways:
            one.start()
        world.begin(rate=150)
        for _ in range(times):
            world.wait_for(100)
            world.disturb()
            FAULTS[fault](server, name)
            world.disturb()
            world.wait_for(100)
            world.disturb()  # an outcome that could not be written is written, or its lease ends
        world.disturb()
        account = world.settle()
        assert all(one.process is not None and one.process.poll() is None for one in world.gateways)
    account.closes(again_max=times * 2 * 2 * OCCUPIED_MAX)


def test_a_disk_of_the_database_that_is_full_and_freed_loses_nothing(tmp_path: Path, seed: int, whole: bool) -> None:
    """PostgreSQL refuses what has no room, or ends itself where its own log has none: then whoever frees some starts it again."""
    with (
        TemporaryDirectory(
            dir=folder_of("").parent, prefix="gw-pg-"
        ) as short,  # because a socket's path may not be long
        small(Path(short), DATABASE_DISK_BYTES) as place,
        serving(place) as server,
        World(tmp_path, seed, store=server.database("filled"), gateways=2) as world,
    ):
        for one in world.gateways:
            one.start()
        world.begin(rate=150)
        for _ in range(4 if whole else 1):
            world.wait_for(100)
            world.disturb()
            before = refused(world)
            ballast = fill(place)
            world.until(lambda before=before: refused(world) > before + 20)  # type: ignore[misc]
            world.nap(2)
            ballast.unlink()
            ended = server.keep_up()
            world.disturb()
            world.wait_for(100)
            world.disturb()  # an outcome that could not be written is written, or its lease ends
            print(f"the server {'ended itself' if ended else 'went on'}")
        account = world.settle()
        assert all(one.process is not None and one.process.poll() is None for one in world.gateways)
    account.closes(again_max=4 * 2 * OCCUPIED_MAX)


def test_ten_gateways_of_which_two_die_close_the_account_and_keep_the_order_of_streams(
    tmp_path: Path, seed: int, whole: bool, server: Server
) -> None:
    callbacks = 20_000 if whole else 1_500
    with World(tmp_path, seed, store=server.database("ten"), gateways=10, order=True) as world:
        for one in world.gateways:
            one.start()
        world.begin(callbacks=callbacks, streams=40)
        world.wait_for(callbacks // 4, within=600)
        dead = world.rng.sample(range(10), 2)
        world.kill(dead[0])
        world.wait_for(callbacks // 8, within=600)
        world.kill(dead[1])
        world.wait_for(callbacks // 8, within=600)
        world.disturb()
        server.restart()
        world.disturb()
        account = world.settle(within=2400 if whole else LEASE_ENDS_S + 120)
    account.closes(again_max=10 * OCCUPIED_MAX)


def test_where_much_cannot_be_put_in_order_and_nothing_is_locked_the_account_closes_and_streams_keep_their_order(
    tmp_path: Path, seed: int, whole: bool, server: Server
) -> None:
    """The reduced mode: no advisory lock, no sequence, no notice, serialisable, and of what is asked a twentieth fails."""
    callbacks = 10_000 if whole else 1_200
    store = server.database("plain")
    server.settle_transactions("plain", "serializable")
    command = plain_gateway.command(tmp_path, seed)
    environ = {"PYTHONPATH": str(ROOT)}
    with World(tmp_path, seed, store=store, gateways=2, order=True, command=command, environ=environ) as world:
        for one in world.gateways:
            one.start()
        world.begin(callbacks=callbacks, streams=40)
        for dead in (0, 1):
            world.wait_for(callbacks // 4, within=600)
            world.kill(dead)
            world.keep_up(dead)
        account = world.settle(within=1200 if whole else LEASE_ENDS_S + 180)
        reruns = [number_of_reruns(one.admin) for one in world.gateways]
    account.closes(again_max=2 * OCCUPIED_MAX)
    assert all(reruns), reruns
    assert not (tmp_path / "asked").exists(), (tmp_path / "asked").read_text()


def number_of_reruns(port: int) -> int:
    """As the gateway that listens there counts them."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as answer:
        text = answer.read().decode()
    (line,) = [line for line in text.splitlines() if line.startswith("recording_gateway_store_reruns_total ")]
    return int(float(line.partition(" ")[2]))
