"""Signature Version 4 comes out as AWS documents it, and as botocore makes it for any request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from unittest.mock import patch
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from gateway.signing.sigv4 import SigV4, derived_key

SUITE = SigV4("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "service")
IAM = SigV4("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "iam")
S3 = SigV4("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1", "s3")
AT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
S3_AT = datetime(2013, 5, 24, tzinfo=UTC)
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
BUCKET = "https://examplebucket.s3.amazonaws.com"

# AWS's own test suite, and the examples of "Create a signed request" and of "Authenticating requests" for S3.
VECTORS = {
    "get-vanilla": (
        SUITE, AT, "GET", "https://example.amazonaws.com/", {}, b"",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    "post-vanilla": (
        SUITE, AT, "POST", "https://example.amazonaws.com/", {}, b"",
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ),
    "iam-list-users": (
        IAM, AT, "GET", "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08", FORM, b"",
        "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
    ),
    "s3-get-object": (
        S3, S3_AT, "GET", f"{BUCKET}/test.txt", {"Range": "bytes=0-9"}, b"",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ),
    "s3-put-object": (
        S3, S3_AT, "PUT", f"{BUCKET}/test%24file.text",
        {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"}, b"Welcome to Amazon S3.",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    ),
    "s3-get-lifecycle": (
        S3, S3_AT, "GET", f"{BUCKET}/?lifecycle", {}, b"",
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    ),
    "s3-list-objects": (
        S3, S3_AT, "GET", f"{BUCKET}/?max-keys=2&prefix=J", {}, b"",
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VECTORS)
def test_the_documented_signatures_come_out(name: str) -> None:
    key, at, method, url, headers, body, signature = VECTORS[name]
    assert key.sign(method, url, headers, body, at)["authorization"].endswith(f"Signature={signature}")


def test_the_documented_key_of_a_day_comes_out() -> None:
    key = derived_key(IAM.secret_key, "20150830", "us-east-1", "iam")
    assert key.hex() == "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"


def oracle(
    key: SigV4, method: str, url: str, headers: Mapping[str, str], body: bytes | None, at: datetime
) -> dict[str, str]:
    request = AWSRequest(method=method, url=url, headers=dict(headers), data=body or b"")
    if body is None:
        request.context["payload_signing_enabled"] = False
        request.context["has_streaming_input"] = True
        request.context["client_config"] = type("C", (), {"s3": {"payload_signing_enabled": False}})
    signer = (S3SigV4Auth if key.service == "s3" else SigV4Auth)(
        Credentials(key.access_key, key.secret_key, key.session_token), key.service, key.region
    )
    with patch("botocore.auth.get_current_datetime", lambda: at.replace(tzinfo=None)):
        signer.add_auth(request)
    return {name.lower(): value for name, value in request.headers.items() if name.lower() not in headers}


segments = st.lists(
    st.sampled_from(["", ".", ".."]) | st.text(max_size=6).map(lambda text: quote(text, safe="-_.~")), max_size=4
).map("/".join)
queries = st.lists(
    st.tuples(st.text(max_size=5), st.text(max_size=5)).map(
        lambda pair: "=".join(quote(part, safe="-_.~") for part in pair)
    ),
    max_size=4,
).map("&".join)
header_sets = st.dictionaries(
    st.from_regex(r"x-[a-z]{1,6}", fullmatch=True),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12),
    max_size=3,
)


@given(
    st.sampled_from(["s3", "execute-api", "lambda"]),
    st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    st.sampled_from(["https://a.example", "http://127.0.0.1:9000", "https://[::1]:8443"]),
    segments,
    queries,
    header_sets,
    st.binary(max_size=40),
    st.sampled_from([None, "FwoGZXIvYXdzEJr//token=="]),
    st.booleans(),
)
def test_botocore_makes_the_same_headers(
    service: str,
    method: str,
    origin: str,
    path: str,
    query: str,
    headers: dict[str, str],
    body: bytes,
    token: str | None,
    signed: bool,
) -> None:
    key = SigV4("AKIDEXAMPLE", "secret/+key", "eu-central-1", service, token)
    url = f"{origin}/{path}" + (f"?{query}" if query else "")
    payload = body if signed or service != "s3" or origin.startswith("http:") else None
    made = key.sign(method, url, headers, payload, AT)
    assert made == oracle(key, method, url, headers, payload, AT)


def test_an_odd_spelling_of_a_query_is_signed_as_the_other_side_spells_it() -> None:
    one = SUITE.sign("GET", "https://a.example/x?b=%7e%2f&a=/&&c", {}, b"", AT)
    assert one == SUITE.sign("GET", "https://a.example/x?c=&b=~%2F&a=%2F", {}, b"", AT)


@pytest.mark.parametrize("url", ["/path", "https:///path", "path?a=b"])
def test_a_url_without_a_host_is_not_signed(url: str) -> None:
    with pytest.raises(ValueError, match="a URL with a host"):
        SigV4("AKIDEXAMPLE", "secret", "r", "s").sign("POST", url, {}, b"", datetime(2026, 1, 1, tzinfo=UTC))


def test_the_time_of_any_zone_is_signed_in_utc() -> None:
    elsewhere = AT.astimezone(timezone(timedelta(hours=8)))
    assert SUITE.sign("GET", "https://a.example/", {}, b"", elsewhere) == SUITE.sign(
        "GET", "https://a.example/", {}, b"", AT
    )


def test_what_changes_on_the_way_is_not_signed() -> None:
    made = SUITE.sign("POST", "https://a.example/", {"User-Agent": "x", "traceparent": "y", "A": "b"}, b"", AT)
    assert re.search(r"SignedHeaders=([^,]+),", made["authorization"])[1] == "a;host;x-amz-date"  # type: ignore[index]


@pytest.mark.parametrize(
    ("key", "url"), [(SUITE, "https://a.example/"), (S3, "http://a.example/")], ids=["other", "http"]
)
def test_a_body_is_left_out_of_the_signature_only_at_s3_over_tls(key: SigV4, url: str) -> None:
    with pytest.raises(ValueError, match="unsigned body"):
        key.sign("PUT", url, {}, None, AT)


@pytest.mark.parametrize(
    "values",
    [
        ("AK ID", "s", "r", "s3"),
        ("AKID", "", "r", "s3"),
        ("AKID", "s", "r/x", "s3"),
        ("AKID", "s", "r", "s\n"),
        ("A", "s", "r", "s", "t\nx: y"),
    ],
)
def test_what_cannot_be_a_credential_is_refused_without_showing_it(values: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"^`") as caught:
        SigV4(*values)
    assert "secret" not in repr(SigV4("AKID", "the-secret", "r", "s3", "the-token"))
    assert str(caught.value).isprintable()
