"""The source `hmac`: how a time of sending may be written, and what is none."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from msgspec.structs import replace

from gateway import Malformed, Untrusted
from gateway.testing import NOW, callback
from tests.sources.described import source
from tests.sources.vendors import KEY

AT = int(NOW.timestamp())


@pytest.mark.parametrize("time", [f"{AT}.25", f"{AT}.250000000", format_datetime(NOW, usegmt=True)])
def test_a_time_of_sending_with_a_fraction_and_as_an_http_date(time: str) -> None:
    one = source(signed="{timestamp}.{body}", timestamp_header="Date", tolerance="5m")
    made = hmac.new(KEY.encode(), f"{time}.{{}}".encode(), hashlib.sha256).hexdigest()
    sent = callback(b"{}", headers={"x-signature": made, "date": time})
    assert one.verify(sent).validity == (300.25 if "." in time else 300)
    late = callback(b"{}", headers={"x-signature": made, "date": time}, received_at=NOW + timedelta(seconds=301))
    with pytest.raises(Untrusted, match="before it came"):
        one.verify(late)
    for other in (time.replace(".25", ".26"), time + "0"):  # the text itself is signed, whatever time it says
        if other != time:
            with pytest.raises(Untrusted):
                one.verify(callback(b"{}", headers={"x-signature": made, "date": other}))


NO_TIMES = ["", "soon", "1.", ".5", "1e9", "1.0123456789", f"{AT}123.5", "-1", "１７６７", f"{AT}0", "2026-01-01", " 1"]
NO_DATES = ["Tue, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 +0000", "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994", "Sun, 31 Feb 1994 08:49:37 GMT", f"Sun, 06 Nov {'9' * 30} 08:49:37 GMT"]  # fmt: skip


@pytest.mark.parametrize("time", [*NO_TIMES, *NO_DATES])
def test_a_time_of_sending_that_is_none_is_refused(time: str) -> None:
    one = source(signed="{timestamp}.{body}", timestamp_header="X-Time", tolerance="1d")
    made = hmac.new(KEY.encode(), time.encode("latin-1", "replace") + b".{}", hashlib.sha256).hexdigest()
    received = callback(b"{}", headers={"x-signature": made})
    raw = [*received.headers.raw, (b"x-time", time.encode("latin-1", "replace"))]
    from starlette.datastructures import Headers

    with pytest.raises(Untrusted) as caught:
        one.verify(replace(received, headers=Headers(raw=raw)))
    assert caught.value.code in {"signature_missing", "signature_mismatch"}


def test_a_fraction_in_the_body_counts_where_the_body_is_what_is_signed() -> None:
    body = json.dumps({"sent": AT + 0.25}).encode()
    made = hmac.new(KEY.encode(), body, hashlib.sha256).hexdigest()
    verified = source(timestamp_field="sent").verify(callback(body, headers={"x-signature": made}))
    assert verified.validity == 300.25
    with pytest.raises(Untrusted) as caught:  # nobody knows how the number was written
        source(timestamp_field="sent", signed="{timestamp}.{body}").verify(
            callback(body, headers={"x-signature": made})
        )
    assert caught.value.code == "signature_missing"


@pytest.mark.parametrize("value", [None, True, 1e300, -1.5, [], {}])
def test_a_time_in_the_body_that_is_none_is_refused(value: Any) -> None:
    one = source(timestamp_field="sent")
    body = json.dumps({"sent": value}).encode()
    made = hmac.new(KEY.encode(), body, hashlib.sha256).hexdigest()
    with pytest.raises(Untrusted) as caught:
        one.verify(callback(body, headers={"x-signature": made}))
    assert caught.value.code == "signature_missing"
    with pytest.raises(Malformed):
        one.verify(callback(b"[]", headers={"x-signature": made}))
