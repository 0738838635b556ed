"""One uvicorn server on sockets that are bound already, without its own ideas about signals, logs and proxies."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Final

from starlette.types import ASGIApp

from gateway.web.listener_pulse import ListenerPulse
from gateway.web.protocol import GuardedProtocol
from gateway.web.sockets import Bound, CannotListen, cannot
from gateway.web.uvicorn_parts import Config, Server

LOOK_TICKS: Final = 5  # of uvicorn's tenths of a second, between two looks at who waits


class HttpServer(Server):
    """`start` opens it, `stop` lets its connections end, `abort` breaks them off."""

    def __init__(self, section: str, app: ASGIApp, protocol: type[GuardedProtocol], bound: Bound) -> None:
        self._pulse = ListenerPulse(section)
        super().__init__(
            Config(
                app,
                http=self._pulse.careful(protocol),  # type: ignore[arg-type]  # any callable does
                ws="none",
                lifespan="on",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,  # the ingress looks at trusted_proxies and at nothing else
                server_header=False,
                timeout_keep_alive=max(1, round(protocol.limits.idle_seconds)),
            )
        )
        self.bound = bound
        self._section = section
        self._opened = asyncio.Event()
        self.ended: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether connections have been taken; before, who connects is refused."""
        return self._opened.is_set()

    async def start(self) -> None:
        """Listen; returns when connections are taken. Raises CannotListen."""
        self.ended = asyncio.create_task(self.serve(list(self.bound.sockets)), name=f"listener-{self._section}")
        opened = asyncio.create_task(self._opened.wait())
        await asyncio.wait({self.ended, opened}, return_when=asyncio.FIRST_COMPLETED)
        opened.cancel()
        if self.ended.done():
            try:
                await self.ended
            except OSError as error:
                raise CannotListen(cannot(self._section, self.bound.url, error)) from None
            raise CannotListen(f"{self._section}: the listener on {self.bound.url} ended before it was open")

    async def stop(self, within: float) -> bool:
        """Take no more connections and let those there end; after `within` seconds break them off: then False."""
        if self.ended is None or self.ended.done():
            return True
        self.should_exit = True
        _, late = await asyncio.wait({self.ended}, timeout=max(within, 0.0))
        if late:
            self.abort()
            await asyncio.wait({self.ended}, timeout=1.0)
        return not late

    def abort(self) -> None:
        """Break every connection off."""
        self.should_exit = self.force_exit = True
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:  # how uvicorn says it; here it would end the process in the middle of the other listener
            text = f"{self._section}: the application on {self.bound.url} did not start; the log says why"
            raise CannotListen(text) from None
        self._opened.set()

    async def on_tick(self, counter: int) -> bool:
        """Of uvicorn's, ten times a second."""
        if counter % LOOK_TICKS == 0 and not self.should_exit:
            for place in self._pulse.stuck(self.bound.sockets):
                with contextlib.suppress(OSError, MemoryError):  # the next look tries again
                    await self._listen_again(place)
        return await super().on_tick(counter)

    async def _listen_again(self, place: int) -> None:
        config, sockets = self.config, list(self.bound.sockets)

        def connect() -> asyncio.Protocol:
            return config.http_protocol_class(
                config=config, server_state=self.server_state, app_state=self.lifespan.state
            )  # type: ignore[call-arg]

        sockets[place], self.servers[place] = await self._pulse.listen_again(
            sockets[place], self.servers[place], connect, config.backlog
        )
        self.bound.sockets = sockets

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # the process has two of these and one way to stop
