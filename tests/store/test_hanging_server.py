"""A PostgreSQL that hangs, is slow or locked: nobody waits for ever, callers are told in time, accepts come first."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import StoreBusy, StoreUnavailable
from gateway.runtime.clock import Clock
from gateway.store.engine import write_queue, writer
from gateway.store.engine.batch import Bulk
from gateway.store.postgres import deadline
from gateway.store.postgres import session as postgres_session
from gateway.store.postgres.connect import BOUNDS, connect
from gateway.store.store import Keep, Store
from gateway.text.store_address import parse_address
from tests import threads
from tests.patience import PATIENCE_S
from tests.store.conftest import Opener
from tests.store.faults import held_up, on_writer
from tests.store.kit import LEASE, beside, new, table, take


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every bound a tenth of what it is."""
    monkeypatch.setattr(write_queue, "ANSWER_SECONDS", 0.6)
    monkeypatch.setattr(postgres_session, "STATEMENT_MS", 500)
    monkeypatch.setattr(postgres_session, "SPARE_SECONDS", 0.1)
    monkeypatch.setattr(deadline, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(writer, "RERUN_SECONDS", 0.5)


async def fill(store: Store) -> None:
    """Accept until the store cannot."""
    for n in range(1000):
        await store.accept([new(n, routing="x" * 50_000)])


async def back(store: Store, number: int) -> None:
    """The store takes events again, by itself."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(StoreUnavailable, StoreBusy):
                await store.accept([new(number)])
                return
            await asyncio.sleep(0.05)


def test_a_pipe_in_the_place_of_a_certificate_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "pipe.pem")
    address = parse_address(f"postgresql://u@127.0.0.1:1/d?sslmode=verify-full&sslrootcert={pipe}")
    with pytest.raises(StoreUnavailable, match="cannot be reached: sslrootcert is no regular file, but a named pipe"):
        connect(address)


async def test_a_server_process_that_hangs_without_an_error_is_given_up_and_another_connection_made(
    open_at: Opener, postgres_url: str
) -> None:
    store = await open_at(url=postgres_url, clock=Clock())
    ((hanging,),) = await on_writer(store, lambda session: session.rows("SELECT pg_backend_pid()"))
    os.kill(hanging, signal.SIGSTOP)
    try:
        began = time.monotonic()
        answers = await asyncio.gather(*[store.accept([new(n)]) for n in range(8)], return_exceptions=True)
        assert time.monotonic() - began < 3 * write_queue.ANSWER_SECONDS
        if any(isinstance(answer, BaseException) for answer in answers):
            assert all(isinstance(answer, StoreUnavailable) for answer in answers)
        await back(store, 100)
        ((other,),) = await on_writer(store, lambda session: session.rows("SELECT pg_backend_pid()"))
        assert other != hanging
        assert store.healthy()
    finally:
        os.kill(hanging, signal.SIGCONT)


@pytest.mark.parametrize("sinks", [1, 12])
async def test_with_a_locked_table_callers_wait_for_one_bound_whatever_the_number_of_sinks(
    open_at: Opener, postgres_url: str, sinks: int
) -> None:
    store = await open_at(url=postgres_url, clock=Clock())
    with beside(postgres_url) as blocker, blocker.atomic():
        blocker.rows("LOCK TABLE events, deliveries IN ACCESS EXCLUSIVE MODE")
        claims = [store.claim(f"sink-{n}", 10, LEASE) for n in range(sinks)]
        await asyncio.sleep(0.1)  # the first of them waits at the server
        began = time.monotonic()
        answers = await asyncio.gather(*[store.accept([new(n)]) for n in range(8)], return_exceptions=True)
        waited = time.monotonic() - began
        assert not store.healthy()
    assert all(isinstance(answer, StoreUnavailable) for answer in answers)
    assert waited < 2
    await asyncio.gather(*claims, return_exceptions=True)
    await back(store, 100)


async def test_what_was_answered_no_before_it_began_is_not_stored_later(store: Store, url: str) -> None:
    with held_up(store):
        future = store.accept([new(1, "app")])
        with pytest.raises(StoreUnavailable, match="not answered within"):
            await future
    await store.ping()
    assert table(url, "id", "events") == []
    assert store._writer._queue._bytes == 0


async def test_readiness_says_no_as_soon_as_one_accept_got_no_answer(store: Store) -> None:
    with held_up(store):
        with pytest.raises(StoreUnavailable):
            await store.accept([new(1)])
        assert not store.healthy()
    await store.ping()
    assert store.healthy()


async def test_accepts_are_done_before_claims_that_came_first(open_at: Opener, postgres_url: str) -> None:
    store = await open_at(url=postgres_url)
    order: list[str] = []
    with held_up(store):
        futures: list[asyncio.Future[Any]] = [store.claim(f"sink-{n}", 1, LEASE) for n in range(3)]
        futures.append(store.accept([new(1)]))
        for name, future in zip(("claim", "claim", "claim", "accept"), futures, strict=True):
            future.add_done_callback(lambda _, name=name: order.append(name))  # type: ignore[misc]
    await asyncio.gather(*futures)
    assert order[0] == "accept"


async def test_claims_that_take_long_give_way_to_accepts_that_come_meanwhile(
    open_at: Opener, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "CALLS_SECONDS", 0.0)
    store = await open_at(url=postgres_url)
    began, go = threading.Event(), threading.Event()
    seen: list[Sequence[Any]] = []

    def slow(_session: Bulk) -> None:
        began.set()
        go.wait(PATIENCE_S)

    with held_up(store):
        first = store._writer.enqueue(slow)
        later = [
            store._writer.enqueue(lambda session: seen.append(session.rows("SELECT id FROM events"))) for _ in range(3)
        ]
    await asyncio.to_thread(began.wait, 10)
    accepted = store.accept([new(1)])
    go.set()
    await asyncio.gather(first, accepted, *later)
    assert [len(rows) for rows in seen] == [1, 1, 1]
    assert store._writer._queue._bytes == 0


async def test_readiness_stays_no_while_small_writes_work_and_accepts_do_not(tmp_path: Path, open_at: Opener) -> None:
    store = await open_at(url=f"sqlite:///{tmp_path}/gateway.db", keep=Keep(free_disk=0))
    await on_writer(store, lambda session: session.rows("PRAGMA max_page_count=60"))
    with pytest.raises(StoreUnavailable):
        await fill(store)
    with pytest.raises(StoreUnavailable):
        await store.ping()
    await on_writer(store, lambda session: session.change("UPDATE meta SET value = value"))
    assert not store.healthy()
    await on_writer(store, lambda session: session.rows("PRAGMA max_page_count=100000"))
    await store.ping()
    assert store.healthy()
    assert not [id_ for (id_,) in table(f"sqlite:///{tmp_path}/gateway.db", "body", "events") if id_.startswith("xxx")]


async def test_a_long_queue_is_seen_by_readiness(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with held_up(store):
        future = store.accept([new(1)])
        monkeypatch.setattr(write_queue, "QUEUE_ITEMS_MAX", 1)
        assert store.busy()
    with suppress(StoreUnavailable):
        await future
    assert not store.busy()


# -- a proxy between that goes silent -------------------------------------------------------------------------------


class Silent:
    """Passes bytes to a server's unix socket until it falls silent: connections stay open, and nothing comes."""

    def __init__(self, folder: Path, server: str) -> None:
        self.folder = folder
        self._server = server
        self._speaks = threading.Event()
        self._speaks.set()
        self._over = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()
        self._listener.settimeout(0.1)
        self._sockets: list[socket.socket] = []
        self._threads = [threads.start(self._accept)]

    def fall_silent(self) -> None:
        self._speaks.clear()

    def speak(self) -> None:
        self._speaks.set()

    def close(self) -> None:
        self._over.set()
        self._speaks.set()
        threads.end(self._threads[0])  # the one that starts the others
        for thread in self._threads[1:]:
            threads.end(thread)
        for one in self._sockets:
            one.close()
        self._listener.close()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            for one in (client, server):
                one.settimeout(0.1)
            self._sockets += [client, server]
            self._threads += [threads.start(self._pass, client, server), threads.start(self._pass, server, client)]

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        while not self._over.is_set():
            try:
                data = source.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                return
            while not self._speaks.wait(0.1) and not self._over.is_set():
                pass
            with suppress(OSError):
                target.sendall(data)
            if not data:
                with suppress(OSError):
                    target.shutdown(socket.SHUT_WR)
                return


@pytest.fixture
def silent(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Silent, str]]:
    """A proxy, and the URL of the test's database behind it."""
    import tempfile
    from urllib.parse import parse_qs, urlsplit

    folder = parse_qs(urlsplit(postgres_url).query)["host"][0]
    with tempfile.TemporaryDirectory(dir="/tmp") as place:  # a short path, because a socket's name has 107 bytes
        proxy = Silent(Path(place), f"{folder}/.s.PGSQL.5432")
        yield proxy, postgres_url.replace(folder, place)
        proxy.close()


async def test_a_server_that_falls_silent_is_left_and_found_again_when_it_speaks(
    open_at: Opener, silent: tuple[Silent, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, url = silent
    monkeypatch.setitem(BOUNDS, "connect_timeout", "2")
    store = await open_at(url=url, clock=Clock())
    store.listen(lambda _: None)
    await take(store, new(1))
    proxy.fall_silent()
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await store.accept([new(2)])
    assert time.monotonic() - began < 3 * write_queue.ANSWER_SECONDS
    with pytest.raises(StoreUnavailable):
        await store.due()
    proxy.speak()
    await back(store, 3)
    assert store.healthy()
