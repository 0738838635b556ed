"""What is answered where a request could not be read: who sent it is told that it is wrong only if it is."""

from __future__ import annotations

import httptools
import pytest

from gateway.web.heads import Refusing, head_too_large, refusal_of

REQUEST = b"POST /hooks/live HTTP/1.1\r\nHost: a\r\n\r\n"
CASES: dict[str, tuple[bytes, BaseException | None, tuple[int, str]]] = {
    "no HTTP": (b"hello there\r\n\r\n", None, (400, "malformed_request")),
    "refused by us": (REQUEST, Refusing(head_too_large("much")), (431, "head_too_large")),
    "its value cannot be read": (REQUEST, ValueError("no number"), (400, "malformed_request")),
    "its target cannot be read": (
        REQUEST,
        httptools.HttpParserInvalidURLError("no target"),
        (400, "malformed_request"),
    ),
    "no memory is left": (REQUEST, MemoryError(), (500, "internal_error")),
    "a bug of ours": (REQUEST, AttributeError("no such thing"), (500, "internal_error")),
}


class Reader:
    """Fails at the first header."""

    def __init__(self, error: BaseException | None) -> None:
        self._error = error

    def on_header(self, _name: bytes, _value: bytes) -> None:
        if self._error is not None:
            raise self._error


@pytest.mark.parametrize("case", CASES)
def test_a_request_that_is_not_read_is_called_wrong_only_where_it_is(case: str) -> None:
    request, error, expected = CASES[case]
    with pytest.raises(httptools.HttpParserError) as raised:
        httptools.HttpRequestParser(Reader(error)).feed_data(request)
    problem = refusal_of(raised.value)
    assert (problem.status, problem.code) == expected
    assert (problem.retry_after is not None) == (problem.status == 500)
