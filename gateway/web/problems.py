"""Refusals as application/problem+json (RFC 9457): built from constants and our own texts, never from a request's bytes in a header."""

from __future__ import annotations

import http
import json
from collections.abc import Sequence
from typing import Final

from gateway.errors import Problem

RawHeaders = list[tuple[bytes, bytes]]

MEDIA_TYPE: Final = b"application/problem+json"
CLOSE: Final = (b"connection", b"close")


def body(problem: Problem) -> bytes:
    """The JSON of a problem; `code` is the stable part, `detail` is for people."""
    members: dict[str, object] = {
        "type": "about:blank",  # RFC 9457: the title is the status and nothing more
        "title": _title(problem.status),
        "status": problem.status,
        "detail": problem.detail if problem.answer is None else problem.answer,
        "code": problem.code,
    }
    return json.dumps(members).encode()  # ASCII, so that no text of any kind can be cut or doubled on its way


def headers(problem: Problem, content: bytes, extra: Sequence[tuple[bytes, bytes]] = ()) -> RawHeaders:
    """The response headers that go with `content`, which is `body(problem)`."""
    found = [(b"content-type", MEDIA_TYPE), (b"content-length", str(len(content)).encode()), *extra]
    if problem.retry_after is not None:
        found.append((b"retry-after", str(max(problem.retry_after, 0)).encode()))
    return found


def wire(problem: Problem, default_headers: Sequence[tuple[bytes, bytes]] = ()) -> bytes:
    """A whole HTTP/1.1 response that closes the connection, for what is refused before there is a request."""
    content = body(problem)
    lines = [f"HTTP/1.1 {problem.status} {_title(problem.status)}".encode()]
    lines += [name + b": " + value for name, value in (*default_headers, *headers(problem, content, (CLOSE,)))]
    return b"\r\n".join([*lines, b"", content])


def _title(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Error"
