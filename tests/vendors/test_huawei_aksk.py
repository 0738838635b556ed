"""Calls of Huawei Cloud are signed as the vendor's own SDK signs them, and no message shows a key."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from urllib.parse import quote, urlencode

import pytest
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer
from hypothesis import given
from hypothesis import strategies as st

from plugins.vendors.huawei_aksk import sign_call

AK, SK = "AKEXAMPLE0123456789A", "secret-of-the-tests-0123456789abcdef0123"
NOW = datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC)
URL = "https://live.cn-north-4.myhuaweicloud.com/v1/70b76xxxxxx34253880af501cdxxxxxx/record/contents"

odd = st.text("aZ09-_.~ +&=%/?#;:@!$'()*,[]é中😀", max_size=8)
words = st.text("abcXYZ019- ;=é", max_size=12)
extra_headers = st.dictionaries(
    st.sampled_from(["X-Project-Id", "Accept", "X-Sdk-Other", "x_dropped", "User-Agent"]), words
)
media_types = st.sampled_from(
    [None, "application/json", "application/json;charset=utf-8", "application/bson", "text/xml", "text/plain"]
)


def by_the_sdk(
    method: str, path: str, query: list[tuple[str, str]], headers: dict[str, str], body: bytes
) -> dict[str, str]:
    request = SdkRequest(
        method=method,
        schema="https",
        host="api.example.com",
        resource_path=path,
        uri=None,
        query_params=query,
        header_params={**headers, "X-Sdk-Date": NOW.strftime("%Y%m%dT%H%M%SZ")},
        body=body,
    )
    Signer(SimpleNamespace(ak=AK, sk=SK)).sign(request)
    return dict(request.header_params)


@given(
    st.sampled_from(["GET", "POST", "put", "DELETE"]),
    st.lists(odd, max_size=5),
    st.lists(st.tuples(odd, odd), max_size=6),
    extra_headers,
    media_types,
    st.binary(max_size=80),
)
def test_the_vendors_sdk_makes_the_same_headers(
    method: str,
    segments: list[str],
    query: list[tuple[str, str]],
    headers: dict[str, str],
    media_type: str | None,
    body: bytes,
) -> None:
    if media_type is not None:
        headers = {**headers, "Content-Type": media_type}
    path = "/" + "/".join(quote(segment, safe="") for segment in segments)
    oracle = by_the_sdk(method, path, list(query), dict(headers), body)
    url = f"https://api.example.com{path}" + (f"?{urlencode(query, quote_via=quote)}" if query else "")
    made = sign_call(method, url, headers, body, access_key=AK, secret_key=SK, now=NOW)
    names = ("Authorization", "X-Sdk-Date", "X-Sdk-Content-Sha256")
    assert {name: made.get(name) for name in names} == {name: oracle.get(name) for name in names}


def signed(url: str = URL, headers: dict[str, str] | None = None, body: bytes = b"", now: datetime = NOW) -> str:
    return sign_call("GET", url, headers or {}, body, access_key=AK, secret_key=SK, now=now)["Authorization"]


def test_the_moment_is_in_utc_whatever_its_zone() -> None:
    assert signed(now=NOW.astimezone(timezone(timedelta(hours=8)))) == signed()


@pytest.mark.parametrize(
    ("url", "same_as"),
    [
        ("https://live.example/v1", "https://live.example/v1/"),
        ("https://live.example", "https://live.example/"),
        ("https://live.example:443/v1", "https://live.example/v1"),
        ("https://user:word@live.example/v1", "https://live.example/v1"),
        ("https://live.example/v1?b=2&a=+x", "https://live.example/v1?a=%20x&b=2"),
        ("https://live.example/v1#part", "https://live.example/v1"),
    ],
)
def test_two_spellings_of_one_url_have_one_signature(url: str, same_as: str) -> None:
    assert signed(url) == signed(same_as)


def test_another_port_key_header_or_byte_is_another_signature() -> None:
    texts = {
        signed(),
        signed(URL.replace(".com/", ".com:8443/")),
        signed(headers={"X-Project-Id": "p"}),
        signed(body=b"{}"),
        sign_call("GET", URL, {}, access_key=AK, secret_key=SK + "x", now=NOW)["Authorization"],
    }
    assert len(texts) == 5


def test_the_hash_of_a_body_of_any_type_is_signed_where_the_caller_gives_it() -> None:
    content = hashlib.sha256(b"<a/>").hexdigest()
    headers = {"content-type": "text/xml", "x-sdk-content-sha256": content}
    made = sign_call("POST", URL, headers, b"<a/>", access_key=AK, secret_key=SK, now=NOW)
    assert "X-Sdk-Content-Sha256" not in made
    assert "x-sdk-content-sha256" in made["Authorization"]


@pytest.mark.parametrize(
    ("url", "headers", "key", "says"),
    [
        ("/v1", {}, SK, "absolute URL"),
        ("https://live.example/a b", {}, SK, "without spaces"),
        ("https://live.example/a\tb", {}, SK, "without spaces"),
        (URL, {"Accept": "a", "accept": "b"}, SK, "just once"),
        (URL, {"Accept": "a\r\nb: c"}, SK, "control characters"),
        (URL, {}, "", "secret key"),
    ],
)
def test_what_cannot_be_signed_is_refused_in_words(url: str, headers: dict[str, str], key: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        sign_call("GET", url, headers, access_key=AK, secret_key=key, now=NOW)
    assert SK not in str(refused.value)
