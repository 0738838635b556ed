"""Plays the vendor: callbacks with the fields each type carries, signed as the vendor signs them, and the usual forgeries."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol
from urllib.parse import quote
from uuid import UUID

from gateway import (
    FILE_COMPLETED,
    FILE_STARTED,
    RECORDING_ENDED,
    RECORDING_FAILED,
    RECORDING_STARTED,
    Played,
    Scene,
    encode_json,
)
from plugins.sources.huawei_live.options import HuaweiLiveOptions
from plugins.sources.huawei_live.push import PUSH_TYPES
from plugins.vendors.huawei_live import signature

_VALIDITY: Final = timedelta(minutes=20)
_LASTED: Final = timedelta(minutes=2)
_OURS: Final = {
    RECORDING_STARTED: signature.START,
    FILE_STARTED: signature.FILE_START,
    FILE_COMPLETED: signature.FILE_COMPLETE,
    RECORDING_ENDED: signature.OVER,
    RECORDING_FAILED: signature.FAILED,
}


class PlaysHuawei(Protocol):
    """What of a source is needed to play its vendor."""

    name: str
    options: HuaweiLiveOptions

    @property
    def scenes(self) -> Sequence[str]: ...
    def example_names(self) -> tuple[str, str]:
        """A domain and an app that the source takes."""


def play(source: PlaysHuawei, scene: Scene) -> Played:
    """The request of a scene. Raises ValueError for a type, scheme or trick that cannot be played."""
    type = _OURS.get(scene.type, scene.type)
    for pushed, event_type in PUSH_TYPES.items():
        if scene.type in (pushed, event_type):
            return _push(source, scene, pushed)
    if type not in signature.TYPES:
        raise ValueError(f"huawei-live has no callback {scene.type!r}; known: {', '.join(source.scenes)}")
    said = {**_sample(source, type, scene), **scene.fields}
    scheme = _scheme(source, scene)
    if scheme == signature.NONE:
        if scene.tampered or scene.expired:
            raise ValueError("a callback without a signature can be neither tampered with nor expired")
    else:
        said = _sign(source, scheme, said, scene)
    body = encode_json(said)
    return Played(body=body.encode(), headers={"content-type": "application/json"})


def _push(source: PlaysHuawei, scene: Scene, event: str) -> Played:
    """A stream-push callback: always HMAC, its timestamp a number and last in what is signed."""
    domain, app = source.example_names()
    names = {"event": event, "domain": domain, "app": app, "stream": f"stream-{scene.number}"}
    about = {"user_args": "", "client_ip": "192.0.2.1", "node_ip": "192.0.2.2"}
    document: dict[str, Any] = {**names, **about, "publish_timestamp": str(int(scene.now.timestamp())), **scene.fields}
    if source.options.keys:
        document.setdefault("auth_timestamp", _expiry(source, scene))
        fields = "".join(str(document[name]) for name in signature.PUSH_NAMES).encode()
        key = source.options.keys[0].reveal().encode()
        made = signature.sign_push(key, fields, str(document["auth_timestamp"]).encode()).hex()
        document["auth_sign"] = scene.fields.get("auth_sign", made)
        if scene.tampered:
            document["stream"] = f"{document['stream']}-tampered"
    elif scene.tampered or scene.expired:
        raise ValueError("a callback without a signature can be neither tampered with nor expired")
    body = encode_json(document)
    return Played(body=body.encode(), headers={"content-type": "application/json"})


def _scheme(source: PlaysHuawei, scene: Scene) -> str:
    if scene.scheme is None:
        return source.options.sign_type[0]
    scheme = signature.schemes_of(scene.scheme)[0]
    if scheme != signature.NONE and not source.options.keys:
        raise ValueError(f"source {source.name} has no key to sign with (sign_type: none)")
    return scheme


def _sign(source: PlaysHuawei, scheme: str, document: dict[str, Any], scene: Scene) -> dict[str, object]:
    timestamp = document.setdefault("auth_timestamp", str(_expiry(source, scene)))
    fields = "".join(str(document.get(name) or "") for name in signature.NAMES)
    key = source.options.keys[0].reveal().encode()
    made = signature.sign(scheme, key, str(timestamp).encode(), fields.encode()).hex()
    signed = {**document, "auth_sign": made, "auth_timestamp": timestamp, **_own(scene, "auth_sign")}
    if not scene.tampered:
        return signed
    if scheme == signature.FIELDS:
        return {**signed, "stream": f"{document.get('stream')}-tampered"}
    return {**signed, "auth_timestamp": str(int(timestamp) + 1)}  # all that this formula covers


def _own(scene: Scene, name: str) -> dict[str, object]:
    return {name: scene.fields[name]} if name in scene.fields else {}


def _expiry(source: PlaysHuawei, scene: Scene) -> int:
    """Whole seconds since 1970. `number` moves it, since without a job_id it is what tells two events apart."""
    if scene.expired:
        return math.floor((scene.now - source.options.clock_skew).timestamp()) - 60
    seconds = int(min(source.options.max_validity, _VALIDITY).total_seconds()) - 1
    half = max(seconds // 2, 0)
    return math.ceil(scene.now.timestamp()) + half + (scene.number % half if half else 0)


def _sample(source: PlaysHuawei, type: str, scene: Scene) -> dict[str, object]:
    """The fields of the vendor's page: of all types, of files, of finished files, of failures."""
    domain, app = source.example_names()
    digest = hashlib.sha256(f"{source.name}/{scene.number}/{scene.now.isoformat()}".encode()).hexdigest()
    document: dict[str, object] = {
        "project_id": hashlib.sha256(source.name.encode()).hexdigest()[:32],
        "event_type": type,
        "publish_domain": domain,
        "app": app,
        "stream": f"stream-{scene.number}",
        "record_format": "HLS",
    }
    if type in {signature.FILE_START, signature.FILE_COMPLETE}:
        document["job_id"] = str(UUID(digest[:32], version=4))
    if type == signature.FILE_COMPLETE:
        document |= _finished({**document, **scene.fields}, digest, scene.now.astimezone(UTC))
    if type == signature.FAILED:
        document["error_message"] = "the stream could not be pulled"
    return document


def _finished(document: dict[str, object], digest: str, now: datetime) -> dict[str, object]:
    ended = now.replace(microsecond=0) - timedelta(seconds=2)
    started = ended - _LASTED
    extension = {"FLV": "flv", "MP4": "mp4"}.get(str(document["record_format"]).upper(), "m3u8")
    stream = str(document["stream"])[:64]
    name = f"{document['publish_domain']}-{document['app']}-{stream}-{int(started.timestamp())}"
    path = f"{document['app']}/record-{name}/record.{extension}"
    return {
        "download_url": f"https://recordings.obs.example.com/{quote(path)}",
        "asset_id": digest[32:],
        "play_url": f"https://vod.example.com/asset/{digest[32:]}/{digest[:32]}.{extension}",
        "file_size": 3_957_964,
        "record_duration": int(_LASTED.total_seconds()),
        "start_time": f"{started:%Y-%m-%dT%H:%M:%SZ}",
        "end_time": f"{ended:%Y-%m-%dT%H:%M:%SZ}",
        "width": 1280,
        "height": 720,
        "obs_location": "https://obs.example.com",
        "obs_bucket": "recordings",
        "obs_object": path,
    }
