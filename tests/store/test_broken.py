"""When the disk or the server goes away, and when it comes back: 503 meanwhile, nothing lost, recovery by itself."""

from __future__ import annotations

import asyncio
import os
import secrets
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import StoreUnavailable
from gateway.runtime.clock import Clock
from gateway.store.store import Keep, Store
from tests.patience import PATIENCE_S
from tests.postgres import Postgres, folder_of, pg_ctl
from tests.store.conftest import Opener
from tests.store.faults import on_writer
from tests.store.kit import LEASE, event, new, settlement, table, take

ROOMY = Keep(free_disk=0)


async def fill(store: Store, start: int) -> tuple[set[int], int]:
    """Accept until the store cannot: the acknowledged numbers, and how many were told no."""
    acknowledged: set[int] = set()
    for n in range(start, start + 2000, 8):
        batch = [store.accept([new(event(i, raw=b"x" * 20_000), "app")]) for i in range(n, n + 8)]
        answers = await asyncio.gather(*batch, return_exceptions=True)
        acknowledged |= {n + i for i, answer in enumerate(answers) if not isinstance(answer, BaseException)}
        failed = [answer for answer in answers if isinstance(answer, BaseException)]
        assert all(isinstance(error, StoreUnavailable) for error in failed)
        if failed:
            return acknowledged, len(failed)
    raise AssertionError("the disk never filled")


def stored(url: str) -> set[int]:
    return {int(id_, 16) for (id_,) in table(url, "id", "events")}


async def recovers(store: Store, url: str, acknowledged: set[int], start: int) -> None:
    assert not store.healthy()
    with pytest.raises(StoreUnavailable):
        await store.accept([new(event(start, raw=b"x" * 200_000))])
    assert acknowledged <= stored(url)


async def test_a_full_database_says_no_loses_nothing_and_works_again_with_room(tmp_path: Path, open_at: Opener) -> None:
    url = f"sqlite:///{tmp_path}/gateway.db"
    store = await open_at(url=url, keep=ROOMY)
    await on_writer(store, lambda session: session.rows("PRAGMA max_page_count=200"))
    acknowledged, _ = await fill(store, 0)
    await recovers(store, url, acknowledged, 9000)
    await on_writer(store, lambda session: session.rows("PRAGMA max_page_count=1000000"))
    assert (await take(store, new(9001)))[0].new
    assert store.healthy()
    assert stored(url) == acknowledged | {9001}


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A real file system of two megabytes, or of so many."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={getattr(request, 'param', 2)}m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a small file system; the full database above is the same promise")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_full_disk_says_no_loses_nothing_and_works_again_in_the_same_process(
    small_disk: Path, open_at: Opener
) -> None:
    url = f"sqlite:///{small_disk}/gateway.db"
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 400_000)
    store = await open_at(url=url, keep=ROOMY)
    acknowledged, _ = await fill(store, 0)
    await recovers(store, url, acknowledged, 9000)
    ballast.unlink()
    for n in range(9001, 9003):
        assert (await take(store, new(n)))[0].new
    assert stored(url) == acknowledged | {9001, 9002}
    await store.close()
    check = sqlite3.connect(small_disk / "gateway.db")
    assert check.execute("PRAGMA quick_check").fetchone() == ("ok",)
    check.close()


@pytest.mark.parametrize("small_disk", [2, 3, 5, 8, 16], indirect=True)
@pytest.mark.parametrize("freed", [0.2, 0.4, 0.7])
async def test_what_room_a_full_disk_has_again_is_for_commits(small_disk: Path, open_at: Opener, freed: float) -> None:
    url, ballast = f"sqlite:///{small_disk}/gateway.db", small_disk / "ballast"
    disk = os.statvfs(small_disk)
    room = int(disk.f_bavail * disk.f_frsize * freed)
    ballast.write_bytes(b"x" * room)
    store = await open_at(url=url, keep=ROOMY)
    acknowledged, _ = await fill(store, 0)
    ballast.unlink()
    more, _ = await fill(store, 10_000)
    assert len(more) * 64_000 > room, "one takes three pages in the log and in the file, and one for what is beside it"
    assert stored(url) == acknowledged | more
    await store.close()
    check = sqlite3.connect(small_disk / "gateway.db")
    assert check.execute("PRAGMA quick_check").fetchone() == ("ok",)
    check.close()


async def test_a_locked_database_costs_time_or_a_503_and_nothing_else(tmp_path: Path, open_at: Opener) -> None:
    url = f"sqlite:///{tmp_path}/gateway.db"
    store = await open_at(url=url)
    await on_writer(store, lambda session: session.rows("PRAGMA busy_timeout=50"))
    other = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        await store.accept([new(1)])
    other.execute("ROLLBACK")
    other.close()
    assert (await take(store, new(1)))[0].new


# -- a PostgreSQL of its own, to be stopped -------------------------------------------------------------------------


class Server:
    """A server that the test may stop and start."""

    def __init__(self) -> None:
        self._postgres = Postgres(folder_of(f"{os.getpid()}-{secrets.token_hex(4)}"), owner=os.getpid())
        self.url = self._postgres.url
        self.data = self._postgres.data
        self.close = self._postgres.close

    def stop(self, mode: str = "immediate") -> None:
        pg_ctl(self.data, "-m", mode, "stop")

    def start(self, *options: str) -> None:
        settings = " ".join(f"-c {option}" for option in options)
        arguments = f'-h "" -k {self.data} {settings}'
        pg_ctl(self.data, "-o", arguments, "-l", str(self.data / "log"), "start")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


async def again(store: Store, make: Any) -> Any:
    """Ask until the store is back, as callers do."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await make()
        except StoreUnavailable:
            assert time.monotonic() < until, "the store did not come back"
            await asyncio.sleep(0.05)


async def test_a_server_that_crashes_and_comes_back_loses_nothing_and_is_found_again(
    server: Server, open_at: Opener
) -> None:
    store = await open_at(url=server.url, clock=Clock())
    woken: list[str] = []
    store.listen(woken.append)
    (answer,) = await take(store, new(1, "app", lease=LEASE))
    assert answer.leases
    server.stop()
    with pytest.raises(StoreUnavailable):
        await store.accept([new(2)])
    with pytest.raises(StoreUnavailable):
        await store.settle([settlement(answer.leases[0])])
    with pytest.raises(StoreUnavailable):
        await store.due()
    assert not store.healthy()
    server.start()
    assert await again(store, lambda: store.settle([settlement(answer.leases[0])])) == [True]
    assert (await take(store, new(2)))[0].new
    assert await again(store, store.due) == []
    assert store.healthy()
    assert stored(server.url) == {1, 2}


async def test_a_store_that_closes_while_the_server_is_away_ends(server: Server) -> None:
    store = Store(server.url)
    await store.open()
    store.listen(lambda _: None)
    server.stop()
    future = store.accept([new(3)])
    await store.close()
    with pytest.raises(StoreUnavailable):
        await future
    server.start()


@pytest.mark.parametrize("setting", ["fsync=off", "synchronous_commit=off"])
async def test_a_server_that_says_yes_before_the_disk_has_it_is_refused(server: Server, setting: str) -> None:
    server.stop("fast")
    server.start(setting)
    try:
        with pytest.raises(StoreUnavailable, match=setting):
            await Store(server.url).open()
    finally:
        server.stop("fast")
        server.start()
