"""docs/event.md says what the code does."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from gateway import (
    ALARM_TYPES,
    EVENT_TYPES,
    Alarm,
    Archived,
    Cause,
    Event,
    File,
    Measured,
    Trust,
    from_document,
    to_document,
)
from gateway.testing import callback
from plugins.sources.huawei_live import HuaweiLive, HuaweiLiveOptions

from .documented import EVENT, KEY, RECEIVED_AT, block, table


def documented() -> Event:
    options = {"keys": [KEY], "domains": ["push.example.com"], "apps": ["live"]}
    source = HuaweiLive("live", HuaweiLiveOptions.model_validate(options))
    received = callback(block(EVENT, "callback").encode(), received_at=RECEIVED_AT)
    (event,) = source.normalise(received, source.verify(received))
    return event


def test_the_example_is_what_the_source_makes_of_the_callback() -> None:
    event = documented()
    assert to_document(event) == json.loads(block(EVENT, "event"))
    again = from_document(json.loads(block(EVENT, "event")), raw=event.raw)
    assert to_document(again) == to_document(event)


def test_every_field_is_described_where_it_stands_and_no_other() -> None:
    document = json.loads(block(EVENT, "event"))
    around = list(table(EVENT, "## Around it"))
    assert [name for name in around if name not in {"supersedes", "cause", "depth", "reconciled"}] == list(document)
    follow_up = replace(documented(), supersedes="another", cause=Cause("1", "archive"), depth=1, reconciled=True)
    assert around == list(to_document(follow_up))
    assert table(EVENT, "## Inside `data`").keys() == document["data"].keys()
    look = Measured(at=RECEIVED_AT, by="archive")
    known = File(expires_at=RECEIVED_AT, sha256="00", measured=look, confirmed=look, archived=Archived(url="s3://a/b"))
    whole = to_document(replace(documented(), files=(known,)))["data"]["files"][0]
    assert list(table(EVENT, "## Inside each of `files`")) == list(whole)
    described = {**table(EVENT, "## Around it"), **table(EVENT, "## Inside `data`")}
    assert list(table(EVENT, "## Alarms")) == list(ALARM_TYPES)
    assert list(table(EVENT, "### Inside `data` of an alarm")) == list(Alarm.__struct_fields__)
    told_in_words = {"alarm", "raw", "raw_type", "variant"}
    assert set(Event.__struct_fields__) - told_in_words == described.keys() & set(Event.__struct_fields__)
    assert list(File.__struct_fields__) == list(table(EVENT, "## Inside each of `files`"))


def test_every_type_and_every_trust_is_described() -> None:
    assert list(table(EVENT, "## Types")) == list(EVENT_TYPES)
    assert list(table(EVENT, "## Trust")) == list(Trust)


@pytest.mark.parametrize("name", ["raw", "stream", "files", "error", "source"])
def test_what_is_said_of_python_is_so(name) -> None:
    assert hasattr(documented(), name)
