"""A credential of the vendor travels with no event, whichever source it came by, a plugin's own included."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway import (
    RECORDING_UNKNOWN,
    Callback,
    Event,
    Scene,
    Source,
    Trust,
    Verified,
    sign_webhook,
    signing_key,
    to_json,
)
from gateway.plugin import contract
from gateway.testing import NOW, callback
from tests.sources.vendors import NEEDED, WHSEC, make

SECRET = "s3cr3t-of-the-vendor"
SAID: dict[str, Any] = {
    "stream_key": SECRET,
    "outer": {"playbackJwt": SECRET, "list": [[{"api-key": SECRET, "token_count": 3}]], "public_key": "pk"},
    "simulcast_targets": [{"url": "rtmp://x", "stream_key": SECRET}],
    "storage": {"key": "live/a.mp4"},
}
LEFT_OUT = {
    "stream_key",
    "outer.playbackJwt",
    "outer.list[0][0].api-key",
    "simulcast_targets[0].stream_key",
}


def taken(source: Source, received: Callback) -> list[Event]:
    return list(contract.checked(source, received, source.normalise(received, source.verify(received))))


@pytest.mark.parametrize("type", sorted(set(NEEDED) - {"standard-webhooks", "twilio"}))
def test_what_names_a_credential_is_left_out_of_every_vendors_events_and_named(type: str) -> None:
    source = make(type)
    for scene in source.scenes:
        for event in taken(source, callback(source.play(Scene(type=scene, number=1, now=NOW, fields=SAID)))):
            assert SECRET not in to_json(event)
            assert SECRET.encode() in event.raw
            assert set(event.problems) >= LEFT_OUT, scene
            assert event.extra["outer"] == {"list": [[{"token_count": 3}]], "public_key": "pk"}
            assert event.extra["storage"] == {"key": "live/a.mp4"}


def test_a_form_and_a_standard_webhook_keep_credentials_in_too() -> None:
    source = make("twilio")
    (event,) = taken(
        source, callback(source.play(Scene(type="completed", number=1, now=NOW, fields={"StreamKey": SECRET})))
    )
    assert SECRET not in to_json(event)
    assert event.problems == ("StreamKey",)
    body = json.dumps(SAID).encode()
    at = int(NOW.timestamp())
    headers = {
        "webhook-id": "m1",
        "webhook-timestamp": str(at),
        "webhook-signature": sign_webhook("m1", at, body, [signing_key(WHSEC)]),
    }
    (event,) = taken(make("standard-webhooks"), callback(body, headers=headers))
    assert SECRET not in to_json(event)
    assert set(event.problems) == LEFT_OUT


def test_mux_keeps_the_stream_key_of_a_live_stream_out_of_its_events() -> None:
    source = make("mux")
    targets = [{"id": "t", "url": "rtmp://live.example.com/app", "stream_key": SECRET}]
    data = {
        "id": "live",
        "status": "active",
        "stream_key": SECRET,
        "simulcast_targets": targets,
        "srt_passphrase": SECRET,
    }
    scene = Scene(type="video.live_stream.recording", number=1, now=NOW, fields={"data": data})
    (event,) = taken(source, callback(source.play(scene)))
    assert SECRET not in to_json(event)
    assert event.problems == ("data.stream_key", "data.simulcast_targets[0].stream_key", "data.srt_passphrase")
    assert event.extra["data"]["simulcast_targets"] == [{"id": "t", "url": "rtmp://live.example.com/app"}]


def test_a_plugin_that_passes_everything_on_passes_no_credential() -> None:
    class Naive(Source):
        type = "naive"

        def verify(self, callback: Callback) -> Verified:
            return Verified(trust=Trust.BODY, scheme="x")

        def normalise(self, callback: Callback, verified: Verified) -> list[Event]:
            return [
                Event(id="1", type=RECORDING_UNKNOWN, source=self.name, provider="naive", received_at=callback.received_at,
                      extra=callback.json(), job_id="stream_key", problems=("before",))
            ]  # fmt: skip

    (event,) = taken(Naive("live", None), callback(SAID))
    assert SECRET not in to_json(event)
    assert event.problems[0] == "before"
    assert set(event.problems) == LEFT_OUT | {"before"}
    assert event.job_id == "stream_key"
