"""What a request head must have before anything is believed of it, beyond what the parser refuses by itself."""

from __future__ import annotations

from collections.abc import Sequence

import httptools

from gateway.errors import Problem


class Refusing(Exception):
    """Leaves a parser callback with the answer."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


def check_head(version: str, target: bytes, headers: Sequence[tuple[bytes, bytes]], most: int) -> Problem | None:
    """The reason to refuse this head, or None. Names are in lower case; `most` bounds target and fields in bytes."""
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
    if hosts != 1:
        return _malformed(f"{hosts or 'no'} Host fields where there must be one")
    if encodings:
        if version == "1.0":
            return _malformed("Transfer-Encoding in an HTTP/1.0 request")
        if len(encodings) > 1 or encodings[0].strip().lower() != b"chunked":
            return _malformed("a Transfer-Encoding other than chunked")
    return None


def _malformed(detail: str) -> Problem:
    return Problem(400, "malformed_request", detail)


def head_too_large(found: str) -> Problem:
    """The refusal of a head that has `found`."""
    return Problem(431, "head_too_large", f"the request head has {found}")


def refusal_of(error: httptools.HttpParserError) -> Problem:
    """What to answer when the parser gave up: the reason a callback of ours left it with, else that it is no HTTP."""
    if isinstance(error.__context__, Refusing):
        return error.__context__.problem
    return _malformed("this is not an HTTP/1.1 request")
