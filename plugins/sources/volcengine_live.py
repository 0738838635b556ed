"""The source `volcengine-live`: callbacks of Volcengine Live, whose recording message no page at hand describes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from gateway import RECORDING_UNKNOWN, Callback, Event, Scene, Verified
from plugins.sources.common.built_event import build_event, contents
from plugins.sources.common.fields import Reading
from plugins.sources.common.md5_token import Md5Token

# volcengine.com/docs/6469/1126932 (the signature, the messages of a stream), 178786, 93892
_AUTH: Final = ("sign", "t")
_RECORD: Final = "record"


class VolcengineLive(Md5Token):
    """Callbacks of Volcengine Live, as `recording.unknown` with all their fields. docs/sources.md says why."""

    type: ClassVar[str] = "volcengine-live"
    starter: ClassVar[str] = """\
keys:
  - @KEY@   # the same key goes into the callback settings of the console
"""
    lacks: ClassVar[Sequence[str]] = ("project_id",)
    scenes: ClassVar[Sequence[str]] = (_RECORD,)

    def normalise(self, callback: Callback, verified: Verified) -> Sequence[Event]:
        """One event of the type `recording.unknown`: what is not documented is kept, not guessed at."""
        document = callback.json()
        reading = Reading(document)
        reading.drop(*_AUTH, "fp_user_url")  # the push parameters hold the publisher's own signature
        return (
            build_event(
                self,
                callback,
                verified,
                reading,
                type=RECORDING_UNKNOWN,
                vendor_type=reading.label("event_type"),
                identity=[contents(document, _AUTH)],
                domain=reading.text("domain"),
                app=reading.text("app"),
                stream=reading.text("stream"),
                time=reading.moment("time"),
            ),
        )

    def example_document(self, type: str, scene: Scene, unique: str) -> dict[str, object]:
        now = int(scene.now.timestamp())
        return {
            "event_type": type,
            "vhost": "example.com",
            "domain": "push.example.com",
            "app": "live",
            "stream": f"stream-{scene.number}",
            "session_id": unique[:32],
            "time": now,
            "time_ms": now * 1000,
        }
