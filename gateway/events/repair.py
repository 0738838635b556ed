"""The last look at an event before it is kept: what no store or sink could hold is repaired in place, and named.

A body that was decoded by `Callback.json` is repaired already; this is for sources that read another form. What no JSON
can hold at all (NaN, half of a surrogate pair) is a bug of the source, and stays one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from gateway.events.event_annotations import amend, keep_original
from gateway.model import Archived, Event, Fault, File, Measured, Storage
from gateway.text.json_bounds import DEPTH_MAX, INTEGER_MAX, KEY_CHARS_MAX, TEXT_BYTES_MAX
from gateway.text.json_document import PROBLEMS_MAX
from gateway.text.storable import cut

_TEXTS: Final = ("vendor_type", "domain", "app", "stream", "format", "project_id", "job_id", "task_id", "provider")
_PARTS: Final = {kind: kind.__struct_fields__ for kind in (File, Storage, Fault, Measured, Archived)}


def make_storable(event: Event) -> None:
    """Repair the event where it must be. What it said before stays in its fingerprint."""
    if _is_storable(event):
        return
    problems: list[str] = []
    kept: dict[str, object] = {name: _value(getattr(event, name), name, problems) for name in _TEXTS}
    kept["files"] = tuple([_part(file, f"files[{n}].", problems) for n, file in enumerate(event.files)])
    if event.error is not None:
        kept["error"] = _part(event.error, "error.", problems)
    kept["extra"] = _object(event.extra, "", problems, 1)
    if not problems and _can_be_kept("".join(event.problems)):
        return
    original = _original_text([getattr(event, name) for name in kept]).encode("utf-8", "backslashreplace")
    known = tuple(map(_mended, event.problems))
    kept["problems"] = known + tuple(one for one in problems[:PROBLEMS_MAX] if one not in known)
    amend(event, **kept)
    keep_original(event, hashlib.sha256(original).digest()[:16])


def _is_storable(event: Event) -> bool:
    """Whether there is clearly nothing to repair: the cheap look that all but a few events pass."""
    if event.extra or event.problems or not all(map(_is_storable_file, event.files)):
        return False
    texts = [
        event.vendor_type, event.domain, event.app, event.stream, event.format,
        event.project_id, event.job_id, event.task_id, event.provider,
    ]  # fmt: skip
    if event.error is not None:
        texts += (event.error.code, event.error.message)
    return _can_be_kept("".join(filter(None, texts)))


def _is_storable_file(file: File) -> bool:
    storage = file.storage
    if not (file.measured is None and file.confirmed is None and file.archived is None):
        return False
    texts = [file.format, file.download_url, file.play_url, file.asset_id, file.sha256]
    if storage is not None:
        texts += (storage.location, storage.bucket, storage.key)
    return (
        -INTEGER_MAX <= (file.size_bytes or 0) <= INTEGER_MAX
        and -INTEGER_MAX <= (file.width or 0) <= INTEGER_MAX
        and -INTEGER_MAX <= (file.height or 0) <= INTEGER_MAX
        and _can_be_kept("".join(filter(None, texts)))
    )


def _part(part: Any, path: str, problems: list[str]) -> object:
    changed = {}
    for name in _PARTS[type(part)]:
        value = getattr(part, name)
        kept = (
            _part(value, f"{path}{name}.", problems) if type(value) in _PARTS else _value(value, path + name, problems)
        )
        if kept is not value:
            # a text in the place of a number would be of another type than the field
            changed[name] = None if type(value) in (int, float) else kept
    return part.replace(**changed) if changed else part


def _object(value: Mapping[Any, object], path: str, problems: list[str], depth: int) -> dict[str, object]:
    repaired: dict[str, object] = {}
    for key, part in value.items():
        name = (
            key
            if type(key) is str and len(key) <= KEY_CHARS_MAX and "\0" not in key
            else _mended(_digits(key) if type(key) is int else str(key))[:KEY_CHARS_MAX]
        )
        if name is not key:
            problems.append(path + name)
            if name in repaired:
                continue
        kept = _value(part, path + name, problems, depth)
        if kept is not _LEFT_OUT:
            repaired[name] = kept
    return repaired


def _value(value: Any, path: str, problems: list[str], depth: int = 0) -> object:
    kind = type(value)
    if kind is str:
        if _can_be_kept(value):
            return value
        problems.append(path)
        return _mended(value)
    if kind is int and not -INTEGER_MAX <= value <= INTEGER_MAX:
        problems.append(path)
        return _digits(value)
    if isinstance(value, (Mapping, list, tuple)):
        if depth >= DEPTH_MAX:
            problems.append(path)
            return _LEFT_OUT
        if isinstance(value, Mapping):
            return _object(value, path + ".", problems, depth + 1)
        kept = [_value(part, f"{path}[{n}]", problems, depth + 1) for n, part in enumerate(value)]
        return [part for part in kept if part is not _LEFT_OUT]
    return value


def _can_be_kept(text: str) -> bool:
    return "\0" not in text and (
        len(text) <= TEXT_BYTES_MAX // 4 or len(text.encode("utf-8", "surrogatepass")) <= TEXT_BYTES_MAX
    )


def _mended(text: str) -> str:
    return cut(text.replace("\0", "\ufffd"))


def _original_text(value: list[object]) -> str:
    """What tells one original from another."""
    try:
        return repr(value)
    except ValueError:  # a number in it has over some thousand digits
        return repr(_without_numbers(value))


def _without_numbers(value: object) -> object:
    if type(value) is int:
        return hex(value)
    if (kind := type(value)) in _PARTS:
        return [_without_numbers(getattr(value, name)) for name in _PARTS[kind]]
    if isinstance(value, Mapping):
        return [[_without_numbers(key), _without_numbers(part)] for key, part in value.items()]
    return [_without_numbers(part) for part in value] if isinstance(value, (list, tuple)) else value


def _digits(number: int) -> str:
    try:
        return str(number)
    except ValueError:  # over some thousand digits
        return hex(number)


_LEFT_OUT: Final = object()
