"""A plain HTTP client for `gateway send`: it stands outside the gateway, as a vendor does."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from gateway.cli.health import REACHED_AT, UnixConnection
from gateway.config.grammar.listeners import callback_url, listener_url
from gateway.egress.tls import client_context

if TYPE_CHECKING:
    from gateway.config.grammar.settings import ServerSettings

POST_TIMEOUT_SECONDS = 30.0  # seconds


@dataclass(frozen=True, slots=True)
class PostAnswer:
    """What came back: the HTTP status, and the words of its body: `accepted`, `duplicate`, a problem's code."""

    status: int
    word: str
    detail: str
    events: tuple[str, ...]


def listener(server: ServerSettings, path: str) -> str:
    """The address of a source on this machine's own public listener."""
    return callback_url(listener_url(REACHED_AT.get(server.host, server.host), server.port, server.uds), path)


def complete(url: str, path: str) -> str:
    """A URL that a person gave: one without a path gets the source's."""
    if url.startswith("unix:"):
        return url if url.count(":") > 1 else callback_url(url, path)
    parts = urlsplit(url)
    try:
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise click.UsageError(f"--url {url}: expected http://host:port, https://host or unix:/path/of.sock")
    return url if parts.path not in ("", "/") else callback_url(f"{parts.scheme}://{parts.netloc}", path)


class Poster:
    """One connection to one URL, kept between callbacks."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: http.client.HTTPConnection
        if url.startswith("unix:"):
            socket_path, _, self._path = url.removeprefix("unix:").partition(":")
            self._connection = UnixConnection(socket_path, POST_TIMEOUT_SECONDS)
            return
        parts = urlsplit(url)
        self._path = parts.path + (f"?{parts.query}" if parts.query else "")
        host = parts.hostname or ""
        if parts.scheme == "https":
            context = client_context()
            self._connection = http.client.HTTPSConnection(
                host, parts.port, timeout=POST_TIMEOUT_SECONDS, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(host, parts.port, timeout=POST_TIMEOUT_SECONDS)

    def __enter__(self) -> Poster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def post(self, body: bytes, headers: Mapping[str, str]) -> PostAnswer:
        """POST and read the answer. Raises ClickException where nothing answers."""
        try:
            try:
                response = self._send(body, headers)
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                # because a server may close a kept connection at any time; the same callback twice is a duplicate
                self._connection.close()
                response = self._send(body, headers)
            content = response.read(64 * 1024)
        except ConnectionRefusedError:
            raise click.ClickException(
                f"nothing listens at {self._url}: is `gateway serve` running with this configuration?"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise click.ClickException(f"no answer from {self._url}: {reason}") from None
        if response.will_close:
            self._connection.close()
        return _answer_of(response.status, content)

    def _send(self, body: bytes, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        sent = dict(headers)
        if "content-type" not in {name.lower() for name in sent}:
            sent["Content-Type"] = "application/json"
        self._connection.request("POST", self._path, body=body, headers=sent)
        return self._connection.getresponse()


def _answer_of(status: int, content: bytes) -> PostAnswer:
    try:
        answer = json.loads(content)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        return PostAnswer(status, "", content[:200].decode("utf-8", "replace"), ())
    events = answer.get("events")
    return PostAnswer(
        status,
        str(answer.get("code") or answer.get("status") or ""),
        str(answer.get("detail") or ""),
        tuple(str(one) for one in events) if isinstance(events, list) else (),
    )
