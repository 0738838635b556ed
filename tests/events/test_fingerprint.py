"""The fingerprint: the same for what says the same, and another for anything else."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.events.cloudevents import fingerprint, format_time, render, to_document, to_json
from gateway.model import (
    Fault,
    Trust,
    Verified,
)
from gateway.testing.factories import NOW, event

# --- fingerprints


def test_the_fingerprint_ignores_when_it_came_and_how_it_was_signed() -> None:
    one = event()
    other = replace(
        one,
        received_at=NOW + timedelta(days=1),
        verified=Verified(trust=Trust.FIELDS, scheme="another", key=3),
        trust=Trust.TIMESTAMP,
        raw=b"other",
    )
    assert fingerprint(one) == fingerprint(other)
    assert len(fingerprint(one)) == 16


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "x"},
        {"type": "x"},
        {"source": "x"},
        {"time": NOW},
        {"time": None},
        {"stream": "x"},
        {"files": ()},
        {"error": Fault(code="x")},
        {"problems": ("x",)},
        {"extra": {"x": 1}},
    ],
    ids=str,
)
def test_the_fingerprint_changes_with_what_is_said(changes) -> None:
    assert fingerprint(replace(event(), **changes)) != fingerprint(event())


def test_the_fingerprint_does_not_depend_on_the_order_of_the_vendors_fields() -> None:
    one = event(extra={"a": {"x": 1, "y": 2}, "b": 1})
    other = replace(one, extra={"b": 1, "a": {"y": 2, "x": 1}})
    assert fingerprint(one) == fingerprint(other)
    assert fingerprint(one) != fingerprint(replace(one, extra={"a": {"x": 2, "y": 1}, "b": 1}))


TRAPS = st.sampled_from(['"data":', ',"received_at":', '},"data":{', "}", '\\",\\"received_at\\":', ""]) | st.text(
    max_size=4
)


@given(source=TRAPS, stream=TRAPS, message=TRAPS, scheme=TRAPS, kind=TRAPS, at=st.none() | st.just(NOW))
def test_the_fingerprint_is_over_what_the_event_says_whatever_its_texts_hold(
    source: str, stream: str, message: str, scheme: str, kind: str, at: datetime | None
) -> None:
    """Its definition, word for word: ids that were stored by an earlier version must still be known as the same."""
    one = replace(
        event(),
        source=source,
        stream=stream,
        vendor_type=kind,
        error=Fault(message=message),
        time=at,
        extra={},
        verified=Verified(Trust.FIELDS, scheme),
    )
    said = to_document(one)["data"]
    del said["received_at"], said["verified"]
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    named = "\0".join((one.id, one.type, source, "" if at is None else format_time(at), text))
    assert fingerprint(one) == hashlib.sha256(named.encode()).digest()[:16]
    assert render(one)[0] == to_json(one) == json.dumps(to_document(one), ensure_ascii=False, separators=(",", ":"))


def test_what_json_cannot_say_is_told_and_not_stored() -> None:
    for extra in ({"x": float("nan")}, {"x": float("inf")}):
        with pytest.raises(ValueError, match="JSON"):
            to_json(event(extra=extra))
        with pytest.raises(ValueError, match="JSON"):
            render(event(extra=extra))
