"""What a failed request means, in words that hold nothing secret: class, host, port and errno, never an exception's text."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from typing import Final

import aiohttp
import httpx
from aiohttp.client_exceptions import UnixClientConnectorError

from gateway.egress.answer_reader import NOT_HTTP, BadAnswer
from gateway.egress.guard import Forbidden
from gateway.errors import DeliveryFailed, Refused, Retry, Unavailable
from gateway.text.regular_file import NotRegular

# What a request may raise by itself (each was seen), whatever transport somebody put in the place of ours.
EXPECTED: Final = (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError, ValueError, EOFError)

_UNSENDABLE: Final = (
    httpx.InvalidURL,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
    UnicodeError,
)
_PROXY_LOGIN: Final = 407


def network_failure(error: BaseException, origin: str, *, resent: bool = False) -> DeliveryFailed:
    """The outcome of an exception: Refused for what can never be sent, Retry for what the network did, Unavailable where a proxy
    does not know us.

    `resent`: a kept connection had been closed, and this is of the fresh one after it.
    """
    before = "closed a kept connection, and on a fresh one: " if resent else ""
    chain = tuple(_chain(error))
    for link in chain:
        if isinstance(link, Forbidden):
            return Refused(f"{origin} may not be called: {link.args[0]}")
        if isinstance(link, aiohttp.ClientHttpProxyError) and link.status == _PROXY_LOGIN:
            # as where a proxy reads the request itself, and its answer is judged by its status
            return Unavailable(f"{origin}: the proxy wants another user or password (407)")
    for link in chain:
        text = _network(link)
        if text:
            socket_file = next((one.path for one in chain if isinstance(one, UnixClientConnectorError)), "")
            where = f"the unix socket {socket_file}: " if socket_file else ""  # the host of its URL is nowhere
            return Retry(f"{origin}: {before}{where}{text}", service=True)
    if isinstance(error, _UNSENDABLE) or (isinstance(error, ValueError) and not isinstance(error, httpx.HTTPError)):
        return Refused(f"the request to {origin} cannot be sent: its URL or a header is not valid HTTP")
    return Retry(f"{origin}: {before}{type(error).__name__}", service=True)


def _network(error: BaseException) -> str | None:
    """What the network did, if this exception says so."""
    match error:
        case ssl.SSLCertVerificationError():
            why = getattr(error, "verify_message", None) or _reason(error)
            return f"its TLS certificate is not accepted: {why}"
        case ssl.SSLError():
            return f"TLS failed: {_reason(error)}"
        case socket.gaierror():
            return f"the name cannot be resolved ({_gai_name(error.errno)})"
        case aiohttp.ServerDisconnectedError():
            return "closed the connection without an answer"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy answered {error.status}"
        case aiohttp.ClientResponseError():
            return NOT_HTTP
        case BadAnswer():
            return error.reason
        case aiohttp.ClientPayloadError():
            return "its answer ended too early"
        case aiohttp.ClientError():
            return None  # its cause says more
        case NotRegular():
            return error.strerror
        case OSError() if error.errno is not None and error.errno > 0:
            return f"{os.strerror(error.errno).lower()} ({type(error).__name__})"
        case ConnectionError():  # while TLS is agreed it says no more
            return "closed the connection before it could be used"
    return None


def _reason(error: ssl.SSLError) -> str:
    """OpenSSL's own name of what went wrong; an error that Python made has none."""
    return getattr(error, "reason", None) or type(error).__name__


def _gai_name(number: int | None) -> str:
    names = {getattr(socket, name): name for name in dir(socket) if name.startswith("EAI_")}
    return names.get(number, "unknown error")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and its causes, the innermost first, because that one knows what happened."""
    links: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in links:
        links.append(link)
        link = link.__cause__ or (link.__context__ if not link.__suppress_context__ else None)
    return reversed(links)
