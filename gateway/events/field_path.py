"""Paths that name fields of an event: a small part of JSONPath (RFC 9535), read and held against what events have.

`$.data.files[*].download_url`, `$.data.extra['user id']`, `$.data.files[0]`, `$.data.extra.*`, `$.data..phone` (at any depth).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from gateway.model import Event, Fault, File, Measured, Storage
from gateway.text.suggest import suggestion

PATH_CHARS_MAX: Final = 256  # characters
STEPS_MAX: Final = 16  # one below the other; an event nests no deeper
_STEP: Final = re.compile(
    r"""(?P<deep>\.\.)?(?:(?(deep)|\.)(?P<name>(?!\d)\w[\w]*)|(?(deep)(?!)|\.)(?P<star>\*)|"""
    r"""\[(?:'(?P<single>[^'\\]*)'|"(?P<double>[^"\\]*)"|(?P<index>\d{1,6})|(?P<all>\*))\])"""
)

Fields = Mapping[str, object]
"""What may be named at one place: fields with what is inside them (None: nothing)."""

ANYTHING: Final[Fields] = {}
"""Inside `extra`: whatever the vendor says."""
_MEASURED: Final[Fields] = dict.fromkeys(set(Measured.__struct_fields__) - {"at", "by"})
_FILE: Final[Fields] = {
    **dict.fromkeys(File.__struct_fields__),
    "storage": dict.fromkeys(Storage.__struct_fields__),
    "confirmed": _MEASURED,
    "measured": _MEASURED,
    "archived": {"url": None, "at": None},
}
_FILES: Final = (_FILE,)
_DATA: Final[Fields] = {
    "files": _FILES,
    "error": dict.fromkeys(Fault.__struct_fields__),
    "extra": ANYTHING,
    **dict.fromkeys(("format", "project_id", "job_id", "task_id")),
}
NAMED: Final = tuple(_DATA)
"""The fields of an event that a path may begin with, below `$.data`."""
_KEPT: Final = frozenset(
    {"provider", "vendor_type", "domain", "app", "stream", "received_at", "problems", "verified"}
    | (set(Event.__struct_fields__) - set(NAMED) - {"raw", "alarm", "error"})
)
_WHY_KEPT: Final = "the gateway finds, orders and routes events by it, and the store holds it in columns of its own"


class PathStep(NamedTuple):
    """One step of a path: the name or number that fits, or (None) any; `deep`: at whatever depth below."""

    name: str | int | None
    deep: bool = False

    def fits(self, key: str | int) -> bool:
        """Whether what stands under this key is meant."""
        return self.name is None or (type(self.name) is type(key) and self.name == key)


def parse_path(text: str) -> tuple[PathStep, ...]:
    """The steps below `$.data`. Raises ValueError with what was expected instead."""
    if not text.startswith("$") or len(text) > PATH_CHARS_MAX:
        raise ValueError(f"a path of at most {PATH_CHARS_MAX} characters such as $.data.files[*].download_url")
    steps: list[PathStep] = []
    at = 1
    while at < len(text):
        mark = _STEP.match(text, at)
        if mark is None:
            raise ValueError(
                f"a path of .name, ['name'], [0], [*], .* and ..name (what stands at character {at + 1} is none of them)"
            )
        steps.append(_step(mark))
        at = mark.end()
    if len(steps) > STEPS_MAX:
        raise ValueError(f"a path of at most {STEPS_MAX} steps")
    below = _below_data(steps)
    _hold(below)
    return below


RAW: Final = "raw"
"""Among the paths that a sink wants: the vendor's bytes."""


def wanted_paths(paths: Sequence[str]) -> Sequence[str]:
    """What a sink says that it wants, if each is a path or `raw`. Raises ValueError."""
    for path in paths:
        if path != RAW:
            parse_path(path)
    return list(paths)


def _step(mark: re.Match[str]) -> PathStep:
    deep = mark["deep"] is not None
    if mark["index"] is not None:
        return PathStep(int(mark["index"]), deep)
    name = next((mark[group] for group in ("name", "single", "double") if mark[group] is not None), None)
    return PathStep(name, deep)


def _below_data(steps: Sequence[PathStep]) -> tuple[PathStep, ...]:
    if steps and steps[0].deep:
        return tuple(steps)
    if not steps or steps[0].name != "data":
        raise ValueError(
            "a path that begins with $.data, such as $.data.extra.phone: by what stands beside `data` an event is known"
        )
    below = tuple(steps[1:])
    if not below or below[0].name is None:
        raise ValueError(f"a field below $.data: {', '.join(NAMED)}")
    return below


def _hold(steps: Sequence[PathStep]) -> None:
    """Raises ValueError where the path leads to nothing that an event can have, or to what it is known by."""
    if isinstance(steps[0].name, str) and steps[0].name in _KEPT:
        name = steps[0].name
        deep = f"; below `extra` it is $.data.extra..{name}" if steps[0].deep else ""
        raise ValueError(f"another field than `{name}`: {_WHY_KEPT}{deep}")
    places: list[object] = [_DATA]
    for step in steps:
        inside = [child for place in places for child in (_deep(place, step) if step.deep else _children(place, step))]
        if not inside:
            raise ValueError(_nothing_there(places, step))
        places = inside


def _children(place: object, step: PathStep) -> list[object]:
    if place is ANYTHING:
        return [ANYTHING]
    if isinstance(place, tuple):
        return list(place) if not isinstance(step.name, str) else []
    if isinstance(place, Mapping):
        return [child for name, child in place.items() if step.fits(name)]
    return []


def _deep(place: object, step: PathStep) -> list[object]:
    parts = list(place) if isinstance(place, tuple) else list(place.values()) if isinstance(place, Mapping) else []
    return [*_children(place, step), *(found for part in parts if part is not place for found in _deep(part, step))]


def _nothing_there(places: Sequence[object], step: PathStep) -> str:
    if any(isinstance(place, tuple) for place in places):
        return "a number or [*] behind `files`, which is a list: $.data.files[*].download_url"
    names = [name for place in places if isinstance(place, Mapping) for name in place]
    if not names:
        return f"a path that ends here: nothing stands below (found {step.name!r})"
    return f"a field that an event has there, not {str(step.name)!r}{suggestion(str(step.name), names)}"
