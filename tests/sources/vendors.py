"""Sources of every vendor, ready to be played and tried."""

from __future__ import annotations

from typing import Any

from gateway import Source
from gateway.plugin.registry import Registry

KEY = "0123456789abcdef0123456789abcdef"
OLD_KEY = "an-older-key-that-is-still-in-use"
WHSEC = "whsec_" + "c2VjcmV0" * 6
URL = "https://hooks.example.com/hooks/live?account=1"

OF_HMAC: dict[str, Any] = {
    "header": "X-Signature",
    "signed": "{timestamp}.{body}",
    "timestamp_header": "X-Timestamp",
    "event": {
        "type": "body.event",
        "types": {
            "rec.begun": "recording.started",
            "rec.done": "recording.file.completed",
            "rec.failed": "recording.failed",
            "ping": "ignore",
        },
        "identity": ["body.id"],
        "time": "body.at",
        "app": "body.channel.app",
        "stream": "body.channel.name",
        "error_message": "body.why",
        "files": "body.files",
        "file": {
            "format": "file.container",
            "download_url": "file.href",
            "size_bytes": "file.bytes",
            "duration_seconds": "double(file.ms) / 1000.0",
            "key": "file.key",
        },
    },
}
NEEDED: dict[str, dict[str, Any]] = {
    "huawei-live": {"keys": [KEY, OLD_KEY], "domains": ["push.example.com"], "apps": ["live"]},
    "standard-webhooks": {"secrets": [WHSEC]},
    "hmac": {"keys": [KEY, OLD_KEY], **OF_HMAC},
    "rfc9421": {"keys": [KEY, OLD_KEY], "event": OF_HMAC["event"]},
    "tencent-css": {"keys": [KEY, OLD_KEY]},
    "alibaba-live": {"keys": [KEY, OLD_KEY], "callback_hosts": ["hooks.example.com", "old.example.com"]},
    "volcengine-live": {"keys": [KEY, OLD_KEY]},
    "mux": {"keys": [KEY, OLD_KEY]},
    "cloudflare-stream": {"keys": [KEY, OLD_KEY]},
    "livekit": {"keys": {"APInew": KEY, "APIold": OLD_KEY}},
    "agora": {"keys": [KEY, OLD_KEY]},
    "zoom": {"keys": [KEY, OLD_KEY]},
    "twilio": {"keys": [KEY, OLD_KEY], "url": URL},
}
"""The least that a source of each type is configured with."""

_registry = Registry()


def make(type: str, **options: Any) -> Source:
    """A source of this type called `live`."""
    cls = _registry.source(type)
    return cls("live", cls.Options.model_validate(NEEDED[type] | options))
