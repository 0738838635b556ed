"""The life of both listeners: what is open when, what a stop lets end, and what a second stop does not wait for."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.config.grammar.listeners import callback_url
from gateway.errors import StoreInUse
from gateway.web import listeners
from gateway.web.listener import HttpServer
from gateway.web.listeners import descriptors, serving
from gateway.web.sockets import CannotListen
from gateway.web.stop import Stop
from tests import threads
from tests.patience import PATIENCE_S, until
from tests.ports import free_port
from tests.web.doors import Behind, Served, networks, settings
from tests.web.raw_client import Client, Reply


def connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


def test_health_answers_before_the_store_is_open_and_callbacks_are_not_taken_before() -> None:
    ports = {"server": free_port(), "admin": free_port()}
    behind = Behind(settings(server={"port": ports["server"]}, admin={"port": ports["admin"]}))
    store = threading.Event()

    async def lock() -> None:
        await asyncio.to_thread(store.wait, 10)

    behind.opening = lock
    served = Served(behind)
    starting = threads.start(served.start)
    until(lambda: connects(ports["admin"]))
    assert not connects(ports["server"])
    assert behind.life == []
    store.set()
    threads.end(starting)
    assert served.post().status == 200
    served.ask()
    assert served.result().code == 0


def test_it_is_not_ready_before_the_public_listener_takes_connections(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()

    @contextlib.asynccontextmanager
    async def slow(*_: object, **__: object) -> AsyncIterator[None]:
        begun.set()
        await asyncio.to_thread(go.wait, PATIENCE_S)
        yield

    monkeypatch.setattr(listeners, "renewing", slow)
    private = folder / "admin.sock"
    behind = Behind(settings(admin={"uds": private}))
    served = Served(behind)
    starting = threads.start(served.start)
    assert begun.wait(PATIENCE_S)
    try:
        assert behind.life == ["open"]
        reply = asked(private, "/readyz")
        assert (reply.status, reply.json()) == (503, {"status": "not ready", "gateway": "starting"})
        assert asked(private, "/healthz").status == 200
    finally:
        go.set()
    threads.end(starting)
    assert served.get("/readyz").status == 200
    served.ask()
    assert served.result().code == 0


def asked(uds: Path, path: str) -> Reply:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(uds))
        return Client(sock).send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()).reply()


def test_a_stop_while_the_lock_is_awaited_ends_at_once() -> None:
    behind = Behind()

    async def lock() -> None:
        await asyncio.Event().wait()

    behind.opening = lock
    served = Served(behind)
    thread = threads.start(served.start)
    until(lambda: hasattr(served, "stop"))
    served.ask()
    assert served.result().code == 0
    threads.end(thread)
    assert behind.life == ["close"]


def test_an_opening_that_fails_because_it_was_stopped_is_said_and_no_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    behind = Behind()

    async def lock() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise StoreInUse("gateway.db is held by host:7") from None

    behind.opening = lock
    served = Served(behind)
    thread = threads.start(served.start)
    until(lambda: hasattr(served, "stop"))
    served.ask()
    assert served.result().code == 0
    threads.end(thread)
    logged = capsys.readouterr().out
    assert "opening_ended" in logged
    assert "host:7" in logged


@pytest.mark.parametrize("signals", [1, 2])
def test_a_stop_while_an_opening_swallows_its_cancellation_ends_too(
    signals: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listeners, "CLOSING_SECONDS", 0.2 if signals == 1 else 60.0)
    behind = Behind()
    entered = threading.Event()

    async def stubborn() -> None:
        while True:
            entered.set()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(3600 if len(behind.life) == 0 else 0)
            if behind.life:
                return

    behind.opening = stubborn
    served = Served(behind)
    thread = threads.start(served.start)
    assert entered.wait(PATIENCE_S)
    for _ in range(signals):
        served.ask()
    served.result()
    threads.end(thread)
    assert behind.life[0] == "close"


def test_a_store_that_is_held_is_told_to_the_caller() -> None:
    behind = Behind()

    async def held() -> None:
        raise StoreInUse("gateway.db is held by host:7")

    behind.opening = held
    served = Served(behind).start()
    with pytest.raises(StoreInUse, match="host:7"):
        served.result()
    assert behind.life == ["close"]


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="gw") as name:
        yield Path(name)


def test_both_listeners_can_be_unix_sockets(folder: Path) -> None:
    public, private = folder / "in.sock", folder / "admin.sock"
    behind = Behind(
        settings(
            server={"uds": public, "uds_mode": 0o600, "trusted_proxies": networks("10.0.0.0/8")},
            admin={"uds": private},
        )
    )
    with Served(behind) as served:
        assert served.post(more="X-Forwarded-For: 203.0.113.9\r\n").status == 200
        assert served.post(path="/hooks/no").status == 404
        assert served.get("/healthz").status == 200
    assert behind.taken[0].peer == "203.0.113.9"
    assert not public.exists()
    assert not private.exists()


async def test_a_port_that_is_taken_between_binding_and_listening_is_named() -> None:
    port = free_port()
    behind = Behind(settings(server={"port": port}))
    taken: list[socket.socket] = []

    async def another_listens() -> None:
        other = socket.socket()
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        taken.append(other)

    behind.opening = another_listens
    try:
        with pytest.raises(CannotListen, match=f"server: cannot listen on http://127.0.0.1:{port}"):
            await serving(behind)
    finally:
        taken[0].close()
    assert behind.life == ["open", "close"]


async def test_a_taken_port_leaves_nothing_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        behind = Behind(settings(server={"port": taken.getsockname()[1]}))
        with pytest.raises(CannotListen, match=r"server\.port"):
            await serving(behind)
    assert behind.life == []


async def test_a_listener_that_breaks_stops_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(self: HttpServer, counter: int) -> bool:
        if counter == 0 or self.bound.url.startswith("unix:"):
            return self.should_exit
        raise RuntimeError("broken")

    monkeypatch.setattr(HttpServer, "on_tick", broken)
    with tempfile.TemporaryDirectory(prefix="gw") as name:
        behind = Behind(settings(admin={"uds": Path(name) / "admin.sock"}))
        ended = await serving(behind)
    assert (ended.code, ended.clean) == (1, True)
    assert behind.life == ["open", "close"]


async def test_a_listener_that_ends_before_it_is_open_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(self: HttpServer, sockets: Any = None) -> None: ...

    monkeypatch.setattr(HttpServer, "serve", nothing)
    with pytest.raises(CannotListen, match="ended before it was open"):
        await serving(Behind())


def test_descriptors_are_counted_from_the_configuration() -> None:
    class Delivery:
        concurrency = 8

    class Sink:
        delivery = Delivery

    configured = settings(server={"connections": 500})
    configured.sinks = {"a": Sink, "b": Sink}
    assert descriptors(configured) == 500 + 128 + 16 + 64


async def test_the_second_wish_is_not_the_first() -> None:
    stop = Stop()
    stop.request(signal.SIGTERM)
    assert (stop.asked.is_set(), stop.insisted.is_set(), stop.code) == (True, False, 0)
    stop.request(signal.SIGTERM)
    assert (stop.insisted.is_set(), stop.code) == (True, 143)


def test_the_loop_may_be_asyncio_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert listeners._loop_factory() is None


def test_the_whole_callback_url_of_a_source_is_what_its_vendor_is_told() -> None:
    assert callback_url("http://127.0.0.1:8080", "live") == "http://127.0.0.1:8080/hooks/live"
    assert callback_url("http://[::1]:8080", "k3y") == "http://[::1]:8080/hooks/k3y"
    assert callback_url("unix:/run/gateway/in.sock", "live") == "unix:/run/gateway/in.sock:/hooks/live"


def test_serve_says_where_the_callbacks_of_each_source_come_to(capsys: pytest.CaptureFixture[str]) -> None:
    with Served(Behind()) as served:
        url = served.addresses.public.url
    said = capsys.readouterr().out
    assert f"{url}/hooks/live" in said
    assert f"{url}/hooks/typed" in said
