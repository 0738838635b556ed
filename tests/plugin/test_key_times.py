"""A key that has a time verifies nothing outside of it, with every source that has keys, and its place stays what it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from gateway import Callback, Options, Scene, SigningKey, Source, Untrusted, Verified
from gateway.intake.pipeline import verify
from gateway.model import Trust
from gateway.testing.factories import NOW, callback
from gateway.text.signing_key import keys_of
from tests.sources.vendors import KEY, NEEDED, OLD_KEY, WHSEC, make

OTHER_WHSEC = "whsec_" + "b3RoZXIh" * 6
SECOND = timedelta(seconds=1)


def options_of(type: str, **times: dict[str, Any]) -> dict[str, Any]:
    """The option with the keys of this source, old first; `old` and `new` are their times."""
    first, second = (WHSEC, OTHER_WHSEC) if type == "standard-webhooks" else (OLD_KEY, KEY)
    old, new = {"key": first, "name": "old", **times.get("old", {})}, {"key": second, **times.get("new", {})}
    if type == "livekit":
        return {"keys": {"APIold": old, "APInew": new}}
    return {"secrets" if type == "standard-webhooks" else "keys": [old, new]}


def signed_with(type: str, which: str) -> Callback:
    """A callback signed with the old or the new key alone."""
    only = options_of(type)
    option = next(iter(only))
    place = ("old", "new").index(which)
    some = dict([list(only[option].items())[place]]) if type == "livekit" else [only[option][place]]
    source = make(type, **{option: some})
    return callback(source.play(Scene(type=source.scenes[0], number=1, now=NOW)), received_at=NOW)


def judged(source: Source, received: Callback) -> Verified | str:
    try:
        return verify(source, received, Trust.NONE)
    except Untrusted as error:
        return f"{error.code}: {error.detail}"


@pytest.mark.parametrize("type", NEEDED)
def test_a_key_holds_from_its_begin_until_before_its_end(type: str) -> None:
    old, new = signed_with(type, "old"), signed_with(type, "new")
    for times, fits, place in (
        ({"old": {"valid_until": NOW + SECOND}}, old, 0),
        ({"old": {"valid_until": NOW}}, new, 1),  # its place among all keys, not among those that hold
        ({"new": {"valid_from": NOW}}, new, 1),
        ({"old": {"valid_from": NOW, "valid_until": NOW + SECOND}, "new": {"valid_from": NOW + SECOND}}, old, 0),
    ):
        verified = judged(make(type, **options_of(type, **times)), fits)
        assert isinstance(verified, Verified), (times, verified)
        assert verified.key in (place, None), times
    for times, never, words in (
        ({"old": {"valid_until": NOW}}, old, "[0] (old) until 2025"),
        ({"new": {"valid_from": NOW + SECOND}}, new, "[1] from 2025"),
        ({"old": {"valid_until": NOW}, "new": {"valid_from": NOW + SECOND}}, old, "does not hold now"),
    ):
        said = judged(make(type, **options_of(type, **times)), never)
        assert isinstance(said, str), times
        assert words.replace("2025", str(NOW.year)) in said
        assert KEY not in said
        assert OLD_KEY not in said


def test_a_stranger_hears_of_no_key_whatever_their_times() -> None:
    source = make("mux", keys=[{"key": OLD_KEY, "valid_until": NOW}, {"key": KEY, "valid_from": NOW + SECOND}])
    stranger = make("mux", keys=["a-key-that-is-not-there"])
    said = judged(source, callback(stranger.play(Scene(type=stranger.scenes[0], number=1, now=NOW)), received_at=NOW))
    assert isinstance(said, str)
    assert said.startswith("signature_mismatch: no key holds now: keys[0] until ")


def test_what_is_signed_with_both_keys_passes_by_the_one_that_holds() -> None:
    old, new = (signed_with("standard-webhooks", which) for which in ("old", "new"))
    names = {
        name: " ".join([value, new.headers[name]]) if "signature" in name else value
        for name, value in old.headers.items()
    }
    both = Callback.of("live", old.body, headers=list(names.items()), path=old.path, received_at=NOW)
    source = make("standard-webhooks", **options_of("standard-webhooks", old={"valid_until": NOW}))
    verified = judged(source, both)
    assert isinstance(verified, Verified)
    assert verified.key == 1


def test_a_source_is_made_once_for_each_set_of_keys() -> None:
    source = make("mux", keys=[{"key": OLD_KEY, "valid_until": NOW + SECOND}, KEY])
    received = signed_with("mux", "new")
    for _ in range(3):
        judged(source, received)
    assert source.key_times is not None
    assert len(source.key_times._by_set) == 1
    assert make("mux").key_times is None  # keys without times cost nothing


class Keys(Options):
    key: SigningKey


@pytest.mark.parametrize(
    ("written", "begins"),
    [
        ("2026-12-01", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01T08:00:00+08:00", datetime(2026, 12, 1, tzinfo=UTC)),
        (datetime(2026, 12, 1, 8, tzinfo=timezone(timedelta(hours=8))), datetime(2026, 12, 1, tzinfo=UTC)),
        (datetime(2026, 12, 1).date(), datetime(2026, 12, 1, tzinfo=UTC)),
    ],
)
def test_a_day_begins_at_midnight_in_utc_and_a_time_has_its_zone(written: Any, begins: datetime) -> None:
    key = Keys.model_validate({"key": {"key": KEY, "valid_from": written}}).key
    assert (key.valid_from, key.valid_until, key.name, key.reveal()) == (begins, None, None, KEY)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"key": KEY, "valid_from": "2026-12-01T08:00:00"}, "with its zone"),
        ({"key": KEY, "valid_from": "soon"}, "such as 2026-12-01"),
        ({"key": KEY, "valid_from": 20261201}, "such as 2026-12-01"),
        ({"key": KEY, "valid_until": "0001-01-01T00:00:00+14:00"}, "such as 2026-12-01"),
        ({"key": KEY, "valid_from": "2026-12-01", "valid_until": "2026-12-01"}, "a valid_until after its valid_from"),
        ({"key": KEY, "valid_til": "2026-12-01"}, "not 'valid_til'"),
        ({"name": "old"}, "{key: …"),
        ({"key": KEY, "name": ""}, "a name of 1 to 64"),
        ({"key": KEY, "name": "a\nb"}, "a name of 1 to 64"),
        ({"key": ""}, "not empty"),
        ({"key": ["a"]}, "a secret text"),
        (7, "a secret text"),
    ],
)
def test_what_is_wrong_with_a_key_is_said_without_the_key(written: Any, expected: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Keys.model_validate({"key": written})
    assert expected in raised.value.errors()[0]["msg"]
    assert KEY not in str(raised.value.errors(include_input=False))


def test_a_key_is_known_by_a_mark_that_is_not_the_key_and_stays_when_the_list_changes() -> None:
    first, second = make("mux", keys=[OLD_KEY, KEY]), make("mux", keys=[{"key": KEY, "name": "new"}])
    assert first.key_marks[1] == second.key_marks[0]
    assert first.key_marks[0] != first.key_marks[1]
    assert all(len(mark) == 8 for mark in first.key_marks)
    assert [repr(key) for key in keys_of(first.options)] == ["Secret('********')"] * 2
