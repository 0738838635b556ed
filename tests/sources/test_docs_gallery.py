"""Each vendor of the gallery in docs/sources.md signs as it does, and is understood."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway import (
    Trust,
    Untrusted,
)
from gateway.testing import NOW, callback

from .documented import EXAMPLES, SOURCES, source_of

AT = int(NOW.timestamp())

GALLERY: dict[str, tuple[dict[str, Any], Callable[[bytes], dict[str, str]], tuple[str, str | None]]] = {
    "# Daily.co": (
        {"type": "recording.ready-to-download", "id": "1", "event_ts": 1700000000.5, "payload": {"room_name": "room"}},
        lambda body: {
            "X-Webhook-Timestamp": str(AT),
            "X-Webhook-Signature": base64.b64encode(_hmac(b"%d.%b" % (AT, body))).decode(),
        },
        ("recording.file.completed", "room"),
    ),
    "# api.video": (
        {"type": "video.source.recorded", "emittedAt": "2024-01-01T00:00:00Z", "videoId": "v", "liveStreamId": "room"},
        lambda body: {"X-Api-Video-Signature": _hmac(body).hex()},
        ("recording.file.completed", "room"),
    ),
    "# Tencent RTC": (
        {"EventGroupId": 3, "EventType": 301, "CallbackTs": 1752580150082, "EventInfo": {"RoomId": 20015}},
        lambda body: {"Sign": base64.b64encode(_hmac(body)).decode(), "SdkAppId": "1"},
        ("recording.started", "20015"),
    ),
    "# Huawei SparkRTC": (
        {"event_type": "RECORD_FILE_COMPLETE", "stream_name": "room", "app_id": "a", "job_id": "j", "file_size": 5},
        lambda body: {
            "X-Rtc-Rand": "r4nd",
            "X-Rtc-Timestamp": str(AT),
            "X-Rtc-Signature": _hmac(b"r4nd%d%b" % (AT, body)).hex(),
        },
        ("recording.file.completed", "room"),
    ),
    "# Bunny Stream": (
        {"VideoLibraryId": 133, "VideoGuid": "657b", "Status": 3},
        lambda body: {"X-BunnyStream-Signature": _hmac(body).hex()},
        ("recording.file.completed", None),
    ),
    "# a signature in the manner of GitHub": (
        {"a": 1},
        lambda body: {"X-Hub-Signature-256": f"sha256={_hmac(body).hex()}"},
        ("recording.unknown", None),
    ),
    "# a signature in the manner of Stripe": (
        {"a": 1},
        lambda body: {"X-Signature": f"t={AT},v1={_hmac(b'%d.%b' % (AT, body)).hex()},v0=old"},
        ("recording.unknown", None),
    ),
}


def _hmac(text: bytes) -> bytes:
    return hmac.new(b"k" * 32, text, hashlib.sha256).digest()


@pytest.mark.parametrize("title", GALLERY)
def test_each_vendor_of_the_gallery_is_understood_as_it_signs(title: str, tmp_path: Path) -> None:
    (text,) = [text for text in EXAMPLES if text.startswith(title)]
    said, headers, (type, stream) = GALLERY[title]
    source = source_of(text, tmp_path)
    body = json.dumps(said, indent="\t").encode()
    received = callback(body, headers=headers(body))
    verified = source.verify(received)
    (event,) = source.normalise(received, verified)
    assert (event.type, event.stream, event.problems, verified.trust) == (type, stream, (), Trust.BODY)
    with pytest.raises(Untrusted):
        source.verify(callback(body + b" ", headers=headers(body)))


def test_every_vendor_of_the_gallery_is_tried() -> None:
    assert [text.splitlines()[0] for text in EXAMPLES if text.startswith("#")] == [
        line for line in SOURCES.splitlines() if any(line.startswith(title) for title in GALLERY)
    ]
