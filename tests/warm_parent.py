"""Waits with everything imported, and forks into a command at each order (`tests/warm.py`): `warm_parent.py SOCKET`."""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import json
import os
import random
import select
import signal
import socket
import sys
import threading
from contextlib import suppress
from typing import Any

# What `gateway serve` has imported when it serves, and what it loads for the plugins that most tests configure.
IMPORTED = (
    *("gateway.app", "gateway.cli.root", "gateway.cli.commands.serve", "gateway.cli.commands.check"),
    *("gateway.web.listeners", "gateway.store.store", "gateway.store.sqlite.backend", "gateway.runtime.logs"),
    *("plugins.sinks.forward", "plugins.sinks.console", "plugins.sinks.file", "plugins.sources.huawei_live"),
    *("gateway.egress.pool", "gateway.egress.streamed", "gateway.cli.remote", "gateway.cli.health"),
    *("uvloop", "sqlite3", "multiprocessing", "concurrent.futures.thread", "uvicorn.lifespan.on", "encodings.idna"),
)


def know_what_is_the_same_each_time() -> None:
    """What is installed, and the patterns of the private listener's paths: a third of what a start then still costs."""
    from gateway.plugin.installed import entry_points_by_type
    from gateway.web.api.routes import api_routes
    from gateway.web.pages.routes import page_routes

    nobody: Any = None
    entry_points_by_type()
    api_routes(nobody, nobody)
    page_routes(nobody, nobody)


def wait_for_an_order(orders: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Returns in each child, with its order and its descriptors; never in the parent."""
    waiting: dict[int, int] = {}
    ended, wake = os.pipe()
    os.set_blocking(ended, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    orders.send(b"+")
    readable: list[Any] = [orders, ended]
    while True:
        ready, _, _ = select.select(readable, [], [])
        if ended in ready:
            os.read(ended, 4096)
        while waiting:
            child, status = os.waitpid(-1, os.WNOHANG)
            if not child:
                break
            with os.fdopen(waiting.pop(child), "w") as told:
                _tell(told, str(status))
        if orders not in ready:
            continue
        order, descriptors, _, _ = socket.recv_fds(orders, 1 << 20, 4)
        if not order:  # whoever gave the orders has ended, perhaps killed, and what is left would run for ever
            for child in waiting:
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            os._exit(0)
        child = os.fork()
        if not child:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return json.loads(order), descriptors
        for descriptor in descriptors[:3]:
            os.close(descriptor)
        waiting[child] = descriptors[3]
        os.write(descriptors[3], f"{child}\n".encode())


def _tell(told: io.TextIOWrapper, text: str) -> None:
    try:
        told.write(text)
        told.flush()
    except BrokenPipeError:  # nobody wants to know
        told.detach()


def become(order: dict[str, Any], descriptors: list[int]) -> None:
    """Be the process that a shell would have started."""
    if order["new_session"]:
        os.setsid()
    streams = [os.dup(one) for one in descriptors[:3]]
    for number, one in enumerate(streams):
        os.dup2(one, number)
    os.closerange(3, 1024)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["environ"])
    sys.argv = ["gateway", *order["arguments"]]
    sys.path[:] = [*filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)), *sys.path[1:]]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    random.seed()
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        opened = io.TextIOWrapper(
            open(number, "rb" if number == 0 else "wb", closefd=False),  # noqa: SIM115
            encoding="utf-8",
            errors="backslashreplace" if number == 2 else "strict",
            line_buffering=number == 2 or os.isatty(number),
        )
        setattr(sys, name, opened)
        setattr(sys, f"__{name}__", opened)


def is_over() -> bool:
    """Do what Python does where a program ends, but for taking apart the modules, which are the parent's too: that would be
    40 ms of work, for most commands more than all else. Not where what was written could not be: then Python says so itself."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except (AttributeError, OSError, ValueError):  # there is none, or nobody reads it, or it was closed
        return False
    return True


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: it ends with whoever gives the orders
    for name in IMPORTED:
        importlib.import_module(name)
    know_what_is_the_same_each_time()
    if "PYTEST_ENCRYPTED" in os.environ:
        sys.path.insert(0, os.getcwd())
        importlib.import_module("tests.encrypted_stores").encrypt_every_store()
        sys.path.pop(0)
    gc.collect()
    gc.freeze()
    become(*wait_for_an_order(socket.socket(fileno=int(sys.argv[1]))))
    from gateway.cli import main as command

    code: object = 0
    try:
        command()
    except SystemExit as leaving:
        code = leaving.code or 0
    if isinstance(code, int) and is_over():
        os._exit(code & 0xFF)
    sys.exit(code)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
