"""Asks a gateway's admin API: where it is, with which token, and what its refusals mean on a command line."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import click

from gateway.cli.health import UnixConnection
from gateway.egress.tls import client_context
from gateway.errors import Ambiguous, GatewayError, NotFound
from gateway.fields.hosts import is_loopback
from gateway.text.escaping import visible

REMOTE_TIMEOUT_SECONDS: Final = 90.0  # seconds: a reload opens sinks before it answers
PREFIX: Final = "/api/v1"


class RefusedElsewhere(GatewayError):
    """The gateway elsewhere answered that it does not do this."""

    def __init__(self, detail: str, status: int) -> None:
        super().__init__(detail)
        self.status = status


@dataclass(frozen=True, slots=True)
class Remote:
    """One gateway's private listener, and a token of it. `chosen`: it was named for this very command."""

    url: str
    token: str
    chosen: bool = True

    def get(self, path: str, **query: Any) -> Any:
        """Read something. Raises GatewayError."""
        pairs = [(name, value) for name, value in query.items() if value is not None]
        return self._ask("GET", path + (f"?{urlencode(pairs, doseq=True)}" if pairs else ""), None)

    def post(self, path: str, body: Mapping[str, object] | None = None) -> Any:
        """Change something. Raises GatewayError."""
        return self._ask("POST", path, body)

    def open_stream(
        self, path: str, query: Mapping[str, str], headers: Mapping[str, str], silent: float
    ) -> tuple[socket.socket, http.client.HTTPResponse]:
        """Begin to read something without an end; in `silent` seconds something must come. The socket is what to shut down
        to end it. Raises GatewayError."""
        connection = self._connection(silent)
        target = PREFIX + path + (f"?{urlencode(query)}" if query else "")
        try:
            connection.request("GET", target, headers={**headers, "Authorization": f"Bearer {self.token}"})
            opened = connection.sock
            response = connection.getresponse()
            answer = json.loads(response.read()) if response.status >= 400 else None
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            raise self._no_answer(error) from None
        if answer is not None:
            connection.close()
            raise error_of_refusal(answer, response.status, self.url)
        assert isinstance(opened, socket.socket)
        return opened, response

    def _no_answer(self, error: Exception) -> GatewayError:
        return GatewayError(
            f"no answer from {self.url} ({type(error).__name__}): does the gateway run, and is this its private listener?"
        )

    def _ask(self, method: str, path: str, body: Mapping[str, object] | None) -> object:
        content = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}"} | ({"Content-Type": "application/json"} if content else {})
        connection = self._connection()
        try:
            connection.request(method, PREFIX + path, content, headers)
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._no_answer(error) from None
        finally:
            connection.close()
        if response.status >= 400:
            raise error_of_refusal(answer, response.status, self.url)
        return answer

    def _connection(self, timeout: float = REMOTE_TIMEOUT_SECONDS) -> http.client.HTTPConnection:
        url = urlsplit(self.url)
        if url.scheme == "unix":
            return UnixConnection(url.path, timeout)
        if url.scheme == "https":
            return http.client.HTTPSConnection(url.hostname or "", url.port, timeout=timeout, context=client_context())
        return http.client.HTTPConnection(url.hostname or "", url.port, timeout=timeout)


def checked(url: str, token: str | None, *, chosen: bool) -> Remote:
    """A remote that can be asked. Raises UsageError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https", "unix") or (parts.scheme != "unix" and not parts.hostname):
        raise click.UsageError(f"--url {url}: expected http://host:port, https://host:port or unix:///path")
    if parts.username or parts.password or parts.query:
        raise click.UsageError("--url: no credentials in a URL, they end in logs; use --token-file or GATEWAY_TOKEN")
    if not token:
        raise click.UsageError("a token is needed: --token-file FILE, or GATEWAY_TOKEN")
    if not (
        token.isascii() and token.isprintable()
    ):  # as of a file that holds something else, which no header can carry
        raise click.UsageError(
            "this is no token: a token is one line of ASCII; the token's file should hold it and nothing else"
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        click.echo("note: the token goes over plain HTTP; put TLS or an SSH tunnel between", err=True)
    return Remote(url.rstrip("/"), token, chosen)


def segment(text: object) -> str:
    """A part of a path."""
    return quote(str(text), safe="~:")


def error_of_refusal(answer: object, status: int, url: str) -> GatewayError:
    """What a refusal of the gateway at `url` means here."""
    detail = str(answer.get("detail", f"HTTP {status}")) if isinstance(answer, dict) else f"HTTP {status}"
    code = answer.get("code") if isinstance(answer, dict) else None
    if code == "ambiguous":
        error: GatewayError = Ambiguous.__new__(Ambiguous)
        Exception.__init__(error, detail)
        return error
    if status == 404:
        return (
            NotFound(detail)
            if code == "not_found" and detail != "there is nothing here"
            else RefusedElsewhere(
                f"{url} has no admin API: does it have a token in `admin`, and is it the private listener?",
                status,
            )
        )
    problems = answer.get("problems", []) if isinstance(answer, dict) else []
    lines = [detail, *(problem_line(one) for one in problems)]
    return RefusedElsewhere("\n".join(visible(line) for text in lines for line in text.splitlines()), status)


def problem_line(problem: Mapping[str, object]) -> str:
    """A mistake in a configuration, as `check` says it."""
    shown = {name: str(problem.get(name) or "") for name in ("file", "path", "message", "hint")}
    place = f"{shown['file']}:{problem['line']}:{problem['column']}" if problem.get("line") else shown["file"]
    text = ": ".join(part for part in (place, shown["path"], shown["message"]) if part)
    return text + (f"\n    hint: {shown['hint']}" if shown["hint"] else "")
