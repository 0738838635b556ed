"""Starts what is measured, each in a process of its own on core 0, and reads its memory and its counters."""

from __future__ import annotations

import compileall
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path

PORT_MIN = 10_000
KEY = "demo-benchmark-0123456789abcdef0123456789"
TOKEN = "demo-benchmark-fedcba9876543210fedcba9876543210"

ECHO = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

async def echo(request: Request) -> JSONResponse:
    body = await request.body()
    return JSONResponse({"status": "accepted", "size": len(body)})

async def ready(request: Request) -> JSONResponse:
    return JSONResponse({})

app = Starlette(routes=[Route("/hooks/live", echo, methods=["POST"]), Route("/readyz", ready)])
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False, log_level="error")
"""

CONFIG = """
version: 1
server: {{host: 127.0.0.1, port: {port}}}
admin: {{host: 127.0.0.1, port: {admin}, tokens: [{{name: bench, token: {token}}}]}}
store: {store}
log: {{level: {level}, format: json}}
sources:
  live: {{type: huawei-live, keys: [{key}], domains: [push.example.com], apps: [live]}}
sinks:
  app: {{{app}, delivery: {delivery}}}
routes:
  - {{name: all, {to}}}
"""

# the sink `app`, as what stands between the braces of a YAML mapping
FORWARD = (
    "type: forward, url: 'http://127.0.0.1:{sink}/recordings', "
    "sign: {{scheme: standard-webhooks, secrets: ['demo-whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw']}}"
)
DELIVERY = "{concurrency: 32}"


class Server:
    """A running server: its port, how long it took to be ready, its memory."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, admin: int, started: float) -> None:
        self.process = process
        self.port = port
        self.admin = admin
        self.start_seconds = started
        self.beside: list[subprocess.Popen[bytes]] = []  # processes that do a part of its work

    def pss(self) -> float:
        """Proportional set size in MB (10^6 bytes)."""
        text = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        match = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
        assert match is not None
        return int(match[1]) * 1024 / 1e6

    def cpu(self) -> float:
        """Seconds of processor time of all its threads, those too that have ended; other programs do not change it."""
        # the clock of another process, as clock_getcpuclockid(3) makes it
        clocks = [(~process.pid << 3) | 2 for process in (self.process, *self.beside)]
        return sum(time.clock_gettime(clock) for clock in clocks)

    def pause(self) -> None:
        """It gets no processor until `go_on`, for what it has to do beside its work either."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Also before it can end."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        for process in (self.process, *self.beside):
            process.send_signal(number)

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((name + " ", name + "{")))


def stolen() -> float:
    """Seconds that the host has taken from this machine's processors since it started; 0 where it does not say."""
    try:
        return int(Path("/proc/stat").read_text().split()[8]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 0.0


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on, below those that connections get: until a server has one of these, a
    client of something else would take it."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports: list[int] = []
    with ExitStack() as stack:
        while len(ports) < count:
            port = PORT_MIN + secrets.randbelow(first - PORT_MIN)
            with suppress(OSError):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
                ports.append(port)
    return ports


@contextmanager
def echo(port: int, folder: Path) -> Iterator[Server]:
    """A bare Starlette route under the same uvicorn: the denominator."""
    script = folder / "echo.py"
    script.write_text(ECHO)
    with running([sys.executable, str(script), str(port)], folder, port, port) as server:
        yield server


@contextmanager
def gateway(
    port: int,
    admin: int,
    folder: Path,
    *,
    sink: int,
    routed: bool,
    level: str = "info",
    store: str = "sqlite:///bench.db",
    delivery: str = DELIVERY,
    app: str = FORWARD,
    core: int = 0,
) -> Iterator[Server]:
    """The gateway on a fresh SQLite file (or another store, as it is), delivering to `app` or storing only; a forward goes
    to the port `sink`."""
    for old in folder.glob("bench.db*"):
        old.unlink()
    to = "to: [app]" if routed else "match: {type: nothing}, to: [app]"
    configure(folder, port=port, admin=admin, sink=sink, to=to, level=level, store=store, delivery=delivery, app=app)
    with running([str(Path(sys.executable).parent / "gateway"), "serve"], folder, port, admin, core=core) as server:
        yield server


def configure(
    folder: Path,
    *,
    port: int,
    admin: int,
    sink: int,
    to: str,
    level: str,
    store: str,
    delivery: str = DELIVERY,
    app: str = FORWARD,
) -> Path:
    """Write the configuration that is measured into `folder`: the file."""
    path = folder / "gateway.yaml"
    options = app.format(sink=sink)
    config = CONFIG.format(
        port=port, admin=admin, app=options, key=KEY, token=TOKEN, to=to, level=level, store=store, delivery=delivery
    )
    path.write_text(textwrap.dedent(config))
    path.chmod(0o600)
    return path


@contextmanager
def example(port: int, admin: int, folder: Path) -> Iterator[Server]:
    """The gateway as `make run` starts it, but for its folder."""
    source = Path(__file__).resolve().parent.parent / "config.example.yaml"
    (folder / "gateway.yaml").write_text(
        re.sub(r"port: 8080", f"port: {port}", source.read_text()).replace("port: 9090", f"port: {admin}")
    )
    (folder / "gateway.yaml").chmod(0o600)
    with running([str(Path(sys.executable).parent / "gateway"), "serve"], folder, port, admin) as server:
        yield server


def help() -> None:
    """What a person waits for first."""
    subprocess.run([str(Path(sys.executable).parent / "gateway"), "--help"], check=True, capture_output=True)


@cache
def compile_once() -> None:
    """As in an installed gateway: where nothing may write bytecode, each start would compile what changed, and keep the room
    that this took."""
    root = Path(__file__).resolve().parent.parent
    for folder in ("gateway", "plugins"):
        compileall.compile_dir(root / folder, quiet=1)


@contextmanager
def running(
    command: list[str],
    folder: Path,
    port: int,
    admin: int,
    *,
    ready: str = "",
    environment: Mapping[str, str] | None = None,
    core: int = 0,
) -> Iterator[Server]:
    """A server on core `core`, once it answers 200 at `ready` (absent: at /readyz of its private listener)."""
    compile_once()
    log = (folder / "server.log").open("wb")
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env={**os.environ, **(environment or {})})
    os.sched_setaffinity(process.pid, {core})
    try:
        while True:
            try:
                urllib.request.urlopen(ready or f"http://127.0.0.1:{admin}/readyz", timeout=1).close()
                break
            except OSError:
                if process.poll() is not None or time.perf_counter() - began > 60:
                    raise RuntimeError((folder / "server.log").read_text()[-2000:]) from None
                time.sleep(0.005)
        yield Server(process, port, admin, time.perf_counter() - began)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()
