"""No input, however odd, makes the ingress answer 5xx, hang, or stop serving the next caller."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st

from tests.examples import examples
from tests.web.doors import SHORT, Behind, Served, post

MANY = examples(150, HealthCheck.function_scoped_fixture)
TOKEN = st.text("!#$%&'*+-.^_`|~abcXYZ019", min_size=1, max_size=20)
BYTES = st.binary(max_size=60).map(lambda value: re.sub(rb"[\r\n\0]", b"?", value))
KNOWN = st.sampled_from(
    [
        b"Content-Type",
        b"Content-Encoding",
        b"Content-Length",
        b"Transfer-Encoding",
        b"Host",
        b"Expect",
        b"Connection",
        b"Upgrade",
    ]
)
VALUES = st.sampled_from(
    [
        b"",
        b"application/json; charset=\xff",
        b"gzip",
        b"identity",
        b"chunked",
        b"0",
        b"5",
        b"-1",
        b"9" * 30,
        b"close",
        b"100-continue",
        b"keep-alive, upgrade",
        b"\x80\xff",
        b"a;b=c;charset",
        b"utf-8;;;",
    ]
)
FIELDS = st.lists(st.tuples(KNOWN | TOKEN.map(str.encode), VALUES | BYTES), max_size=8)
TARGETS = st.sampled_from([b"/hooks/live", b"/hooks/typed", b"/hooks/no"]) | BYTES.map(
    lambda value: b"/hooks/" + re.sub(rb"\s", b"_", value)
)


@pytest.fixture(scope="module")
def shared() -> Iterator[Served]:
    with Served(Behind(), limits=SHORT) as served:
        yield served


def no_server_error(served: Served, data: bytes) -> None:
    with served.public() as client:
        answer = client.send(data).end().rest()
    assert not re.search(rb"HTTP/1\.1 5\d\d", answer), answer
    for head in re.findall(rb"HTTP/1\.1 \d{3} [^\r]*\r\n((?:[^\r\n]+\r\n)*)\r\n", answer):
        names = {line.split(b":")[0] for line in head.splitlines()}
        assert names <= {b"date", b"content-type", b"content-length", b"connection", b"allow", b"retry-after"}


@MANY
@given(st.binary(max_size=2000))
@example(b"\r\n\r\n\r\n")
@example(b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n\x00")
def test_bytes_of_any_kind(served: Served, data: bytes) -> None:
    no_server_error(served, data)


@MANY
@given(TARGETS, FIELDS, st.binary(max_size=300))
@example(b"/hooks/live", [(b"Expect", b"100-continue")], b"")  # answered by two heads, the first without fields
def test_requests_of_any_kind(served: Served, target: bytes, fields: list[tuple[bytes, bytes]], body: bytes) -> None:
    head = b"POST " + target + b" HTTP/1.1\r\nHost: x\r\n"
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in fields)
    no_server_error(served, head + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body)


@MANY
@given(st.lists(st.binary(min_size=1, max_size=50), max_size=5), FIELDS, st.binary(max_size=20))
def test_chunks_of_any_kind(
    served: Served, chunks: list[bytes], trailers: list[tuple[bytes, bytes]], junk: bytes
) -> None:
    data = b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    data += b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n"
    data += b"".join(name + b": " + value + b"\r\n" for name, value in trailers) + b"\r\n" + junk
    no_server_error(served, data)


def test_the_listener_still_serves(served: Served) -> None:
    with served.public() as client:
        assert client.send(post()).reply().status == 200
