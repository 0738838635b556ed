"""What each vendor's callback becomes: types, fields, units, names, and what is left out."""

from __future__ import annotations

from typing import Any

import pytest

from gateway import (
    RECORDING_UNKNOWN,
    Scene,
)
from gateway.events.cloudevents import fingerprint
from gateway.testing import NOW, callback
from tests.sources.normalised import VERIFIED, form, one, read
from tests.sources.vendors import NEEDED, make

# --- all of them


@pytest.mark.parametrize("type", sorted(set(NEEDED) - {"huawei-live"}))
def test_what_is_played_leaves_no_problem(type: str) -> None:
    source = make(type)
    for scene in source.scenes:
        received = callback(source.play(Scene(type=scene, number=7, now=NOW)))
        for event in source.normalise(received, VERIFIED):
            assert event.problems == (), scene
            if type != "volcengine-live":
                call = f"CA{7:032x}"  # a call's Sid has a form of its own
                assert event.stream in {"stream-7", "7", call if type == "twilio" else ""}, scene


NOT_RECORDINGS: list[tuple[str, Any]] = [
    ("tencent-css", {"event_type": 0}),
    ("tencent-css", {"event_type": 1}),
    ("tencent-css", {"event_type": 200}),
    ("mux", {"type": "system.webhook.test", "id": "1"}),
    ("livekit", {"event": "participant_joined", "id": "EV_1"}),
    ("agora", {"productId": 1, "eventType": 101}),
    ("zoom", {"event": "meeting.started"}),
    ("zoom", {"event": "endpoint.url_validation", "payload": {"plainToken": "x"}}),
    ("twilio", form(StatusCallbackEvent="participant-connected", RoomSid="RM1")),
    ("hmac", {"event": "ping"}),
]


@pytest.mark.parametrize(("type", "said"), NOT_RECORDINGS, ids=str)
def test_what_is_known_to_be_no_recording_makes_no_event(type: str, said: Any) -> None:
    assert read(type, said) == ()


@pytest.mark.parametrize("type", sorted(set(NEEDED) - {"huawei-live", "twilio", "standard-webhooks"}))
@pytest.mark.parametrize(
    "said", [{}, {"type": 5, "event": [], "event_type": {}, "data": 7, "payload": [1], "status": "x"}]
)
def test_a_verified_callback_that_says_nothing_we_know_is_unknown_and_never_refused(type: str, said: Any) -> None:
    event = one(type, said)
    assert event.type == RECORDING_UNKNOWN
    assert event.id != one(type, {**said, "another": 1}).id
    kept = {**event.extra}
    assert all(name in kept for name in event.problems), event.problems


RETRIES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("tencent-css", {"event_type": 100, "file_id": "1", "t": 1, "sign": "a"}, {"t": 2, "sign": "b"}),
    ("tencent-css", {"event_type": 332, "record_event": "record_ended", "t": 1, "sign": "a"}, {"t": 2, "sign": "b"}),
    ("volcengine-live", {"event_type": "record", "t": 1, "sign": "a"}, {"t": 2, "sign": "b"}),
    ("mux", {"type": "video.asset.ready", "id": "1", "attempts": []}, {"attempts": [{"id": "2"}]}),
    ("mux", {"type": "video.asset.ready", "attempts": []}, {"attempts": [{"id": "2"}]}),
    ("agora", {"noticeId": "1", "eventType": 40, "notifyMs": 1}, {"notifyMs": 2}),
    ("agora", {"eventType": 40, "notifyMs": 1}, {"notifyMs": 2}),
    ("livekit", {"event": "egress_ended", "id": "EV_1", "numDropped": 0}, {"numDropped": 3}),
    ("zoom", {"event": "recording.completed", "event_ts": 1, "download_token": "a"}, {"download_token": "b"}),
]


@pytest.mark.parametrize(("type", "said", "again"), RETRIES, ids=str)
def test_another_try_is_the_same_event_with_the_same_content(type: str, said: Any, again: Any) -> None:
    first, second = one(type, said), one(type, {**said, **again})
    assert first.id == second.id
    assert fingerprint(first) == fingerprint(second)
