"""Ports that nobody else draws: for whoever is to listen there later, or again after a kill."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import socket
import sys
from collections import deque
from pathlib import Path

PORT_MIN = 15_000
HELD_MAX = 100  # ports of a process; whoever asked for an older one has listened there long since

_held: deque[int] = deque()  # descriptors of bound sockets


def free_port() -> int:
    """One that the system gives to no connection by itself, so that who is killed finds it free when it starts again; and that
    nobody draws twice, in whatever process: a bound socket holds it, beside which a server may listen (SO_REUSEADDR)."""
    while True:
        port = random.SystemRandom().randrange(PORT_MIN, _first_given())
        with socket.socket() as held, contextlib.suppress(OSError):
            held.bind(("127.0.0.1", port))
            if sys.platform == "linux":  # elsewhere nobody could listen beside it
                held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # not before: else two could draw it
                _held.append(held.detach())
            if len(_held) > HELD_MAX:
                os.close(_held.popleft())
            return port


@functools.cache
def _first_given() -> int:
    with contextlib.suppress(OSError, ValueError):
        return max(int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]), PORT_MIN + 5000)
    return 32768
