"""The normal form: what is final, how things are named, how trust compares."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import model
from gateway.model import Event, Seal, Trust, Verified, event_id
from gateway.testing import factories


def test_the_id_is_the_documented_hash_over_canonical_json() -> None:
    text = '["live","recording.started","push.example.com","live","直播",null,"1583676745",null]'
    expected = hashlib.sha256(text.encode()).hexdigest()[:32]
    named = event_id("live", "recording.started", "push.example.com", "live", "直播", None, ["1583676745", None])
    assert named == expected == "d6b0da7016c6cb263e86c3db7595e2a6"


VALUES = st.none() | st.text(max_size=3) | st.integers(-2, 2) | st.booleans() | st.lists(st.integers(0, 1), max_size=2)
NAME = st.none() | st.text("ab", max_size=2)
NAMES = st.tuples(NAME, NAME, NAME, NAME)
NAMELESS = (None, None, None, None)


def _named(names: tuple[str | None, str | None, str | None, str | None], identity: list[object]) -> str:
    domain, app, stream, format = names
    return event_id("s", "t", domain, app, stream, format, identity)


@given(one=NAMES, other=NAMES, first=st.lists(VALUES, max_size=3), second=st.lists(VALUES, max_size=3))
def test_two_things_share_an_id_only_where_everything_that_names_them_is_the_same(one, other, first, second) -> None:
    same = json.dumps([*one, *first]) == json.dumps([*other, *second])
    assert (_named(one, first) == _named(other, second)) == same


def test_the_order_of_keys_does_not_name_a_thing() -> None:
    assert event_id("s", "t", *NAMELESS, [{"a": 1, "b": 2}]) == event_id("s", "t", *NAMELESS, [{"b": 2, "a": 1}])


def test_what_json_cannot_say_names_nothing() -> None:
    with pytest.raises(ValueError, match="JSON"):
        event_id("s", "t", *NAMELESS, [float("nan")])


def test_trust_grows_from_nothing_to_the_whole_body() -> None:
    assert [trust.rank for trust in (Trust.NONE, Trust.TIMESTAMP, Trust.FIELDS, Trust.BODY)] == [0, 1, 2, 3]
    assert set(Trust) == {"none", "timestamp", "fields", "body"}


@pytest.mark.parametrize(
    ("parts", "subject"),
    [
        (("d", "a", "s"), "d/a/s"),
        (("d", None, "s"), "d/s"),
        ((None, None, None), ""),
        (("d", "", "s"), "d/s"),
    ],
    ids=str,
)
def test_the_subject_leaves_out_what_is_absent(parts, subject) -> None:
    domain, app, stream = parts
    event = Event(
        id="i", type="t", source="s", provider="p", received_at=factories.NOW, domain=domain, app=app, stream=stream
    )
    assert event.subject == subject


def test_nothing_of_the_model_can_be_changed_afterwards() -> None:
    event = factories.event()
    things = [event, *event.files, event.files[0].storage, factories.delivery(), Seal(digest=b""), event.verified]
    for thing in things:
        assert thing is not None
        name = thing.__struct_fields__[0]
        with pytest.raises(AttributeError):
            setattr(thing, name, "x")
    with pytest.raises(TypeError):
        Event(id="i", type="t", source="s", provider="p", received_at=factories.NOW).extra["x"] = 1  # type: ignore[index]


def test_the_vendors_bytes_are_not_shown_by_accident() -> None:
    assert "canary" not in repr(factories.event(raw=b"canary"))
    assert "canary" not in repr(factories.callback(b"canary"))


def test_there_are_thirteen_types_and_each_can_be_made() -> None:
    assert len(set(model.EVENT_TYPES)) == len(model.EVENT_TYPES) == 13
    assert [event.type for event in factories.events()] == list(model.EVENT_TYPES)


# --- the factories of gateway.testing


def test_events_of_two_numbers_differ_in_their_ids_and_of_one_number_not_at_all() -> None:
    assert factories.event(number=1) == factories.event(number=1)
    assert factories.event(number=1).id != factories.event(number=2).id
    assert factories.event(stream="other").id != factories.event().id
    assert factories.event(id="mine").id == "mine"


def test_a_delivery_is_of_the_given_event_and_says_what_it_is_told() -> None:
    event = factories.event("recording.failed")
    delivery = factories.delivery(event, sink="ops", attempt=3, id=9, memo={"a": 1}, replay=True)
    assert (delivery.event, delivery.sink, delivery.attempt, delivery.id, delivery.replay) == (event, "ops", 3, 9, True)
    assert factories.delivery().deadline > factories.delivery().first_attempt_at


def test_a_callback_is_made_from_bytes_from_an_object_and_from_what_was_played() -> None:
    from gateway.plugin import Played

    assert factories.callback(b"{}").json() == {}
    assert factories.callback({"a": "é"}, source="other").body == '{"a": "é"}'.encode()
    assert factories.callback({}, source="other").path == "/hooks/other"
    played = factories.callback(Played(body=b"x", headers={"x-sign": "1"}), headers={"X-More": "2"})
    assert (played.body, played.headers["X-Sign"], played.headers["x-more"]) == (b"x", "1", "2")


def test_verified_says_nothing_of_a_key_where_there_is_none() -> None:
    verified = Verified(trust=Trust.NONE, scheme="none")
    assert (verified.key, verified.seal) == (None, None)


def test_two_verdicts_of_one_signature_are_one_however_long_it_is_good_and_whatever_could_be_better() -> None:
    one = Verified(trust=Trust.FIELDS, scheme="hmac", key=0, seal=Seal(digest=b"x"))
    same = one.replace(validity=7.0, hint="say more")
    assert one == same
    assert len({one, same, one.replace(key=1), one.replace(seal=None)}) == 3
    assert one != "hmac"


def test_trust_scheme_and_key_may_be_given_in_this_order_and_nothing_more() -> None:
    assert Verified(Trust.BODY, "hmac-sha256", 1) == Verified(trust=Trust.BODY, scheme="hmac-sha256", key=1)
    with pytest.raises(TypeError):
        Verified(Trust.BODY, "hmac-sha256", 1, None)  # type: ignore[call-arg]


def test_what_is_made_of_an_event_is_made_once_and_goes_into_no_copy() -> None:
    event = factories.event(domain="a", app="b", stream="c")
    assert event.subject is event.subject == "a/b/c"
    assert event.replace(app=None).subject == "a/c"
    assert Event.subject.__doc__ == type(event).__dict__["subject"].__doc__
