"""The JSON of an event: the documented shape, both ways without loss, and a fingerprint of what it says."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.events.cloudevents import (
    DATA_SCHEMA,
    fingerprint,
    from_document,
    render,
    to_document,
    to_json,
)
from gateway.events.samples import sample
from gateway.model import (
    EVENT_TYPES,
    SINK_DOWN,
    Alarm,
    Archived,
    Cause,
    Event,
    Fault,
    File,
    Measured,
    Seal,
    Storage,
    Trust,
    Verified,
)
from gateway.testing.factories import NOW, event, events
from tests.events.any_event import JSON

TEXT = st.none() | st.text(max_size=6)


NUMBER = st.none() | st.integers(0, 2**63 - 1)


MOMENT = st.datetimes(
    datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.sampled_from([UTC, timezone(timedelta(hours=8))])
).map(lambda at: at.astimezone(UTC))


MEASURED = st.builds(
    Measured, at=MOMENT, by=st.text(min_size=1, max_size=6), size_bytes=NUMBER, etag=TEXT, media_type=TEXT
)


FILES = st.builds(
    File,
    **dict.fromkeys(("format", "download_url", "play_url", "asset_id"), TEXT),
    **dict.fromkeys(("size_bytes", "width", "height"), NUMBER),
    **dict.fromkeys(("started_at", "ended_at"), st.none() | MOMENT),
    duration_seconds=st.none() | st.floats(0, 1e9),
    **dict.fromkeys(("confirmed", "measured"), st.none() | MEASURED),
    expires_at=st.none() | MOMENT,
    sha256=TEXT,
    archived=st.none() | st.builds(Archived, url=st.text(min_size=1, max_size=6), at=st.none() | MOMENT),
    storage=st.none() | st.builds(Storage, location=TEXT, bucket=TEXT, key=TEXT),
)


TRUSTS = st.sampled_from(list(Trust))


ANY_EVENT = st.builds(
    Event,
    id=st.text(min_size=1, max_size=6),
    type=st.sampled_from(EVENT_TYPES),
    source=st.text("abc-/", min_size=1, max_size=12).filter(lambda name: not name.startswith("/sources/")),
    provider=st.text(max_size=6),
    received_at=MOMENT,
    trust=TRUSTS,
    time=st.none() | MOMENT,
    files=st.lists(FILES, max_size=2).map(tuple),
    error=st.none() | st.builds(Fault, code=TEXT, message=TEXT),
    extra=st.dictionaries(st.text(max_size=4), JSON, max_size=3),
    problems=st.lists(st.text(max_size=4), max_size=2).map(tuple),
    raw=st.binary(max_size=4),
    cause=st.none()
    | st.builds(
        Cause,
        id=st.text(min_size=1, max_size=6),
        sink=st.text(min_size=1, max_size=6),
        earlier=st.lists(st.text(max_size=4), max_size=2).map(tuple),
    ),
    depth=st.integers(0, 4),
    **dict.fromkeys(("vendor_type", "domain", "app", "stream", "format", "project_id", "job_id", "task_id"), TEXT),
)


@given(event=ANY_EVENT, scheme=st.text(min_size=1, max_size=3), key=st.none() | st.integers(0, 3))
def test_an_event_comes_back_from_its_json_as_it_went(event, scheme, key) -> None:
    event = replace(event, verified=Verified(trust=event.trust, scheme=scheme, key=key))
    text = to_json(event)
    again = from_document(json.loads(text), raw=event.raw)
    assert again == event
    assert to_json(again) == text == render(event)[0]
    assert json.loads(text) == to_document(event)
    assert fingerprint(again) == fingerprint(event)


def test_what_is_absent_is_null_inside_data_and_left_out_around_it() -> None:
    document = to_document(Event(id="i", type="t", source="live", provider="p", received_at=NOW))
    assert document == {
        "specversion": "1.0",
        "id": "i",
        "source": "/sources/live",
        "type": "t",
        "datacontenttype": "application/json",
        "dataschema": DATA_SCHEMA,
        "trust": "none",
        "data": {
            "provider": "p",
            **dict.fromkeys(
                (
                    "vendor_type",
                    "domain",
                    "app",
                    "stream",
                    "format",
                    "project_id",
                    "job_id",
                    "task_id",
                    "error",
                    "verified",
                )
            ),
            "files": [],
            "received_at": "2026-01-01T00:00:00Z",
            "problems": [],
            "extra": {},
        },
    }


def test_every_field_of_the_model_is_in_the_json() -> None:
    looked = sample("recording.archived").files[0]
    full = event(
        "recording.archived", supersedes="another", reconciled=True, files=(looked.replace(confirmed=looked.measured),)
    )
    document = to_document(full)
    said = {**document, **document["data"]}
    assert set(Event.__struct_fields__) - {"raw", "raw_type", "variant", "alarm"} <= said.keys()
    assert set(Alarm.__struct_fields__) <= to_document(sample(SINK_DOWN))["data"].keys()
    assert set(File.__struct_fields__) == document["data"]["files"][0].keys()
    assert set(Storage.__struct_fields__) == document["data"]["files"][0]["storage"].keys()


def test_what_no_callback_says_is_left_out_where_there_is_none() -> None:
    document = to_document(event())
    assert not {"cause", "depth"} & document.keys()
    assert list(document["data"]["files"][0]) == [
        "format", "download_url", "play_url", "asset_id", "size_bytes", "duration_seconds", "width", "height",
        "started_at", "ended_at", "storage",
    ]  # fmt: skip


def test_the_text_and_the_fingerprint_of_a_callbacks_event_are_pinned() -> None:
    """Receivers know a repeat by them, and a store that was written before must find its events again."""
    body, mark = render(event())
    assert (
        hashlib.sha256(body.encode()).hexdigest() == "105cb6d9972bc4b300761eca5c84024a792f598398ef4ad6de87a7d3875d9195"
    )
    assert mark.hex() == "6f848133b3c0126446a1bb2b46a52ca3"


def test_the_cause_names_the_sinks_before_it_only_where_there_are_any() -> None:
    first = to_document(event("recording.archived", cause=Cause("a1", "archive"), depth=1))
    assert (first["cause"], first["depth"]) == ({"id": "a1", "sink": "archive"}, 1)
    third = to_document(event("recording.archived", cause=Cause("a2", "confirm", ("archive",)), depth=2))
    assert (third["cause"], third["depth"]) == ({"id": "a2", "sink": "confirm", "earlier": ["archive"]}, 2)


def test_the_seal_and_the_vendors_bytes_stay_inside() -> None:
    sealed = event(raw=b"canary", verified=Verified(trust=Trust.FIELDS, scheme="s", key=1, seal=Seal(digest=b"canary")))
    assert "canary" not in to_json(sealed)
    assert to_document(sealed)["data"]["verified"] == {"scheme": "s", "key": 1}


# --- what a person wrote


def test_id_source_and_type_are_enough() -> None:
    found = from_document({"id": "i", "source": "live", "type": "recording.failed"})
    assert (found.id, found.source, found.type, found.provider, found.trust) == (
        "i",
        "live",
        "recording.failed",
        "",
        Trust.NONE,
    )
    assert found.received_at == datetime(1970, 1, 1, tzinfo=UTC)


WHOLE = {"id": "i", "source": "s", "type": "t"}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"source": "s", "type": "t"}, "id: missing"),
        ({**WHOLE, "id": ""}, "id: missing"),
        ({**WHOLE, "id": 5}, "id: int found, text expected"),
        ({**WHOLE, "source": None}, "source: missing"),
        ({**WHOLE, "type": []}, "type: list found"),
        ({**WHOLE, "trust": "much"}, "trust: 'much' is none of none, timestamp"),
        ({**WHOLE, "time": "yesterday"}, "time: "),
        ({**WHOLE, "time": "2026-01-01T00:00:00"}, "time: '2026-01-01T00:00:00' has no time zone"),
        ({**WHOLE, "time": 5}, "time: int found"),
        ({**WHOLE, "data": []}, "data: list found, an object expected"),
        ({**WHOLE, "data": {"stream": 5}}, "stream: int found"),
        ({**WHOLE, "data": {"received_at": True}}, "received_at: bool found"),
        ({**WHOLE, "data": {"files": {}}}, "files: dict found, a list expected"),
        ({**WHOLE, "data": {"files": ["x"]}}, "files: str found, an object for each"),
        ({**WHOLE, "data": {"files": [{"size_bytes": "5"}]}}, "size_bytes: str found, a whole number"),
        ({**WHOLE, "data": {"files": [{"size_bytes": True}]}}, "size_bytes: bool found"),
        ({**WHOLE, "data": {"files": [{"duration_seconds": "5"}]}}, "duration_seconds: str found, a number"),
        ({**WHOLE, "data": {"files": [{"storage": "x"}]}}, "storage: str found"),
        ({**WHOLE, "data": {"files": [{"ended_at": "x"}]}}, "ended_at: "),
        ({**WHOLE, "data": {"error": "x"}}, "error: str found"),
        ({**WHOLE, "data": {"verified": {}}}, "scheme: missing"),
        ({**WHOLE, "data": {"verified": {"scheme": "s", "key": 1.5}}}, "key: float found"),
        ({**WHOLE, "data": {"extra": []}}, "extra: list found"),
    ],
    ids=str,
)
def test_the_field_that_cannot_be_read_is_named(document, words) -> None:
    with pytest.raises(ValueError) as caught:
        from_document(document)
    assert words in str(caught.value)


@given(
    document=st.dictionaries(st.sampled_from(["id", "source", "type", "time", "trust", "data"]), JSON)
    | st.builds(
        lambda data: {**WHOLE, "data": data},
        st.dictionaries(
            st.sampled_from(["files", "verified", "error", "extra", "stream", "problems", "received_at"]), JSON
        ),
    )
)
def test_no_document_raises_anything_but_a_value_error(document) -> None:
    try:
        found = from_document(document)
    except ValueError:
        return
    assert found.id


def test_every_type_of_event_has_a_document() -> None:
    assert [to_document(one)["type"] for one in events()] == list(EVENT_TYPES)
