"""Both listeners, running for real in a thread; behind them a gateway of which each test says what it answers."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import uvloop

from gateway.errors import Malformed, Problem
from gateway.fields.network_set import IpNetwork
from gateway.plugin import Callback
from gateway.reload import Reloaded
from gateway.runtime.clock import FrozenClock
from gateway.runtime.metrics import Metrics
from gateway.store.admin.audit import Actor
from gateway.web.listener_limits import ListenerLimits
from gateway.web.listeners import Addresses, ServingEnd, serving
from gateway.web.stop import Stop
from tests import threads
from tests.patience import PATIENCE_S
from tests.web.raw_client import Client, Reply

CALLBACK = b'{"event":1}'


@dataclass
class Answer:
    status: int = 200
    body: bytes = b'{"status":"accepted"}'
    media_type: str = "application/json"


@dataclass
class Entry:
    name: str
    media_types: tuple[str, ...] = ()
    allow_from: Sequence[IpNetwork] = ()
    max_body: int | None = None


def settings(**changes: Any) -> Any:
    server: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": 0,
        "uds": None,
        "uds_mode": 0o660,
        "max_body": 262_144,
        "body_timeout": timedelta(seconds=10),
        "shutdown_grace": timedelta(seconds=10),
        "trusted_proxies": [],
        "connections": 1000,
    }
    admin: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": 0,
        "uds": None,
        "uds_mode": 0o660,
        "hosts": ["ops.internal"],
        "all_tokens": (),
    }
    server |= changes.pop("server", {})
    admin |= changes.pop("admin", {})
    return SimpleNamespace(server=SimpleNamespace(**server), admin=SimpleNamespace(**admin), sinks={}, **changes)


class Behind:
    """A gateway whose answers a test chooses; it decodes bodies as strictly as a source does."""

    def __init__(self, configured: Any = None) -> None:
        self.settings = configured or settings()
        self.clock = FrozenClock()
        self.metrics: Any = Metrics()
        self.stopping = False
        self.sources_by_path: dict[str, Entry] = {
            "live": Entry("live"),
            "typed": Entry("typed", ("application/json", "text/json")),
        }
        self.taken: list[Callback] = []
        self.refused: list[tuple[str | None, Problem]] = []
        self.unknown: list[tuple[Callback, int]] = []
        self.answer: Callable[[Callback], Awaitable[Any]] | None = None
        self.ready: Callable[[], Awaitable[Any]] | None = None
        self.opening: Callable[[], Awaitable[None]] | None = None
        self.closing: Callable[[], Awaitable[None]] | None = None
        self.life: list[str] = []
        self.token_place = "nowhere"
        self.admin: Any = None

    async def open(self) -> None:
        if self.opening is not None:
            await self.opening()
        self.life.append("open")

    def stop(self) -> None:
        self.stopping = True

    async def reload(self, actor: Actor) -> Reloaded:
        raise AssertionError("no test reloads it")

    async def watch(self) -> None:
        raise AssertionError("no test lets it watch")

    async def close(self, grace: float | None = None) -> None:
        if self.closing is not None:
            await self.closing()
        self.life.append("close")

    def take_callback(self, endpoint: Entry, callback: Callback, answered: Callable[[Any], None]) -> None:
        self._last = task = asyncio.ensure_future(self._handle(callback))
        task.add_done_callback(lambda done: answered(done.exception() or done.result()))

    async def _handle(self, callback: Callback) -> Any:
        self.taken.append(callback)
        callback.known()
        if self.answer is not None:
            return await self.answer(callback)
        try:
            callback.json()
        except Malformed as error:
            raise Problem(400, "malformed_body", error.detail) from error
        return Answer()

    def count_refusal(self, source: str | None, problem: Problem) -> None:
        self.refused.append((source, problem))

    def keep_unknown(self, problem: Problem, callback: Callback, size: int) -> None:
        self.unknown.append((callback, size))

    async def readiness(self) -> tuple[bool, dict[str, str]]:
        return await self.ready() if self.ready is not None else (not self.stopping, {"store": "ok"})

    def codes(self) -> list[str]:
        return [problem.code for _, problem in self.refused]


def post(body: bytes = CALLBACK, path: str = "/hooks/live", *, host: str = "x", more: str = "") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode("latin-1") + body


@dataclass
class Served:
    """Both listeners in a thread of their own."""

    behind: Behind
    limits: ListenerLimits | None = None
    private_limits: ListenerLimits | None = None
    addresses: Addresses = field(init=False)
    ended: ServingEnd | None = None
    error: BaseException | None = None

    def start(self, wait: float = PATIENCE_S) -> Served:
        self._opened = threading.Event()
        self._begun = threading.Event()
        self._thread = threads.start(self._run, name="served")
        self._begun.set()
        assert self._opened.wait(wait)
        return self

    def _run(self) -> None:
        async def main() -> None:
            self.loop = asyncio.get_running_loop()
            self.stop = Stop()

            def opened(addresses: Addresses) -> None:
                self.addresses = addresses
                self._opened.set()

            self.ended = await serving(
                self.behind,
                stop=self.stop,
                opened=opened,
                limits=self.limits,
                private_limits=self.private_limits,
            )

        self._begun.wait(PATIENCE_S)  # else whoever waits for `stop` could ask for the thread before it has its name
        try:
            runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
            runner.run(main())
            if self.ended is not None and not self.ended.clean:
                _leave(runner.get_loop())
            else:
                runner.close()
        except BaseException as error:
            self.error = error
        finally:
            self._opened.set()

    def ask(self, number: int = 15) -> None:
        self.loop.call_soon_threadsafe(self.stop.request, number)

    def result(self) -> ServingEnd:
        threads.end(self._thread)
        if self.error is not None:
            raise self.error
        assert self.ended is not None
        return self.ended

    def public(self) -> Client:
        return _connect(self.addresses.public)

    def private(self) -> Client:
        return _connect(self.addresses.private)

    def get(self, path: str, host: str = "localhost", method: str = "GET") -> Reply:
        with self.private() as client:
            client.send(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("latin-1"))
            return client.reply(head=method == "HEAD")

    def post(self, body: bytes = CALLBACK, path: str = "/hooks/live", *, more: str = "") -> Reply:
        with self.public() as client:
            return client.send(post(body, path, more=more)).reply()

    def __enter__(self) -> Served:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        if self._thread.is_alive():
            self.ask()
            self.ask()
        threads.end(self._thread)


def _leave(loop: asyncio.AbstractEventLoop) -> None:
    """Where a process would end at once: its tasks end, but a loop of uvloop is not closed, because it would wait for the
    connections that are left open."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_default_executor())


def _connect(bound: Any) -> Client:
    if bound.uds is not None:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(bound.uds))
        return Client(sock)
    host, port = bound.sockets[0].getsockname()[:2] if bound.sockets[0].fileno() >= 0 else ("127.0.0.1", 0)
    return Client(socket.create_connection((host, port)))


SHORT = ListenerLimits(
    head_seconds=0.3, body_seconds=0.4, stall_seconds=0.6, idle_seconds=0.3, linger_seconds=0.2, wire_bytes=600_000
)
"""Deadlines that a test can see pass."""


def networks(*texts: str) -> list[IpNetwork]:
    return [ipaddress.ip_network(text) for text in texts]
