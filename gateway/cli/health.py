"""Asks the private listener whether the gateway lives or is ready. Standard library only: it runs every few seconds."""

from __future__ import annotations

import argparse
import http.client
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from urllib.parse import unquote, urlsplit

HEALTH_TIMEOUT_SECONDS = 3.0  # seconds; Docker's own limit of a health check is 30
DEFAULT_PORT = 9090
REACHED_AT = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  what is listened on, and how to reach it


class UnusableUrl(Exception):
    """The URL cannot be asked."""


def health_main(arguments: Sequence[str]) -> int:
    """The command without click: exit code 0 healthy, 1 not, 2 wrong use."""
    parser = argparse.ArgumentParser(prog="gateway health", add_help=False, allow_abbrev=False)
    parser.add_argument("--url")
    parser.add_argument("--ready", action="store_true")
    parser.add_argument("--timeout", type=float, default=HEALTH_TIMEOUT_SECONDS)
    parser.add_argument("--quiet", "-q", action="store_true")
    given = parser.parse_args(arguments)  # exits 2 by itself
    return report(given.url, ready=given.ready, timeout=given.timeout, quiet=given.quiet)


def report(url: str | None, *, ready: bool, timeout: float, quiet: bool) -> int:
    """Ask, print one line, and return the exit code."""
    try:
        target = address(url, os.environ, ready=ready)
        well, text = ask(target, timeout)
    except UnusableUrl as error:
        print(f"gateway health: {error}", file=sys.stderr)
        return 2
    if not quiet:
        print(text, file=sys.stdout if well else sys.stderr)
    return 0 if well else 1


def address(url: str | None, environ: Mapping[str, str], *, ready: bool) -> str:
    """What to ask: `url`, else GATEWAY_HEALTH_URL, else port 9090 of GATEWAY_ADMIN_HOST, else of 127.0.0.1.

    A URL without a path gets /healthz, or /readyz with `ready`.
    """
    given = url or environ.get("GATEWAY_HEALTH_URL")
    if not given:
        host = environ.get("GATEWAY_ADMIN_HOST") or "127.0.0.1"
        host = REACHED_AT.get(host, host)
        given = f"http://[{host}]:{DEFAULT_PORT}" if ":" in host else f"http://{host}:{DEFAULT_PORT}"
    if given.startswith("unix:"):
        return given + ":" + ("/readyz" if ready else "/healthz") if given.count(":") == 1 else given
    if urlsplit(given).path in ("", "/"):
        given = given.rstrip("/") + ("/readyz" if ready else "/healthz")
    return given


def ask(url: str, timeout: float) -> tuple[bool, str]:
    """GET the URL (http://host:port/path or unix:/path/of.sock:/path): whether it said 2xx, and one line about it."""
    connection, path = _connect(url, timeout)
    try:
        connection.request("GET", path, headers={"Connection": "close", "Accept": "application/json"})
        response = connection.getresponse()
        body = response.read(2048).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return False, f"no answer from {url}: {reason}"
    finally:
        connection.close()
    said = "".join(character if character.isprintable() else " " for character in body).strip()
    return 200 <= response.status < 300, f"{response.status} {said}"


def _connect(url: str, timeout: float) -> tuple[http.client.HTTPConnection, str]:
    if url.startswith("unix:"):
        socket_path, _, path = url.removeprefix("unix:").partition(":")
        return UnixConnection(socket_path, timeout), path or "/healthz"
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as error:
        raise UnusableUrl(f"{url}: {error}") from None
    if parts.scheme != "http" or not parts.hostname:
        raise UnusableUrl(f"{url!r} is not http://host:port/path or unix:/path/of.sock")
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return http.client.HTTPConnection(unquote(parts.hostname), port, timeout=timeout), path


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
