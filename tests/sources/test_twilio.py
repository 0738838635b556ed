"""Twilio's signature joins everything and never ends: one signature carries one content, and trust says where it may be cut."""

from __future__ import annotations

import base64
import hmac
from typing import Any
from urllib.parse import urlencode

import pytest

from gateway import Callback, Trust, Verified
from gateway.testing import NOW, FrozenClock, callback, running
from plugins.sources.common.unseparated import joined
from plugins.sources.twilio import covered
from tests.sources.vendors import KEY, NEEDED, OLD_KEY, URL, make

CALL = {
    "AccountSid": "AC" + "0" * 32,
    "CallSid": "CA" + "1" * 32,
    "ErrorCode": "0",
    "RecordingChannels": "1",
    "RecordingDuration": "120",
    "RecordingSid": "RE" + "a" * 32,
    "RecordingSource": "StartCallRecordingAPI",
    "RecordingStartTime": "Thu, 01 Jan 2026 00:00:00 +0000",
    "RecordingStatus": "completed",
    "RecordingUrl": "https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/RE1",
}
ROOM = {
    "AccountSid": "AC" + "0" * 32,
    "CompositionSid": "CJ" + "b" * 32,
    "Duration": "120",
    "MediaUri": "/v1/Compositions/CJ1/Media",
    "RoomName": "main hall",
    "RoomSid": "RM" + "c" * 32,
    "Size": "3957964",
    "StatusCallbackEvent": "composition-available",
    "Timestamp": "2026-01-01T00:00:00.000Z",
}


def sent(fields: list[tuple[str, str]], signed: dict[str, str], key: str = KEY, algorithm: str = "sha1") -> Callback:
    made = hmac.new(key.encode(), (URL + joined(list(signed.items()))).encode(), algorithm).digest()
    headers = {
        "X-Twilio-Signature": base64.b64encode(made).decode(),
        "content-type": "application/x-www-form-urlencoded",
    }
    return callback(urlencode(fields).encode(), headers=headers)


def verified(said: dict[str, str], **how: Any) -> Verified:
    return make("twilio").verify(sent(list(said.items()), said, **how))


def cuts(said: dict[str, str]) -> list[list[tuple[str, str]]]:
    """What the holder of one captured form may send under its signature: a byte or a field moved, a field made or hidden."""
    pairs = sorted(said.items())
    found = []
    for at, (name, value) in enumerate(pairs):
        rest = pairs[:at] + pairs[at + 1 :]
        for by in (1, 2, len(name) // 2):
            found.append([*rest, (name[:-by], name[-by:] + value)])  # from a name into its value
        found += [[*rest, (name + value[:by], value[by:])] for by in range(1, len(value) + 1)]  # and back
        found += [[*rest, (name, value[:by]), (value[by:], "")] for by in range(1, len(value))]  # a field of its end
        found += [[*rest, (name, value[:by]), (value[by : by + 9], value[by + 9 :])] for by in range(1, len(value))]
        if at + 1 < len(pairs):  # the next field hidden in this one
            other, text = pairs[at + 1]
            found.append([*pairs[:at], (name, value + other + text), *pairs[at + 2 :]])
            found += [
                [*pairs[:at], (name, value + other[:by]), (other[by:], text), *pairs[at + 2 :]]
                for by in range(1, len(other))
            ]
    return [fields for fields in found if joined(fields) == joined(pairs) and all(name for name, _ in fields)]


@pytest.mark.parametrize(
    "said", [CALL, ROOM, ROOM | {"RoomName": "fooRoomSidRM" + "d" * 32}], ids=["call", "room", "hostile"]
)
def test_no_other_cut_of_a_captured_form_has_its_trust_or_is_another_content(said: dict[str, str]) -> None:
    genuine = verified(said)
    tried = cuts(said)
    assert len(tried) > 100
    for fields in tried:
        forged = make("twilio").verify(sent(fields, said))
        assert forged.seal == genuine.seal
        assert forged.seal is not None
        assert forged.seal.most == 1
        if dict(fields) != said:
            assert forged.trust is Trust.TIMESTAMP, fields


@pytest.mark.parametrize(
    ("said", "trust"),
    [
        (CALL, "body"),
        (ROOM, "body"),
        (ROOM | {"RoomName": "Size and Type matter: Übung"}, "body"),
        (CALL | {"AccountTier": "x"}, "fields"),  # a name nobody knows, behind one whose end is known
        (CALL | {"Zeta": "x"}, "timestamp"),  # it may be the end of the address
        (CALL | {"CallSid": "CA1"}, "timestamp"),
        (CALL | {"RecordingSid": "RE" + "A" * 32}, "timestamp"),
        (CALL | {"RecordingDuration": "1x"}, "timestamp"),
        (CALL | {"RecordingUrl": "https://a/RecordingStatus"}, "timestamp"),
        (CALL | {"RecordingUrl": "https://a/?u=https://b"}, "timestamp"),
        (CALL | {"a.b": "x"}, "timestamp"),
        ({"Custom": "x"}, "timestamp"),
    ],
    ids=str,
)
def test_names_and_sids_are_held_to_their_grammar(said: dict[str, str], trust: str) -> None:
    assert verified(said).trust.value == trust


def test_a_pair_that_is_there_twice_is_the_same_form_and_two_values_of_a_name_are_not() -> None:
    source = make("twilio")
    twice = sent([*CALL.items(), ("RecordingSid", CALL["RecordingSid"])], CALL)
    once = sent(list(CALL.items()), CALL)
    events = [source.normalise(received, source.verify(received))[0] for received in (once, twice)]
    assert events[0].id == events[1].id
    assert events[0].extra == events[1].extra
    assert covered([*CALL.items(), ("RecordingSid", "RE" + "b" * 32)]) is Trust.TIMESTAMP


@pytest.mark.parametrize(("key", "position"), [(KEY, 0), (OLD_KEY, 1)])
def test_a_shared_key_signs_with_sha256(key: str, position: int) -> None:
    found = verified(CALL, key=key, algorithm="sha256")
    assert (found.scheme, found.key, found.trust) == ("hmac-sha256", position, Trust.BODY)
    assert found.seal == verified(CALL, key=key).seal


async def test_one_captured_form_makes_one_event_and_no_more() -> None:
    config = {
        "sources": {"live": {"type": "twilio", **NEEDED["twilio"]}},
        "sinks": {"log": {"type": "recorder"}},
        "routes": [{"to": ["log"]}],
    }
    async with running(config, clock=FrozenClock(NOW)) as gateway:
        for number, fields in enumerate([list(CALL.items()), *cuts(CALL)[::9], list(CALL.items())]):
            received = sent(fields, CALL)
            answer = await gateway.post(received.body, headers=dict(received.headers))
            # past so many contents under one id another one is told to come again
            assert answer.status == 200 or answer.json()["code"] == "too_many_contents", number
        assert len(gateway.delivered("log")) == 1


async def test_progress_callbacks_of_one_composition_are_no_conflicts_of_each_other() -> None:
    config = {"sources": {"live": {"type": "twilio", **NEEDED["twilio"]}}}
    async with running(config, clock=FrozenClock(NOW)) as gateway:
        for done in (10, 20, 30):
            said = {**ROOM, "StatusCallbackEvent": "composition-progress", "PercentageDone": str(done)}
            received = sent(list(said.items()), said)
            answer = await gateway.post(received.body, headers=dict(received.headers), settle=False)
            assert answer.json()["status"] == "accepted"
        assert gateway.metric("held_total", source="live", reason="conflict") in (None, 0)


ODD = {
    "NUL": ("ErrorMessage", "a\0b", "a\ufffdb"),
    "a long text": ("ErrorMessage", "x" * 70_000, "x" * 65_536),
    "NUL in a name": ("Odd\0Name", "1", None),
    "a long name": ("k" * 300, "1", None),
    "NUL in what names it": ("RecordingSid", "RE\0" + "0" * 31, None),
}


@pytest.mark.parametrize("name", ODD)
async def test_what_is_odd_in_a_verified_form_is_repaired_and_named(name: str) -> None:
    field, value, kept = ODD[name]
    said = {"RecordingSid": "RE" + "1" * 32, "RecordingStatus": "failed", "CallSid": "CA" + "2" * 32, field: value}
    received = sent(list(said.items()), said)
    config = {"sources": {"calls": {"type": "twilio", "keys": [KEY], "url": URL}}}
    async with running(config, clock=FrozenClock(NOW)) as gateway:
        headers = {**received.headers, "content-type": "application/x-www-form-urlencoded"}
        answer = await gateway.post(received.body, headers=headers)
        assert answer.status == 200, answer.body
        (event,) = gateway.events()
        assert event.raw == received.body
        assert event.problems, event
        if kept is not None:
            assert kept in (event.error.message if event.error else "", *event.extra.values())
        forged = received.body.replace(b"failed", b"failee")
        assert (await gateway.post(forged, headers=headers)).status == 401


async def test_two_forms_that_are_repaired_alike_are_two_events() -> None:
    config = {"sources": {"calls": {"type": "twilio", "keys": [KEY], "url": URL}}}
    async with running(config, clock=FrozenClock(NOW)) as gateway:
        for sid in ("RE\0" + "0" * 31, "RE\ufffd" + "0" * 31):
            said = {"RecordingSid": sid, "RecordingStatus": "completed", "CallSid": "CA" + "2" * 32}
            received = sent(list(said.items()), said)
            headers = {**received.headers, "content-type": "application/x-www-form-urlencoded"}
            answer = await gateway.post(received.body, headers=headers)
            assert answer.json()["status"] == "accepted", answer.body
        assert len({event.id for event in gateway.events()}) == 2


@pytest.mark.parametrize(
    "started",
    ["Fri, 31 Dec 9999 23:59:59 -1400", "Thu, 01 Jan 2026 00:00:00", "Thu, 99 Jan 2026 00:00:00 +0000", "soon"],
)
def test_a_time_of_a_call_that_cannot_be_read_is_kept_as_it_came(started: str) -> None:
    said = CALL | {"RecordingStartTime": started}
    (event,) = make("twilio").normalise(sent(list(said.items()), said), verified(said))
    assert event.files[0].started_at is None
    assert event.extra["RecordingStartTime"] == started
