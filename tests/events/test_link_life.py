"""When a link ends stands inside the link: found in every usual form of signature, and never guessed."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import File
from gateway.events.link_life import ended_at, link_end, name_link_ends
from gateway.events.places import path_of
from gateway.testing import event

END = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
SECONDS = int(END.timestamp())
BEGAN = f"{END - timedelta(hours=1):%Y%m%dT%H%M%SZ}"
FINISHED = END - timedelta(hours=1)
HASH = hashlib.md5(b"", usedforsecurity=False).hexdigest()
LONG_HASH = hashlib.sha256(b"").hexdigest()
HOST = "https://d.example.com"

CERTAIN: dict[str, dict[str, Any]] = {
    "s3 v2": {"AWSAccessKeyId": "AK", "Expires": SECONDS, "Signature": "c2ln="},
    "s3 v4": {"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Date": BEGAN, "X-Amz-Expires": 3600, "X-Amz-Signature": HASH},
    "obs v2": {"AccessKeyId": "AK", "Expires": SECONDS, "Signature": "c2ln"},
    "obs v4": {"X-Obs-Date": BEGAN, "X-Obs-Expires": 3600, "X-Obs-Signature": HASH},
    "oss v1": {"OSSAccessKeyId": "AK", "Expires": SECONDS, "Signature": "c2ln"},
    "oss v2": {"x-oss-access-key-id": "AK", "x-oss-expires": SECONDS, "x-oss-signature": "c2ln"},
    "oss v4": {"x-oss-date": BEGAN, "x-oss-expires": 3600, "x-oss-signature": HASH},
    "cos": {"q-ak": "AK", "q-sign-time": f"{SECONDS - 60};{SECONDS}", "q-key-time": f"{SECONDS - 60};{SECONDS + 9}", "q-signature": HASH},
    "cos, its key first": {"q-sign-time": f"1;{SECONDS + 9}", "q-key-time": f"1;{SECONDS}", "q-signature": HASH},
    "gcs v2": {"GoogleAccessId": "a@b", "Expires": SECONDS, "Signature": "c2ln"},
    "gcs v4": {"X-Goog-Date": BEGAN, "X-Goog-Expires": 3600, "X-Goog-Signature": HASH},
    "tos v4": {"X-Tos-Date": BEGAN, "X-Tos-Expires": 3600, "X-Tos-Signature": HASH},
    "azure": {"sv": "2024-11-04", "se": "2027-01-02T03:04:05Z", "sr": "b", "sig": "c2ln="},
    "azure, with a zone": {"se": "2027-01-02T11:04:05+08:00", "sig": "c2ln="},
    "azure, its key first": {"se": "2028-01-01", "ske": "2027-01-02T03:04:05.0000000Z", "sig": "c2ln="},
    "play, hexadecimal": {"txSecret": HASH, "txTime": f"{SECONDS:X}"},
    "play, decimal": {"txSecret": HASH, "txTime": SECONDS},
    "vod": {"t": f"{SECONDS:x}", "us": "a1", "sign": HASH},
    "cdn, in a field": {"sign": HASH, "t": SECONDS},
}  # fmt: skip
AT_THE_EARLIEST: dict[str, str] = {
    "token": f"{HOST}/live/a.mp4?auth_key={SECONDS}-0-0-{HASH}",
    "token with a random and a long hash": f"{HOST}/live/a.mp4?auth_key={SECONDS}-477b3bbc253f-u1-{LONG_HASH}",
    "signed token": f"{HOST}/live/a.mp4?sign={SECONDS}-x9-0-{HASH}",
    "stream, hexadecimal": f"{HOST}/live/a.m3u8?hwSecret={LONG_HASH}&hwTime={SECONDS:x}",
    "another network's stream": f"{HOST}/live/a.m3u8?wsSecret={HASH}&wsTime={SECONDS}",
    "path by time": f"{HOST}/{SECONDS}/{HASH}/live/a.mp4",
}


@pytest.mark.parametrize("form", CERTAIN)
def test_the_end_inside_a_signed_address_is_when_its_link_ends(form: str) -> None:
    for spell in (lambda text: text, str.lower, str.upper):
        query = urlencode({spell(name): value for name, value in CERTAIN[form].items()})
        assert link_end(f"{HOST}/a.mp4?{query}") == END
        assert link_end(f"{HOST}/a.mp4?{query}", END + timedelta(days=9)) == END  # ended before the recording did


def test_what_is_not_encoded_in_a_query_is_read_all_the_same() -> None:
    assert link_end(f"{HOST}/a?q-signature=0&q-sign-time=1;{SECONDS}") == END
    assert link_end(f"{HOST}/a?sig=0&se=2027-01-02T11:04:05+08:00") == END


@pytest.mark.parametrize("form", AT_THE_EARLIEST)
def test_a_time_that_a_validity_is_added_to_counts_unless_it_is_when_the_link_was_signed(form: str) -> None:
    url = AT_THE_EARLIEST[form]
    assert link_end(url, FINISHED) == link_end(url, None) == END
    assert link_end(url, END - timedelta(minutes=5)) is None
    assert link_end(url, END + timedelta(days=1)) is None


def test_a_path_that_spells_a_minute_is_of_utc_plus_eight() -> None:
    local = END.astimezone(timezone(timedelta(hours=8)))
    assert link_end(f"{HOST}/{local:%Y%m%d%H%M}/{HASH}/a.mp4", FINISHED) == END.replace(second=0)


@pytest.mark.parametrize(
    "query",
    [
        f"Expires={SECONDS}",  # nothing signed it
        "Expires=3600&Signature=c2ln",  # a validity, not a time
        "Expires=-1&Signature=c2ln",
        "Expires=１８９３４５６０００&Signature=c2ln",
        f"X-Amz-Expires=3600&X-Amz-Date={BEGAN}",
        "X-Amz-Expires=3600&X-Amz-Signature=0",  # from when?
        f"X-Amz-Expires=99999999999&X-Amz-Date={BEGAN}&X-Amz-Signature=0",
        "X-Amz-Expires=3600&X-Amz-Date=20271332T000000Z&X-Amz-Signature=0",
        f"X-Amz-Expires=3600&X-Goog-Date={BEGAN}&X-Amz-Signature=0",
        "X-Amz-Expires=1000000000&X-Amz-Date=99991231T235959Z&X-Amz-Signature=0",
        "se=soon&sig=c2ln",
        "se=0001-01-01T00:00%2B14:00&sig=c2ln",
        "txSecret=0&txTime=zzzzzzzz",
        f"txTime={SECONDS:x}",
        f"t={SECONDS}&sign=hello",
        f"auth_key={SECONDS}-0-0-short",
        "auth_key=a-key",
        "q-sign-time=1&q-signature=0",
        "&".join(f"a{number}=1" for number in range(500)) + f"&Expires={SECONDS}&Signature=c2ln",
    ],
)
def test_what_is_no_signature_or_no_time_says_nothing(query: str) -> None:
    assert link_end(f"{HOST}/a.mp4?{query}") is None


@pytest.mark.parametrize("url", [None, "", "//", "https://[", f"{HOST}/{HASH}/a.mp4", f"{HOST}/a?{'x' * 9000}"])
def test_an_address_without_a_signature_says_nothing(url: str | None) -> None:
    assert link_end(url) is None


@given(st.text(max_size=60), st.lists(st.tuples(st.sampled_from(
    ["Expires", "Signature", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Signature", "se", "sig", "ske", "t", "sign", "hwTime",
     "hwSecret", "auth_key", "q-sign-time", "q-signature"]), st.text(max_size=20) | st.from_regex(r"[0-9]{1,12}", fullmatch=True)))
)  # fmt: skip
def test_no_address_raises(path: str, pairs: list[tuple[str, str]]) -> None:
    for query in (urlencode(pairs), "&".join(f"{name}={value}" for name, value in pairs)):
        for url in (f"{HOST}/{quote(path)}?{query}", f"{path}?{query}"):
            end = link_end(url, FINISHED)
            assert end is None or end.tzinfo is UTC


def signed(end: datetime) -> str:
    return f"{HOST}/a.mp4?AccessKeyId=AK&Expires={int(end.timestamp())}&Signature=c2ln"


def test_each_file_gets_the_end_of_its_own_link_and_a_download_counts_before_a_play() -> None:
    later = END + timedelta(hours=5)
    known = File(download_url=signed(END), expires_at=later)
    one = event(
        files=(
            File(download_url=signed(END), play_url=signed(later)),
            File(download_url=f"{HOST}/open.mp4", play_url=signed(later)),
            File(download_url=f"{HOST}/open.mp4"),
            known,
        )
    )
    name_link_ends(one)
    assert [file.expires_at for file in one.files] == [END, later, None, later]
    assert (ended_at(one, END - timedelta(seconds=1)), ended_at(one, END), ended_at(one, later)) == (None, END, END)


def test_an_event_whose_links_say_nothing_is_left_alone() -> None:
    one = event(files=(File(download_url=f"{HOST}/a.mp4"), File()))
    files = one.files
    name_link_ends(one)
    assert one.files is files


@pytest.mark.parametrize("minute", ["209913010000", "203002300000", "203001012460"])
def test_a_minute_that_no_calendar_has_is_no_end(minute: str) -> None:
    assert link_end(f"{HOST}/203001011200/{HASH}/a.mp4", FINISHED) is not None
    assert link_end(f"{HOST}/{minute}/{HASH}/a.mp4", FINISHED) is None


@pytest.mark.parametrize("url", ["http://[::1/a.mp4", "https://d.example.com", "https://d.example.com/", ""])
def test_an_address_without_a_path_is_no_place(url: str) -> None:
    assert path_of(File(download_url=url)) == ""
    assert path_of(File(download_url=f"{HOST}/a%20b.mp4?x=1")) == "/a b.mp4"
