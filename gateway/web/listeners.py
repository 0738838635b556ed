"""Runs both listeners in one event loop: private first, public when the store is open, and both out again in order."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import msgspec
from starlette.routing import Router
from starlette.types import ASGIApp

from gateway.config.grammar.listeners import callback_url
from gateway.config.grammar.settings import Settings
from gateway.runtime.lean_imports import import_structlog
from gateway.runtime.logs import flush
from gateway.web.budget import Budget
from gateway.web.ingress import Ingress
from gateway.web.late_app import LateApp
from gateway.web.left_behind import nothing_left
from gateway.web.listener import HttpServer
from gateway.web.listener_limits import (
    PRIVATE_CONNECTIONS_MAX,
    SPARE_DESCRIPTORS,
    UNVERIFIED_BYTES_MAX,
    ListenerLimits,
    public_limits,
    reserve_descriptors,
)
from gateway.web.ports import EndpointT, Serving, WholeGateway
from gateway.web.private import private_app
from gateway.web.protocol import guarded
from gateway.web.public import PublicRefusals, public_app
from gateway.web.renewal import renewing
from gateway.web.sockets import Bound, bind
from gateway.web.stop import Stop
from gateway.web.tokens import Tokens
from gateway.web.whole_callbacks import WholeCallbacks

log = import_structlog().get_logger("gateway.web")

SWITCH_INTERVAL_SECONDS: Final = 0.0005
"""Seconds. With Python's 5 ms the store's thread and the loop wait for each other: measured, 4,667 durable accepts a
second against 6,280."""

COLLECT_AFTER_OBJECTS: Final = 10_000
"""New containers between two looks of the cycle collector, in place of Python's 700. Hardly anything on an event's way is
a cycle: the looks at what is under way, and at what was loaded at the start, were 5 % of all CPU time."""

CLOSING_SECONDS: Final = 8.0  # after shutdown_grace, for what comes after the deliveries: sinks, store, listeners
ANSWERING_SECONDS: Final = 2.0  # of these, for answers under way


class ServingEnd(msgspec.Struct, frozen=True):
    """How serving ended: the exit code, and whether everything was put away or left where it stood."""

    code: int
    clean: bool = True


class Addresses(msgspec.Struct, frozen=True):
    """Where the two listeners are, once both are open."""

    public: Bound
    private: Bound


def serve(gateway: WholeGateway[EndpointT], *, watch: bool = False) -> int:
    """Run the gateway until SIGTERM or SIGINT, in this thread: the exit code. `watch`: reload when the file changes.

    Raises GatewayError where it cannot start: CannotListen, TooFewDescriptors, or what the store says.
    """
    others = frozenset(threading.enumerate())
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        ended = runner.run(serving(gateway, watch=watch, opened=lambda _: _spare_the_collector()))
        if not ended.clean or not runner.run(nothing_left(but=others)):
            # because what hangs would keep the process; whatever it holds is safe in the store or leased
            flush()
            os._exit(ended.code)
    return ended.code


def _spare_the_collector() -> None:
    """What the start has made stays to the end, so that the collector need not look at it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS, *gc.get_threshold()[1:])


async def serving(
    gateway: WholeGateway[EndpointT],
    *,
    watch: bool = False,
    stop: Stop | None = None,
    opened: Callable[[Addresses], None] | None = None,
    limits: ListenerLimits | None = None,
    private_limits: ListenerLimits | None = None,
) -> ServingEnd:
    """`serve` inside a running loop. `opened` is told the addresses; `stop` and the limits are for embedding and tests."""
    stop = stop or Stop()
    settings = gateway.settings
    reserve_descriptors(descriptors(settings))
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    with contextlib.ExitStack() as stack:
        private_at = stack.enter_context(_bound("admin", settings))
        public_at = stack.enter_context(_bound("server", settings))
        stack.enter_context(stop.on_signals())
        private, public = _listeners(gateway, private_at, public_at, limits, private_limits, watch=watch)
        # health is answered before the store is open, so that waiting for its lock can be seen as "not ready"
        await private.start()
        try:
            broken = False
            if await _open(gateway, stop):
                await public.start()
                log.info("serving", public=public_at.url, private=private_at.url)
                for path, entry in gateway.sources_by_path.items():  # whole, because it is what the vendor is told
                    log.info("callback_url", source=entry.name, url=callback_url(public_at.url, path))
                if settings.admin.all_tokens:
                    log.info("pages", url=f"{private_at.url}/", token_at=gateway.token_place)  # never the token
                if opened is not None:
                    opened(Addresses(public_at, private_at))
                broken = await _until(stop.asked, public, private)
        except BaseException:
            with contextlib.suppress(Exception):
                await gateway.close(0.0)
            # and not broken off: their applications, left where they wait, would say so at length beside the error itself
            await asyncio.gather(public.stop(ANSWERING_SECONDS), private.stop(ANSWERING_SECONDS))
            raise
        return await _close(gateway, stop, public, private, broken=broken)


def descriptors(settings: Settings) -> int:
    """How many files can be open at once: connections at both listeners, one a delivery under way, and some to spare."""
    sending = sum(sink.delivery.concurrency for sink in settings.sinks.values())
    return settings.server.connections + PRIVATE_CONNECTIONS_MAX + sending + SPARE_DESCRIPTORS


def _listeners(
    gateway: WholeGateway[EndpointT],
    private_at: Bound,
    public_at: Bound,
    limits: ListenerLimits | None,
    private_limits: ListenerLimits | None,
    *,
    watch: bool,
) -> tuple[HttpServer, HttpServer]:
    server = gateway.settings.server
    ingress = Ingress(gateway, max_body=server.max_body, trusted_proxies=server.trusted_proxies)
    refusals = PublicRefusals(gateway, ingress)
    bounds = limits or public_limits(
        body_timeout=server.body_timeout.total_seconds(),
        connections=server.connections,
    )
    tokens = Tokens(lambda: gateway.settings.admin.all_tokens, gateway.clock)
    inner = replace(private_limits or ListenerLimits(connections=PRIVATE_CONNECTIONS_MAX), hostless=True)
    public = HttpServer(
        "server",
        public_app(ingress, refusals, lifespan=lambda app: renewing(gateway, watch=watch)),
        guarded(
            bounds,
            refusals.refused_unread,
            largest=ingress.largest,
            peer_of=ingress.peer_of,
            take_whole=WholeCallbacks(gateway, ingress).take_whole,
            budget=Budget(getattr(server, "unverified_bytes", UNVERIFIED_BYTES_MAX)),
        ),
        public_at,
    )
    private = HttpServer(
        "admin",
        private_app(
            gateway,
            taking=lambda: public.is_open,
            hosts=lambda: gateway.settings.admin.hosts,
            rest=LateApp(lambda: admin_app(gateway, tokens)),
        ),
        guarded(inner, lambda problem, peer, path: None),
        private_at,
    )
    return private, public


def admin_app(gateway: Serving, tokens: Tokens) -> ASGIApp:
    """The admin API and the pages."""
    from gateway.web.api.routes import api_routes
    from gateway.web.pages.routes import missing_page, page_routes

    routes = [*api_routes(gateway, tokens), *page_routes(gateway, tokens)]
    return Router(routes, redirect_slashes=False, default=missing_page(gateway, tokens))


@contextlib.contextmanager
def _bound(section: str, settings: Settings) -> Iterator[Bound]:
    at = settings.server if section == "server" else settings.admin
    bound = bind(section, at.host, at.port, at.uds, at.uds_mode)
    try:
        yield bound
    finally:
        bound.close()


async def _open(gateway: Serving, stop: Stop) -> bool:
    """Open the gateway, which may wait for the store's lock; False: asked to stop meanwhile."""
    opening = asyncio.ensure_future(gateway.open())
    asked = asyncio.ensure_future(stop.asked.wait())
    await asyncio.wait({opening, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if opening.done():
        opening.result()
        return True
    opening.cancel()
    insisted = asyncio.ensure_future(stop.insisted.wait())
    # bounded, because a plugin may swallow its cancellation; what it holds then ends with the process
    await asyncio.wait({opening, insisted}, timeout=CLOSING_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    insisted.cancel()
    if opening.done() and not opening.cancelled() and (error := opening.exception()) is not None:
        log.info("opening_ended", error=str(error))
    return False


async def _until(asked: asyncio.Event, *listeners: HttpServer) -> bool:
    """Wait for the wish to stop; True: a listener broke instead."""
    waiting = asyncio.ensure_future(asked.wait())
    ends = [listener.ended for listener in listeners if listener.ended is not None]
    await asyncio.wait({waiting, *ends}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    for end in ends:
        if end.done():
            log.error("listener_broke", exc_info=end.exception())
            return True
    return False


async def _close(gateway: Serving, stop: Stop, public: HttpServer, private: HttpServer, *, broken: bool) -> ServingEnd:
    """Answer 503, let deliveries end within shutdown_grace, close in order; or leave all where it is if somebody insists."""
    grace = gateway.settings.server.shutdown_grace.total_seconds()
    log.info("stopping", grace=grace)
    gateway.stop()
    # both listeners stay open meanwhile: callers are told 503, probes that we are not ready
    closing = asyncio.ensure_future(_put_away(gateway, public, private, grace))
    insisted = asyncio.ensure_future(stop.insisted.wait())
    await asyncio.wait({closing, insisted}, timeout=grace + CLOSING_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    insisted.cancel()
    if closing.done():
        closing.result()
        log.info("stopped")
        return ServingEnd(1 if broken else 0)
    closing.cancel()
    await _abort(public, private)
    code = stop.code or 1
    log.warning("stopped_at_once", why="a second signal" if stop.code else "something did not end", code=code)
    return ServingEnd(code, clean=False)


async def _put_away(gateway: Serving, public: HttpServer, private: HttpServer, grace: float) -> None:
    await gateway.close(grace)
    await asyncio.gather(public.stop(ANSWERING_SECONDS), private.stop(ANSWERING_SECONDS))


async def _abort(*listeners: HttpServer) -> None:
    for listener in listeners:
        listener.abort()
        if listener.ended is not None:
            await asyncio.wait({listener.ended}, timeout=1.0)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # where it has no build; slower, nothing else
        return None
    return uvloop.new_event_loop
