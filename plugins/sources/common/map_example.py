"""A callback that an EventMap understands: sample values put where its expressions look for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, timedelta
from typing import Final

from gateway import EVENT_TYPES, FILE_COMPLETED, RECORDING_FAILED, Scene
from plugins.sources.common.event_map import EventMap, Translator

ANY: Final = "callback"  # the one scene of a map that tells no types apart


def scenes_of(map: EventMap) -> tuple[str, ...]:
    """The vendor types that can be played: those that are listed, else ours, else the only one there is."""
    return tuple(map.types) or (EVENT_TYPES if map.type else (ANY,))


def example(map: EventMap, translator: Translator, type: str, scene: Scene, unique: str) -> dict[str, object]:
    """The fields of such a callback. What an expression computes from several fields may come out as a problem."""
    document: dict[str, object] = {"number": scene.number}
    values = _values(map, type, scene, unique)
    if map.types.get(type, type) == FILE_COMPLETED:
        values["files"] = [_example_file(translator, document, scene, unique)]
    for name, expression in translator.expressions.items():
        if name in values:
            _place(document, expression.path(), values[name])
    for number, expression in enumerate(translator.identity):
        _place(document, expression.path(), f"{unique[:32]}-{number}", instead=False)
    return document


def example_headers(map: EventMap, translator: Translator, type: str, scene: Scene, unique: str) -> dict[str, str]:
    """The headers that the map reads, for the same callback."""
    values = _values(map, type, scene, unique)
    found = {one.header(): str(values.get(name, "")) for name, one in translator.expressions.items()}
    found |= {one.header(): f"{unique[:32]}-{number}" for number, one in enumerate(translator.identity)}
    return {name: value for name, value in found.items() if name is not None}


def _values(map: EventMap, type: str, scene: Scene, unique: str) -> dict[str, object]:
    values: dict[str, object] = {
        "type": type,
        "time": f"{scene.now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "domain": "push.example.com",
        "app": "live",
        "stream": f"stream-{scene.number}",
        "format": "hls",
        "project_id": "example",
        "job_id": unique[:32],
        "task_id": unique[32:],
    }
    if map.types.get(type, type) == RECORDING_FAILED:
        values |= {"error_code": "PULL_FAILED", "error_message": "the stream could not be pulled"}
    return values


def _example_file(translator: Translator, document: dict[str, object], scene: Scene, unique: str) -> dict[str, object]:
    """One file; it is the callback itself where the map names no list of them."""
    ended, began = (f"{scene.now.astimezone(UTC) - timedelta(minutes=ago):%Y-%m-%dT%H:%M:%SZ}" for ago in (0, 2))
    url = f"https://recordings.example.com/live/{unique[:16]}.m3u8"
    of_file = {
        "format": "hls",
        "download_url": url,
        "play_url": url,
        "asset_id": unique[:32],
        "size_bytes": 3_957_964,
        "duration_seconds": 120,
        "width": 1280,
        "height": 720,
        "started_at": began,
        "ended_at": ended,
        "location": "https://storage.example.com",
        "bucket": "recordings",
        "key": f"live/{unique[:16]}.m3u8",
    }
    file: dict[str, object] = {} if "files" in translator.expressions else document
    for name, expression in translator.of_file.items():
        _place(file, expression.path(), of_file[name])
    return file


def _place(into: dict[str, object], path: tuple[str, ...] | None, value: object, *, instead: bool = True) -> None:
    if not path:
        return
    *outer, last = path
    for name in outer:
        inner = into.setdefault(name, {})
        if not isinstance(inner, Mapping):
            return
        into = inner  # type: ignore[assignment]  # all of them are dicts of ours
    if instead or last not in into:
        into[last] = value
