"""Which links give access to whoever has them: signatures, tokens and logins of every form, and no ordinary address."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway import carries_credential

HASH = "0123456789abcdef0123456789abcdef"
SIGNED = (
    "a.mp4?AccessKeyId=AK&Expires=1893456000&Signature=x",
    "a.mp4?X-Amz-Signature=1",
    "a.mp4?X-Amz-Security-Token=1",
    "a.mp4?OSSAccessKeyId=1",
    "a.mp4?q-signature=1",
    "a.mp4?se=2030-01-01&sig=x",
    "a.mp4?txSecret=1&txTime=2",
    "a.mp4?wsSecret=1",
    "a.mp4?auth_key=1-2-3-4",
    "a.mp4?auth_info=xx.yy",
    "a.mp4?hdnts=exp=1~acl=/*~hmac=ab",
    "a.mp4?Policy=x&Key-Pair-Id=y",
    "a.mp4?md5=abc&expires=5",
    "a.mp4?sign=1",
    "a.mp4?token=1",
    "a.mp4?key=5",
    "a.mp4?password=5",
    f"a.mp4?{HASH}",
    f"a.mp4?id={HASH}",
    "a.mp4?v=550e8400-e29b-41d4-a716-446655440000",
    "a.mp4#access_token=1",
    "a.mp4;jsessionid=abc",
    "a.mp4?next=" + quote("https://x.example/?token=1", safe=""),
    "a.mp4?next=" + quote(quote("https://x.example/?Signature=1", safe=""), safe=""),
    "a.mp4?SIGNATURE=1",
    "a.mp4?%53ignature=1",
    f"{HASH}/65a1b2c3/a.mp4",
    f"1893456000/{HASH}/a.mp4",
    f"203001010000/{HASH}/a.mp4",
    "eyJhbGciOi.eyJhbGci.abcdefgh/manifest/video.m3u8",
    "a.mp4?x=" + "y" * 9000,
)
OPEN = (
    "",
    "live/2026-01-01/a.mp4",
    "a.m3u8?stream=one&quality=720p",
    "a.mp4?t=5",
    "a.mp4?v=2&lang=en",
    "a.mp4?file=recordings/2026/01/a.mp4",
    "a.mp4?download=studio-1-2026-01-01-20-00.mp4",
    "a.mp4#t=10",
    f"objects/{HASH}.mp4",
    f"live/{HASH}/20260101/a.mp4",
    "a.mp4?token=",
    "a.mp4?sign_type=md5",
)


@pytest.mark.parametrize("rest", SIGNED)
def test_a_link_that_grants_access_is_known(rest: str) -> None:
    assert carries_credential(f"https://d.example.com/{rest}")
    assert carries_credential(f"s3://bucket/{rest}")


@pytest.mark.parametrize("rest", OPEN)
def test_an_ordinary_link_is_not_taken_for_one(rest: str) -> None:
    assert not carries_credential(f"https://d.example.com/{rest}")


@pytest.mark.parametrize(
    "url", ["https://u:p@d.example.com/a", "https://u@d.example.com/a", "http://[", "https://[::1/"]
)
def test_a_login_and_what_is_no_url_are_taken_for_one(url: str) -> None:
    assert carries_credential(url)


@given(st.text(max_size=80), st.sampled_from(["Signature", "token", "X-Amz-Signature", "txSecret"]))
@example("&=", "token")
def test_whatever_stands_around_it_a_signature_is_seen(text: str, name: str) -> None:
    around = quote(text, safe="")
    for url in (f"https://d.example.com/a?x={around}&{name}=v&y={around}", f"https://d.example.com/{around}?{name}=v"):
        assert carries_credential(url), url
