"""The short ways of an event's JSON: to it and back they give what the long ways give, byte for byte, or leave it to them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.compact_json import encode_json
from gateway.events import cloudevents
from gateway.events.event_annotations import kept_json
from gateway.events.samples import largest, sample
from gateway.events.struct_json import compact, read_compact
from gateway.model import EVENT_TYPES, Event, Fault, File, Storage, Trust, Verified, event_id
from gateway.testing.factories import NOW, event
from tests.examples import examples

SAMPLES = [sample(type) for type in EVENT_TYPES] + [largest("recording.file.completed").replace(id="large")]


def long_way(one: Event) -> tuple[str, bytes]:
    return cloudevents._spelled_out(one)


@pytest.mark.parametrize("one", SAMPLES, ids=lambda one: f"{one.type}-{len(one.files)}")
def test_every_sample_goes_the_short_way_and_comes_out_the_same(one: Event) -> None:
    assert compact(one) == long_way(one)
    assert cloudevents.to_json(one.replace()) == encode_json(cloudevents.to_document(one))


@pytest.mark.parametrize("one", SAMPLES, ids=lambda one: f"{one.type}-{len(one.files)}")
def test_a_stored_body_is_read_the_short_way_and_means_the_same(one: Event) -> None:
    body = cloudevents.to_json(one)
    read = read_compact(body, one.raw, one.raw_type)
    assert read == cloudevents.from_document(json.loads(body), one.raw, one.raw_type)
    assert read is not None
    assert kept_json(read) is None
    assert cloudevents.to_json(read) == body


SPELLINGS = [  # the golden spelling of a number: another would be another fingerprint, and another signed text
    (1e16, "1e+16"), (1e15, "1000000000000000.0"), (1e22, "1e+22"), (1e-5, "1e-05"), (0.0001, "0.0001"), (60.0, "60.0"),
    (60, "60"), (0.1, "0.1"), (1.5e300, "1.5e+300"), (123456789.123, "123456789.123"), (0, "0"), (-0.0, "-0.0"),
    (9007199254740993, "9007199254740993"),
]  # fmt: skip


@pytest.mark.parametrize(("number", "spelling"), SPELLINGS, ids=str)
def test_the_spelling_of_a_number_is_pinned(number: float, spelling: str) -> None:
    one = event(files=(File(duration_seconds=number),), extra={"number": number})
    body, _ = cloudevents.render(one)
    assert f'"duration_seconds":{spelling},' in body
    assert f'"extra":{{"number":{spelling}}}' in body
    read = read_compact(body, b"", "")
    assert read is not None
    assert cloudevents.to_json(read) == body


def test_a_time_keeps_its_spelling_in_any_zone_and_with_any_fraction() -> None:
    east = datetime(2026, 1, 1, 8, tzinfo=timezone(timedelta(hours=8)))
    times = [NOW, east, NOW + timedelta(milliseconds=5), NOW + timedelta(microseconds=5), datetime(1, 1, 1, tzinfo=UTC)]
    one = event(files=tuple(File(started_at=at, ended_at=at) for at in times), time=east)
    assert compact(one) == long_way(one)


class _Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    "changes",
    [
        {"stream": _Text("odd")},
        {"files": (File(duration_seconds=float("inf")),)},
        {"files": (File(duration_seconds=1e16, started_at=NOW),)},
        {"error": Fault(message="x"), "extra": {"b": 1, "a": {"d": 1e16, "c": None}}},
        {"verified": Verified(Trust.BODY, ',"received_at":"', 3)},
        {"supersedes": "other", "variant": "abcdef01"},
        {"extra": {"received_at": "1", "x": '","received_at":"'}},
    ],
    ids=str,
)
def test_what_is_odd_is_written_by_the_long_way_or_the_same(changes) -> None:
    one = event().replace(**changes)
    try:
        expected = long_way(one)
    except ValueError:
        with pytest.raises(ValueError, match="JSON"):
            cloudevents.render(one)
        return
    assert compact(one) in (None, expected)
    assert cloudevents.render(one)[0] == expected[0]


_TEXT = (
    st.none() | st.text(max_size=5) | st.sampled_from(['","received_at":"', "\\", "\u2028", "\U0001f600", "\x7f\x1f"])
)
_NUMBER = st.none() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
_TIME = st.none() | st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-3))]))
_FILE = st.builds(
    File,
    format=_TEXT,
    duration_seconds=_NUMBER,
    started_at=_TIME,
    ended_at=_TIME,
    storage=st.none() | st.builds(Storage, key=_TEXT),
)


@given(
    files=st.lists(_FILE, max_size=3).map(tuple),
    stream=_TEXT,
    extra=st.dictionaries(st.text(max_size=3), _NUMBER, max_size=2),
)
@examples(100)
def test_both_ways_write_the_same_whatever_an_event_says(files, stream, extra) -> None:
    one = event().replace(files=files, stream=stream, extra=extra)
    assert compact(one) in (None, long_way(one))
    assert compact(one) is not None or any(file.duration_seconds for file in files)


@given(
    identity=st.lists(
        _TEXT | st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False), max_size=4
    )
)
def test_an_id_is_the_hash_of_canonical_json_whichever_encoder_wrote_it(identity) -> None:
    import hashlib

    text = json.dumps(["s", "t", None, None, None, None, *identity], ensure_ascii=False, separators=(",", ":"))
    assert event_id("s", "t", None, None, None, None, identity) == hashlib.sha256(text.encode()).hexdigest()[:32]
