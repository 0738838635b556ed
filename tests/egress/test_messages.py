"""Requests and responses of ready parts are what httpx makes of the same."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.egress.messages import ReadyRequest, ReadyResponse, target_of

URLS = ("http://a.example/x?y=%2F", "https://u:p%40@b.example:8443/", "http://[::1]:81/a%20b", "http://a.example")
NAMES = st.from_regex(r"x-[a-z0-9-]{1,8}", fullmatch=True)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
OWN = {"_head", "_headers", "_raw", "_stream", "body", "target", "whole"}  # what only ours have


def usual(url: str, method: str, headers: dict[str, str], content: bytes | None) -> httpx.Request:
    target = target_of(url)
    more = {"authorization": target.credentials} if target.credentials and "authorization" not in headers else {}
    if content is not None or method in ("POST", "PUT", "PATCH"):
        more["content-length"] = str(len(content or b""))
    request = httpx.Request(
        method, url, headers={"host": target.host, **headers, **more}, stream=httpx.ByteStream(content or b"")
    )
    request.read()
    return request


def parts(message: Any) -> dict[str, Any]:
    """All that httpx keeps of it."""
    found = {name: value for name, value in vars(message).items() if name not in OWN and name != "stream"}
    return {**found, "headers": message.headers.raw}


@given(
    st.sampled_from(URLS),
    st.sampled_from(["GET", "post", "PUT", "DELETE"]),
    st.dictionaries(NAMES, VALUES, max_size=4),
    st.none() | st.binary(max_size=20),
)
def test_a_ready_request_is_the_one_that_httpx_makes(
    url: str, method: str, headers: dict[str, str], content: bytes | None
) -> None:
    expected = usual(url, method.upper(), headers, content)
    made = ReadyRequest(method, target_of(url), headers, content)
    head = b"\r\n".join(
        [
            b"%b %b HTTP/1.1" % (expected.method.encode(), expected.url.raw_path),
            *[b"%b: %b" % pair for pair in expected.headers.raw],
            b"",
        ]
    )
    assert made.head == head
    assert parts(made) == parts(expected)
    assert made.head is None, "whoever has had the headers may have changed them"
    made.headers["x-more"] = "1"
    assert made.headers["X-More"] == "1"


def test_a_ready_response_is_the_one_that_httpx_makes() -> None:
    raw, stream = [(b"Content-Type", b"a/b"), (b"X", b"1"), (b"x", b"2")], httpx.ByteStream(b"body")
    made = ReadyResponse(200, raw, stream, {"http_version": b"HTTP/1.1"})
    assert parts(made) == parts(
        httpx.Response(200, headers=raw, stream=stream, extensions={"http_version": b"HTTP/1.1"})
    )
    assert made.headers["content-type"] == "a/b"
    assert made.read() == b"body"
    assert made.reason_phrase == "OK"


@pytest.mark.parametrize("bad", ["a\r\nb: c", "a\nb", "a\rb", "a\0b", "ä"])
def test_what_cannot_stand_in_a_head_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        ReadyRequest("GET", target_of("http://a.example/"), {"x": bad}, None)
    with pytest.raises(ValueError, match="token"):
        ReadyRequest("GE T", target_of("http://a.example/"), {}, None)
