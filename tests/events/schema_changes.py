"""What breaks those who read events, between two versions of their schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

SAYS_NOTHING = {"$schema", "$anchor", "$comment", "title", "description", "examples", "default", "deprecated"}


def breaks(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Every change that a reader of `old` can meet: allowed are another wording, and more properties that may be absent."""
    return list(_changes(old, new, old, new, ""))


def _changes(old: Any, new: Any, old_root: Any, new_root: Any, where: str) -> Iterator[str]:
    old, new = _target(old, old_root), _target(new, new_root)
    if not isinstance(old, dict) or not isinstance(new, dict):
        if old != new:
            yield f"{where}: {old!r} became {new!r}"
        return
    for word in sorted((old.keys() | new.keys()) - SAYS_NOTHING):
        was, now = old.get(word, {}), new.get(word, {})
        at = f"{where}/{word}" if where else word
        if word == "required":
            yield from (f"{where}/{name}: was always there" for name in was if name not in now)
            yield from (f"{where}/{name}: has to be there now" for name in now if name not in was)
        elif word in {"properties", "$defs"}:
            yield from (f"{at}/{name}: is gone" for name in was if name not in now)
            for name in was.keys() & now.keys():
                yield from _changes(was[name], now[name], old_root, new_root, f"{at}/{name}")
        elif word in {"items", "if", "then", "else", "not", "additionalProperties"} and word in old and word in new:
            yield from _changes(was, now, old_root, new_root, at)
        elif word == "type" and word in old and word in new:
            if _set(was) != _set(now):
                yield f"{at}: {was!r} became {now!r}"
        elif (word in old) != (word in new) or _plain(was) != _plain(now):
            yield f"{at}: {old.get(word)!r} became {new.get(word)!r}"


def _plain(value: Any) -> Any:
    return sorted(map(repr, value)) if isinstance(value, list) else value


def _set(type: str | list[str]) -> set[str]:
    return {type} if isinstance(type, str) else set(type)


def _target(part: Any, root: Any) -> Any:
    """What a reference inside the document leads to, but for one to the whole, which would have no end."""
    while isinstance(part, dict) and str(part.get("$ref", "")).startswith("#/"):
        found = root
        for name in part["$ref"][2:].split("/"):
            found = found[name]
        part = {**found, **{word: value for word, value in part.items() if word != "$ref"}}
    return part
