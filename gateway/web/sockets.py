"""The listening sockets: bound before anything else happens, so that a taken port is known at once."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.config.grammar.listeners import listener_url
from gateway.errors import GatewayError


class CannotListen(GatewayError):
    """An address or a socket file cannot be listened on; the text says which, why and what to do."""


@dataclass(slots=True)
class Bound:
    """Sockets that are bound, and what they are called. `close` may be called twice."""

    sockets: Sequence[socket.socket]
    uds: Path | None = None
    _file: tuple[int, int] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """`http://127.0.0.1:8080`, or `unix:/run/gateway/ingress.sock`."""
        host, port = ("", 0) if self.uds is not None else self.sockets[0].getsockname()[:2]
        return listener_url(host, port, self.uds)

    @property
    def port(self) -> int | None:
        """The TCP port, also where port 0 was asked for; None for a unix socket."""
        return None if self.uds is not None else int(self.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Close them, and take away the socket file if it is still ours."""
        for one in self.sockets:
            one.close()
        if self.uds is not None:
            with contextlib.suppress(OSError):
                found = os.lstat(self.uds)
                if (found.st_dev, found.st_ino) == self._file:
                    os.unlink(self.uds)
            self._file = None


def bind(section: str, host: str, port: int, uds: Path | None = None, uds_mode: int = 0o660) -> Bound:
    """Bind what `section` of the configuration (server or admin) asks for. Raises CannotListen."""
    return _bind_tcp(section, host, port) if uds is None else _bind_uds(section, uds, uds_mode)


def _bind_tcp(section: str, host: str, port: int) -> Bound:
    # bytes where that is the same, because Python would load tables of every letter to write an ASCII name in ASCII
    name = host.encode() if host.isascii() else host
    try:
        resolved = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise CannotListen(f"{section}.host: {host!r} is not an address of this machine ({error.strerror})") from None
    bound: list[socket.socket] = []
    try:
        # localhost has two addresses, and a caller may try either first
        for family, address in dict.fromkeys((entry[0], entry[4]) for entry in resolved):
            place = (address[0], bound[0].getsockname()[1], *address[2:]) if bound else address
            listening = socket.socket(family, socket.SOCK_STREAM)
            bound.append(listening)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.setblocking(False)
            listening.bind(place)
    except OSError as error:
        for listening in bound:
            listening.close()
        raise CannotListen(cannot(section, f"{host}:{port}", error)) from None
    return Bound(bound)


def _bind_uds(section: str, path: Path, mode: int) -> Bound:
    _clear_stale(section, path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.setblocking(False)
        with _umask(0o777 & ~mode):  # never open wider than asked for, not even for a moment
            listening.bind(str(path))
        os.chmod(path, mode)
        status = os.lstat(path)
    except OSError as error:
        listening.close()
        raise CannotListen(cannot(section, str(path), error)) from None
    return Bound([listening], path, (status.st_dev, status.st_ino))


def _clear_stale(section: str, path: Path) -> None:
    """Remove the socket file of a gateway that is gone; never one that answers, and never another kind of file."""
    try:
        found = os.lstat(path)
    except OSError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise CannotListen(f"{section}.uds: {path} is there and is not a socket; remove it or name another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            return
        except OSError as error:
            raise CannotListen(cannot(section, str(path), error)) from None
    raise CannotListen(f"{section}.uds: another program answers on {path}; stop it or name another path")


def cannot(section: str, where: str, error: OSError) -> str:
    """The text of a socket that could not be had."""
    reason = error.strerror or type(error).__name__
    advice = {
        errno.EADDRINUSE: f"stop the program that listens there, or change {section}.port",
        errno.EACCES: "a port below 1024 and a protected folder need rights that this user does not have",
        errno.EADDRNOTAVAIL: f"this machine has no such address; change {section}.host",
        errno.ENOENT: "make the folder first",
    }.get(error.errno or 0)
    return f"{section}: cannot listen on {where}: {reason}" + (f"; {advice}" if advice else "")


@contextlib.contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)
