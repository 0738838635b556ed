"""What people see of settings, of times and of how long attempts took."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

import pytest
from pydantic import BaseModel

from gateway.admin.shown_settings import masked
from gateway.admin.sink_states import latency
from gateway.admin.timestamps import milliseconds, moment, stamp
from gateway.fields import MASK, Secret
from gateway.runtime.activity import SPREAD_MS

CANARY = "canary-0123456789abcdef"


class Colour(Enum):
    RED = "red"


@dataclass
class Place:
    path: str
    key: Secret


class Options(BaseModel, arbitrary_types_allowed=True):
    keys: tuple[Secret, ...]
    wait: timedelta
    headers: dict[str, str]
    colour: Colour
    token_names: list[str]
    place: Place


def test_settings_are_shown_as_people_write_them_and_no_secret_of_them_is() -> None:
    options = Options(
        keys=(Secret(CANARY),),
        wait=timedelta(days=7),
        headers={"X-Token": CANARY, "X-Colour": "red"},
        colour=Colour.RED,
        token_names=["first"],
        place=Place(f"https://example.com/a?sig={CANARY}", Secret(CANARY)),
    )
    shown = masked({"sinks": [options], "sets": {3}, "none": None})
    assert CANARY not in str(shown)
    [sink] = shown["sinks"]
    assert sink["keys"] == [MASK]
    assert sink["wait"] == "7d"
    assert sink["headers"] == {"X-Token": MASK, "X-Colour": "red"}
    assert sink["colour"] == "red"
    assert sink["token_names"] == ["first"]  # a field of ours is a secret by its type, not by its name
    assert sink["place"]["key"] == MASK
    assert (shown["sets"], shown["none"]) == ([3], None)


def test_a_time_is_read_as_it_is_written() -> None:
    assert moment(1_767_225_600_001) == "2026-01-01T00:00:00.001Z"
    assert milliseconds(moment(1_767_225_600_001)) == 1_767_225_600_001
    assert milliseconds("2026-01-01T01:00:00+01:00") == 1_767_225_600_000
    assert stamp(None) is None
    with pytest.raises(ValueError, match="needs its zone"):
        milliseconds("2026-01-01T00:00:00")


def test_half_and_nearly_all_of_the_attempts_took_no_longer_than_is_said() -> None:
    counts = [0] * (len(SPREAD_MS) + 1)
    assert latency(counts) is None
    counts[0], counts[3], counts[-1] = 50, 49, 1
    found = latency(counts)
    assert found is not None
    assert (found.p50, found.p95, found.p99) == (SPREAD_MS[0] / 1000, SPREAD_MS[3] / 1000, SPREAD_MS[3] / 1000)
    counts[-1] = 9_999
    found = latency(counts)
    assert found is not None
    assert found.p50 == SPREAD_MS[-1] / 1000  # the last bound, for whatever took longer
