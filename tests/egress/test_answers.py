"""The status table and Retry-After: what an answer means is decided in one place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.egress.answers import Answer, failure_of, judge, parse_retry_after
from gateway.errors import Refused, Retry, Unavailable
from gateway.text.redaction import learn_secret

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status=status, headers=httpx.Headers(named), body=body, origin="app:9000", now=NOW)


@pytest.mark.parametrize("status", range(200, 300))
def test_every_2xx_is_delivered(status: int) -> None:
    judge(answer(status))


TABLE: list[tuple[type[Exception], set[int], bool]] = [
    (Retry, {408, 429, 500, 502, 503, 504, 506, 507, 508, 510, 520, 521, 522, 523, 524, 529, 599}, True),
    (Retry, {404, 421, 425}, False),
    (Unavailable, {300, 301, 302, 303, 304, 307, 308, 401, 402, 403, 407, 410, 511}, False),
    (
        Refused,
        {400, 405, 406, 409, 411, 412, 413, 414, 415, 416, 417, 418, 422, 423, 424, 426, 428, 431, 451, 501, 505},
        False,
    ),
]


@pytest.mark.parametrize(
    ("outcome", "status", "service"),
    [(kind, status, service) for kind, statuses, service in TABLE for status in sorted(statuses)],
)
def test_each_status_means_what_the_table_says(outcome: type[Exception], status: int, service: bool) -> None:
    failure = failure_of(answer(status, b"the reason"))
    assert type(failure) is outcome
    assert failure.status == status
    assert "app:9000" in failure.detail
    assert "the reason" in failure.detail
    if isinstance(failure, Retry):
        assert failure.service is service
    with pytest.raises(outcome):
        judge(answer(status))


@given(st.integers(100, 999).filter(lambda status: not 200 <= status < 300))
def test_no_status_outside_2xx_is_taken_for_a_success(status: int) -> None:
    with pytest.raises((Retry, Refused, Unavailable)):
        judge(answer(status))


@given(st.sets(st.integers(300, 599)), st.sets(st.integers(300, 599)), st.integers(300, 599))
def test_configured_statuses_override_the_table(retry: set[int], permanent: set[int], status: int) -> None:
    failure = failure_of(answer(status), retry=retry, permanent=permanent)
    if status in permanent:
        assert isinstance(failure, Refused)
    elif status in retry:
        assert isinstance(failure, Retry)


def test_gone_stops_the_target_for_a_day() -> None:
    failure = failure_of(answer(410))
    assert isinstance(failure, Unavailable)
    assert failure.after == DAY


@pytest.mark.parametrize("status", [429, 503, 500, 404, 401])
def test_retry_after_goes_with_the_outcome(status: int) -> None:
    failure: Any = failure_of(answer(status, retry_after="120"))
    assert failure.after == timedelta(seconds=120)


def test_a_redirect_shows_where_it_points_without_its_secrets() -> None:
    failure = failure_of(answer(301, location="https://u:pw@new.example/hook?token=S3CRET"))
    assert "https://********@new.example/hook" in failure.detail
    assert "S3CRET" not in failure.detail
    assert "pw" not in failure.detail


@pytest.mark.parametrize("location", ["?t=S3CRET", "\x1b[2J/x", ""])
def test_a_strange_redirect_still_makes_a_clean_text(location: str) -> None:
    detail = failure_of(answer(302, location=location)).detail
    assert detail.isprintable()
    assert "S3CRET" not in detail


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        ("1.5", 1.5),
        ("1.", 1),
        ("0", 1),
        ("0.01", 1),
        (" 7 ", 7),
        ("99999999999", 86400),
        ("9" * 30, 86400),
        ("Tue, 24 Nov 2026 03:02:00 GMT", 120),
        ("Tue, 24 Nov 2026 11:02:00 +0800", 120),
        ("Tue, 24 Nov 2026 03:02:00", 120),  # no zone: UTC
        ("Tuesday, 24-Nov-26 03:02:00 GMT", 120),
        ("Tue, 24 Nov 2026 02:00:00 GMT", 1),  # passed already
        ("Tue, 24 Nov 2036 02:00:00 GMT", 86400),
    ],
)
def test_retry_after_is_read_and_kept_between_a_second_and_a_day(value: str, seconds: float) -> None:
    assert parse_retry_after(value, NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "soon",
        "-5",
        "+5",
        "1e3",
        "nan",
        "inf",
        "1_0",
        "0x10",
        "\u0661\u0662",
        "120, 120",
        "Tue, 99 Foo 2026",
        "9" * 31,
        "1.5.5",
        "Tue, 24 Nov 99999 03:02:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 -1200",
    ],
)
def test_a_junk_retry_after_says_nothing(value: str) -> None:
    assert parse_retry_after(value, NOW) is None


def test_a_date_is_measured_by_the_servers_own_clock() -> None:
    server = "Tue, 24 Nov 2026 05:00:00 GMT"  # two hours ahead of us
    assert parse_retry_after("Tue, 24 Nov 2026 05:01:00 GMT", NOW, server) == timedelta(seconds=60)
    assert parse_retry_after("Tue, 24 Nov 2026 03:01:00 GMT", NOW, "junk") == timedelta(seconds=60)
    got = answer(503, retry_after="Tue, 24 Nov 2026 05:01:00 GMT", date=server).retry_after
    assert got == timedelta(seconds=60)


@given(st.text(max_size=60), st.none() | st.text(max_size=60))
def test_no_header_whatever_breaks_or_escapes_the_bounds(value: str, date: str | None) -> None:
    wait = parse_retry_after(value, NOW, date)
    assert wait is None or SECOND <= wait <= DAY


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_every_http_date_gives_a_bounded_wait(until: datetime, now: datetime) -> None:
    wait = parse_retry_after(format_datetime(until), now)
    assert wait is None or SECOND <= wait <= DAY


def test_the_first_of_several_retry_after_headers_counts() -> None:
    headers = httpx.Headers([("Retry-After", "5"), ("Retry-After", "500")])
    assert Answer(status=429, headers=headers, body=b"", origin="x", now=NOW).retry_after == timedelta(seconds=5)
    assert answer(429).retry_after is None


def test_an_excerpt_is_short_and_knows_no_secret_even_at_its_cut() -> None:
    learn_secret("excerpt-canary-secret")
    body = b"x" * 4090 + b"excerpt-canary-secret"
    shown = answer(200, body).excerpt
    assert len(shown) == 4096
    assert "excerpt" not in shown
    assert answer(200, b"\xff\xfe").excerpt == "\ufffd\ufffd"


def test_a_body_without_json_is_a_retry_that_quotes_it() -> None:
    assert answer(200, b'{"a": [1]}').json() == {"a": [1]}
    for body in (b"<html>log in first</html>", b"", b"[" * 100_000):
        with pytest.raises(Retry, match="not JSON"):
            answer(200, body, content_type="text/html").json()
    with pytest.raises(Retry, match="log in first"):
        answer(200, b"<html>log in first</html>").json()
