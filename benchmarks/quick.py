"""`make bench QUICK=1`: the processor time of 2,000 callbacks in one process, without sockets, against a stored baseline.

Bytes go into the listener's protocol and answers come out of it, so that all of our way is in it and none of the client's:
the figures do not care who else is busy on the machine. A bare Starlette route goes the same way first, and what is stored
is the ratio to it, because absolute times say more about the machine than about the program.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import gc
import itertools
import json
import os
import pstats
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from benchmarks import servers, wire
from gateway.app import Gateway
from gateway.config.load import load
from gateway.runtime import logs
from gateway.web.budget import Budget
from gateway.web.ingress import Ingress
from gateway.web.listener_limits import UNVERIFIED_BYTES_MAX, public_limits
from gateway.web.listeners import COLLECT_AFTER_OBJECTS, SWITCH_INTERVAL_SECONDS
from gateway.web.protocol import guarded
from gateway.web.public import PublicRefusals, public_app
from gateway.web.whole_callbacks import WholeCallbacks

BASELINE: Final = Path(__file__).with_name("baseline.json")
CONNECTIONS: Final = 32
WARMING: Final = 250  # callbacks before the clock starts: caches, first statements
SLICE: Final = 250  # callbacks between two looks at the clock
SLICES: Final = 8  # the least of them is told: what disturbs only adds


class Wire(asyncio.Transport):
    """A transport that gives each answer to whoever waits for it."""

    def __init__(self, answered: Callable[[bytes], None]) -> None:
        super().__init__()
        self._answered = answered
        self._closing = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else default

    def write(self, data: Any) -> None:
        self._answered(bytes(data))

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True

    abort = close

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        """Nothing is read."""

    def resume_reading(self) -> None:
        """Nothing was paused."""


async def post_all(make: Callable[[], asyncio.Protocol], requests: Iterator[bytes], count: int) -> int:
    """Post `count` requests over CONNECTIONS connections, each waiting for its answer; how many were answered 200."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    good = left = 0

    def connect() -> None:
        buffer = b""

        def answered(data: bytes) -> None:
            nonlocal buffer, good, left
            buffer += data
            end = buffer.find(b"\r\n\r\n")
            if end < 0 or len(buffer) < end + 4 + int(
                buffer.lower().split(b"content-length: ", 1)[1].split(b"\r\n")[0]
            ):
                return
            good += buffer[9:12] == b"200"
            left -= 1
            buffer = b""
            request = next(requests, None) if left >= CONNECTIONS else None
            if request is not None:
                loop.call_soon(protocol.data_received, request)
            elif not left:
                done.set_result(None)

        protocol = make()
        transport = Wire(answered)
        protocol.connection_made(transport)
        closed.append(lambda: protocol.connection_lost(None))
        loop.call_soon(protocol.data_received, next(requests))

    closed: list[Callable[[], None]] = []
    left = count
    for _ in range(CONNECTIONS):
        connect()
    await done
    for close in closed:
        close()
    return good


async def echo(request: Request) -> JSONResponse:
    body = await request.body()
    return JSONResponse({"status": "accepted", "size": len(body)})


def listening(app: ASGIApp, protocol: type[HttpToolsProtocol]) -> Callable[[], asyncio.Protocol]:
    """How uvicorn makes a connection of this protocol."""
    config = Config(
        app, http=protocol, ws="none", lifespan="off", interface="asgi3", log_config=None, access_log=False,
        proxy_headers=False, server_header=False,
    )  # fmt: skip
    config.load()
    state = ServerState()
    state.default_headers = [(b"date", b"Mon, 30 Nov 2026 12:00:00 GMT")]  # as uvicorn has it, anew each second
    return lambda: protocol(config=config, server_state=state, app_state={})


@contextlib.asynccontextmanager
async def running(folder: Path, sink: int, *, routed: bool) -> AsyncIterator[Callable[[], asyncio.Protocol]]:
    """A gateway on a fresh file: how a connection to it is made."""
    folder.mkdir()  # noqa: ASYNC240  before anything is measured
    to = "to: [app]" if routed else "match: {type: nothing}, to: [app]"
    store = f"sqlite:///{folder}/bench.db"
    path = servers.configure(folder, port=0, admin=0, sink=sink, to=to, level="info", store=store)
    gateway = Gateway(load(path))
    await gateway.open(lock_wait=0)
    try:
        ingress = Ingress(gateway, max_body=gateway.settings.server.max_body)
        refusals = PublicRefusals(gateway, ingress)
        limits = public_limits(body_timeout=30.0, connections=1000)
        protocol = guarded(
            limits,
            refusals.refused_unread,
            largest=ingress.largest,
            peer_of=ingress.peer_of,
            take_whole=WholeCallbacks(gateway, ingress).take_whole,
            budget=Budget(UNVERIFIED_BYTES_MAX),
        )
        yield listening(public_app(ingress, refusals), protocol)
    finally:
        await gateway.close(5.0)


Post = Callable[[int], Awaitable[None]]


async def measured(posts: Mapping[str, Post], slices: int, profile: cProfile.Profile | None) -> dict[str, float]:
    """Microseconds of processor time a callback, the least of some slices. They alternate, because the processor itself is
    now fast and now slow."""
    for post in posts.values():
        await post(WARMING)
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS, *gc.get_threshold()[1:])  # as `serve` does
    found: dict[str, list[float]] = {name: [] for name in posts}
    for _ in range(slices):
        for name, post in posts.items():
            profiled = profile if name != "echo" else None
            used = time.process_time()
            if profiled is not None:
                profiled.enable()
            await post(SLICE)
            if profiled is not None:
                profiled.disable()
            found[name].append((time.process_time() - used) * 1e6 / SLICE)
    return {name: min(values) for name, values in found.items()}


async def figures(
    requests: Sequence[bytes], folder: Path, slices: int, profile: cProfile.Profile | None, only: str
) -> dict[str, float]:
    """CPU µs of an echo, of an accept, and of an accept with its delivery (the receiver's few µs included)."""
    loop = asyncio.get_running_loop()
    arrived = expected = 0

    def count_one(_body: bytes) -> None:
        nonlocal arrived
        arrived += 1

    receiver = await loop.create_server(lambda: wire.Receiver(count_one), "127.0.0.1", 0)
    port = receiver.sockets[0].getsockname()[1]
    again = itertools.cycle(requests)
    connect_echo = listening(Starlette(routes=[Route("/hooks/live", echo, methods=["POST"])]), HttpToolsProtocol)

    async def post_echo(count: int) -> None:
        assert await post_all(connect_echo, again, count) == count

    def posting(connect: Callable[[], asyncio.Protocol], *, routed: bool) -> Post:
        fresh = iter(requests)

        async def post(count: int) -> None:
            nonlocal expected
            assert await post_all(connect, fresh, count) == count, "a callback was refused"
            expected += count if routed else 0
            while arrived < expected:  # noqa: ASYNC110  the receiver is no coroutine
                await asyncio.sleep(0.001)

        return post

    posts: dict[str, Post] = {"echo": post_echo}
    async with contextlib.AsyncExitStack() as stack:
        for name, routed in (("accept", False), ("accept and deliver", True)):
            if only in ("", name):
                connect = await stack.enter_async_context(running(folder / name.replace(" ", "-"), port, routed=routed))
                posts[name] = posting(connect, routed=routed)
        found = await measured(posts, slices, profile)
    receiver.close()
    return found


def requests_of(count: int) -> list[bytes]:
    from benchmarks.callbacks import callbacks

    return [request for request, _ in zip(callbacks(), range(count), strict=False)]


def instructions() -> int | None:
    """Instructions of the whole run by `perf`, where the machine counts them."""
    command = [
        "perf",
        "stat",
        "-x,",
        "-e",
        "instructions:u",
        sys.executable,
        "-m",
        "benchmarks.quick",
        "--slices",
        "1",
        "--json",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"^(\d+),", done.stderr, re.MULTILINE)
    return int(found[1]) if found else None


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.quick", description=__doc__)
    parser.add_argument("--store", action="store_true", help="make what is measured now the baseline")
    parser.add_argument("--json", action="store_true", help="print the figures alone")
    parser.add_argument("--slices", type=int, default=SLICES)
    parser.add_argument("--only", default="", help="measure `accept` or `accept and deliver` alone")
    parser.add_argument("--profile", action="store_true", help="also say where the loop's time goes")
    options = parser.parse_args(arguments)
    profile = cProfile.Profile() if options.profile else None
    requests = requests_of(WARMING + SLICE * options.slices)
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as name, open(os.devnull, "w") as nowhere:
        logs.configure("info", "json", nowhere, threaded=True, lasting=True)
        sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            found = runner.run(figures(requests, Path(name), options.slices, profile, options.only))
    if options.json:
        print(json.dumps(found))
        return
    if profile is not None:
        pstats.Stats(profile).sort_stats("tottime").print_stats(60)
    ratios = {name: found["echo"] / value for name, value in found.items() if name != "echo"}
    before = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    print(f"{'CPU time, one process':24} {'µs':>7} {'echo / it':>10} {'baseline':>9} {'change':>8}")
    print(f"{'echo':24} {found['echo']:7.1f}")
    for name, ratio in ratios.items():
        known = before.get(name)
        change = f"{known / ratio - 1:+8.1%}" if known else f"{'-':>8}"
        print(f"{name:24} {found[name]:7.1f} {ratio:10.3f} {known or float('nan'):9.3f} {change}  (of its CPU time)")
    counted = None if options.only or options.profile else instructions()
    print(
        "instructions: "
        + ("this machine does not count them (perf)" if counted is None else f"{counted:,} in one whole run")
    )
    if options.store:
        BASELINE.write_text(json.dumps({name: round(ratio, 4) for name, ratio in ratios.items()}, indent=1) + "\n")
        print(f"stored in {BASELINE.name}")


if __name__ == "__main__":
    main()
