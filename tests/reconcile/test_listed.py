"""An entry of the vendor's list as an event, whatever stands in it; and when two events speak of one file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import Event, File, Malformed, Storage, from_document, to_document
from gateway.events.places import agree, places_of
from gateway.model import FILE_COMPLETED
from plugins.sources.huawei_live.listed import RECORD_TYPES, listed_event
from tests.reconcile.vendor import PROJECT, START, entry

AT = datetime(2025, 12, 31, 23, 0, tzinfo=UTC)


def listed(**changes: Any) -> Event:
    return listed_event("live", PROJECT, entry(1, AT, **changes), START)


@pytest.mark.parametrize(
    ("changes", "ended"),
    [
        ({}, AT),
        ({"duration": 118}, AT),
        ({"duration": 60}, None),
        ({"duration": None}, None),
        ({"record_type": "PLAN_RECORD", "duration": 60}, AT),
        ({"start_time": "2025-12-31", "end_time": "2026-01-01"}, None),
        ({"end_time": ""}, None),
    ],
)
def test_times_are_believed_where_the_vendor_means_them(changes: dict[str, Any], ended: datetime | None) -> None:
    event = listed(**changes)
    assert (event.time, event.files[0].ended_at) == (ended, ended)
    assert ("end_time" in event.extra) == (ended is None and changes.get("end_time") != "")
    assert event.problems == ()


def test_one_file_has_one_id_however_its_link_is_signed() -> None:
    assert listed().id == listed(download_url="https://other.example/live/record?Signature=1", duration=7).id
    by_link = listed(obs_addr=None)
    assert by_link.id == listed(obs_addr={}, download_url=f"{entry(1)['download_url']}?Expires=1&Signature=x").id
    assert by_link.id != listed().id
    with pytest.raises(Malformed, match="nobody knows which file it is"):
        listed(obs_addr=None, download_url="https://[odd/a.mp4")


values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=30), st.lists(st.text(max_size=3), max_size=2),
    st.dictionaries(st.sampled_from(["bucket", "object", "location", "play_url", "asset_id", "x"]), st.text(max_size=20), max_size=4),
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(list(entry(1))), values, max_size=6), st.sampled_from(RECORD_TYPES))
def test_an_entry_with_anything_in_it_is_an_event_or_told(changes: dict[str, Any], kind: str) -> None:
    try:
        event = listed(**{"record_type": kind, **changes})
    except Malformed:
        return
    assert places_of(event)
    assert from_document(to_document(event)).files == event.files


@pytest.mark.parametrize("entry_", [None, [], "x", {}, {"publish_domain": 1, "app": "a", "stream": "s"}])
def test_what_is_no_entry_is_told(entry_: object) -> None:
    with pytest.raises(Malformed):
        listed_event("live", PROJECT, entry_, START)


def file(key: str | None = None, url: str | None = None, bucket: str = "b") -> Event:
    stored = None if key is None else Storage(bucket=bucket, key=key)
    return Event(
        id="1", type=FILE_COMPLETED, source="live", provider="p", received_at=START, domain="d", app="a", stream="s",
        files=(File(download_url=url, storage=stored),),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other", "known", "agrees"),
    [
        (file("a/b.mp4", "https://b.obs/a/b.mp4"), file("a/b.mp4", "http://x/b/a/b.mp4?sig=1"), True, True),
        (file("a/b.mp4"), file("a/b.mp4", "https://b.obs/a/b.mp4"), True, True),
        (file("a/b.mp4", "https://b.obs/a/b.mp4"), file(None, "https://b.obs/a/b.mp4?x"), True, True),
        (file("a/b c.mp4", "https://b.obs/a/b%20c.mp4"), file(None, "https://b.obs/a/b%20c.mp4"), True, True),
        (file(None, "https://vod/1.m3u8"), file(None, "https://vod2/1.m3u8?t=1"), True, True),
        (file("a/b.mp4", "https://evil/x"), file("a/b.mp4", "https://b.obs/a/b.mp4"), True, False),
        (file("a/x.mp4", "https://b.obs/a/b.mp4"), file("a/b.mp4", "https://b.obs/a/b.mp4"), True, False),
        (file("a/b.mp4"), file("a/b.mp4", bucket="c"), False, True),
        (file("a/b.mp4"), file("a/c.mp4"), False, False),
        (file(None, "https://b.obs/"), file(None, "https://b.obs/"), False, True),
    ],
)
def test_two_events_of_one_file_are_told_by_where_it_lies(one: Event, other: Event, known: bool, agrees: bool) -> None:
    assert bool(set(places_of(one)) & set(places_of(other))) == known
    assert agree(one, other) == agree(other, one) == agrees
