"""What a request head must have before anything is believed of it, beyond what the parser refuses by itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import httptools

from gateway.errors import Problem


class Refusing(Exception):
    """Leaves a parser callback with the answer."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


def check_head(
    version: str, target: bytes, headers: Sequence[tuple[bytes, bytes]], most: int, *, hostless: bool = False
) -> Problem | None:
    """The reason to refuse this head, or None. Names are in lower case; `most` bounds target and fields in bytes.

    `hostless`: HTTP/1.0 without Host is served, as load balancers probe. A browser always sends one.
    """
    if version not in ("1.1", "1.0"):
        return _malformed("only HTTP/1.1 and HTTP/1.0 are spoken here")
    hosts = 0
    size = len(target)
    encodings = []
    for name, value in headers:
        size += len(name) + len(value) + 4
        if name == b"host":
            hosts += 1
        elif name == b"transfer-encoding":
            encodings.append(value)
    if size > most:
        return head_too_large(f"more than {most} bytes")
    if hosts != 1 and not (hostless and version == "1.0" and not hosts):
        return _malformed(f"{hosts or 'no'} Host fields where there must be one")
    if encodings:
        if version == "1.0":
            return _malformed("Transfer-Encoding in an HTTP/1.0 request")
        if len(encodings) > 1 or encodings[0].strip().lower() != b"chunked":
            return _malformed("a Transfer-Encoding other than chunked")
    return None


def without_offer(target: bytes, method: bytes, version: str, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The head of a request that offered another protocol, without the offer (RFC 9110, 7.8: it may be ignored)."""
    lines = [b"%b %b HTTP/%b" % (method, target, version.encode())]
    for name, value in headers:
        if name in (b"upgrade", b"http2-settings"):
            continue
        if name == b"connection":
            options = [one for one in value.split(b",") if one.strip().lower() not in (b"upgrade", b"http2-settings")]
            if not options:
                continue
            value = b",".join(options)  # noqa: PLW2901
        lines.append(name + b": " + value)
    return b"\r\n".join((*lines, b"", b""))


def hides_structure(raw_path: bytes) -> bool:
    """Whether a path has an escape in it that is more than another spelling of a letter, digit, `-`, `_` or `~`.

    An encoded slash, dot, backslash or NUL names no path of ours: whoever sends it means a part of a name by it, or
    hopes that somebody before us read it in another way.
    """
    return b"%" in raw_path and _ANY_ESCAPE.sub(b"", raw_path).find(b"%") >= 0


_ANY_ESCAPE: Final = re.compile(rb"%(?:2[dD]|3[0-9]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aAeE])")


def _malformed(detail: str) -> Problem:
    return Problem(400, "malformed_request", detail)


def head_too_large(found: str) -> Problem:
    """The refusal of a head that has `found`."""
    return Problem(431, "head_too_large", f"the request head has {found}")


def refusal_of(error: httptools.HttpParserError) -> Problem:
    """What to answer when the parser gave up: the reason a callback of ours left it with, else that it is no HTTP.

    One that failed by itself (no memory is left) says nothing about the request: whoever sent it should send it again.
    """
    reason = error.__context__
    if isinstance(reason, Refusing):
        return reason.problem
    if reason is not None and not isinstance(reason, httptools.HttpParserError | ValueError):
        return Problem(500, "internal_error", "the gateway failed; the request was not read", retry_after=60)
    return _malformed("this is not an HTTP/1.1 request")
