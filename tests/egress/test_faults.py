"""Every exception a request may raise becomes an outcome, in words that hold nothing secret."""

from __future__ import annotations

import errno
import socket
import ssl
from unittest.mock import Mock

import aiohttp
import httpx
import pytest

from gateway.egress.faults import EXPECTED, network_failure
from gateway.egress.guard import Forbidden
from gateway.errors import Refused, Retry, Unavailable

INFO = Mock(real_url="http://x/S3CRET", url="http://x/S3CRET", headers={"authorization": "S3CRET"})
KEY = Mock(host="x", port=1, is_ssl=False, ssl=True)


def caused(outer: BaseException, cause: BaseException) -> BaseException:
    outer.__cause__ = cause
    return outer


@pytest.mark.parametrize(
    ("error", "outcome", "words"),
    [
        (httpx.UnsupportedProtocol("http://x:99999/S3CRET"), Refused, "cannot be sent"),
        (httpx.InvalidURL("S3CRET"), Refused, "cannot be sent"),
        (aiohttp.InvalidURL("http://[x/S3CRET"), Refused, "cannot be sent"),
        (UnicodeEncodeError("ascii", "S3CRET", 0, 1, "S3CRET"), Refused, "cannot be sent"),
        (ValueError("Newline in header S3CRET"), Refused, "cannot be sent"),
        (aiohttp.ClientResponseError(INFO, (), message="S3CRET"), Retry, "not HTTP"),
        (aiohttp.ClientHttpProxyError(INFO, (), status=502, message="S3CRET"), Retry, "the proxy answered 502"),
        (
            aiohttp.ClientHttpProxyError(INFO, (), status=407, message="S3CRET"),
            Unavailable,
            "the proxy wants another user",
        ),
        (aiohttp.ServerDisconnectedError("S3CRET"), Retry, "without an answer"),
        (caused(httpx.ReadError("S3CRET"), aiohttp.ClientPayloadError("S3CRET")), Retry, "too early"),
        (httpx.ConnectTimeout("S3CRET"), Retry, "ConnectTimeout"),
        (httpx.TooManyRedirects("S3CRET"), Retry, "TooManyRedirects"),
        (aiohttp.ClientError("S3CRET"), Retry, "ClientError"),
        (OSError("S3CRET"), Retry, "OSError"),
        (OSError(errno.ENETUNREACH, "S3CRET"), Retry, "network is unreachable"),
        (ConnectionResetError(errno.ECONNRESET, "S3CRET"), Retry, "connection reset by peer"),
        (socket.gaierror(socket.EAI_AGAIN, "S3CRET"), Retry, "EAI_AGAIN"),
        (socket.gaierror(12345, "S3CRET"), Retry, "unknown error"),
        (ssl.SSLError("S3CRET"), Retry, "TLS failed"),
        (EOFError("S3CRET"), Retry, "EOFError"),
        (
            caused(
                httpx.ConnectTimeout("S3CRET"),
                caused(aiohttp.ClientConnectorDNSError(KEY, OSError()), Forbidden("10.0.0.1 no")),
            ),
            Refused,
            "may not be called: 10.0.0.1 no",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_each_exception_is_an_outcome_that_names_the_place_and_no_secret(
    error: BaseException, outcome: type[Exception], words: str
) -> None:
    assert isinstance(error, EXPECTED)
    failure = network_failure(error, "x:1")
    assert type(failure) is outcome
    assert words in failure.detail
    assert "x:1" in failure.detail
    assert "S3CRET" not in failure.detail
    if isinstance(failure, Retry):
        assert failure.service


def test_an_exception_that_caused_itself_does_not_loop() -> None:
    error = OSError("x")
    error.__context__ = caused(ValueError("y"), error)
    assert isinstance(network_failure(error, "x:1"), Retry)
