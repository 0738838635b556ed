"""Takes out of an event what `redact` names, before anybody but its source has seen it: routes, store, sinks, logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeVar, cast

import msgspec
from msgspec.structs import replace

from gateway.events.cloudevents import fingerprint
from gateway.events.event_annotations import Unredacted, keep_unredacted
from gateway.events.field_path import NAMED, PathStep, parse_path
from gateway.events.places import places_of
from gateway.model import REDACTED, Archived, Event, Measured

T = TypeVar("T")
ABSENT: Final = frozenset({"sha256", "format", "job_id", "task_id"})
"""Texts that leave nothing behind: a mark is no hash, and what is compared must not be the same for all."""
EQUAL_CHARS_MIN: Final = 4  # a text as long as this is taken out of whatever else says the same
INSIDE_CHARS_MIN: Final = 8  # and one as long as this of the texts that it is a part of


class Redaction:
    """The rules of one source, `paths` as the configuration has them. Raises ValueError for one that is no path."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._rules = tuple([parse_path(path) for path in paths])

    def of_callback(self, event: Event) -> Event:
        """An event of a callback, or of a vendor's list, as it is stored; without the vendor's bytes, in which nobody knows where
        the same stands again. What it is compared by is kept beside it: a repeat stays one, and other content too."""
        redacted = self.redact(event).replace(raw=b"")
        keep_unredacted(redacted, Unredacted(fingerprint(event), places_of(event)))
        return redacted

    def redact(self, event: Event) -> Event:
        """The event without what the rules name, and without what of it could not be read."""
        taken: set[str] = set()
        for steps in self._rules:
            event = _applied(event, steps, taken)
        if unread := _unread(event):
            event = event.replace(
                extra={**event.extra, **{name: _taken(event.extra[name], taken, True) for name in unread}}
            )
        texts = sorted((text for text in taken if len(text) >= EQUAL_CHARS_MIN), key=len, reverse=True)
        return _without(event, texts) if texts else event

    @property
    def last_names(self) -> frozenset[str]:
        """The names at which the rules end."""
        return frozenset(steps[-1].name for steps in self._rules if isinstance(steps[-1].name, str))

    def names(self, *path: str | int) -> bool:
        """Whether a rule takes out what stands at this place below `data`, all of it or a part."""
        return any(_reach(steps, path) for steps in self._rules)


def _reach(steps: Sequence[PathStep], path: Sequence[str | int]) -> bool:
    if not steps or not path:
        return True
    step, key = steps[0], path[0]
    fits = step.fits(key) or (isinstance(step.name, int) and isinstance(key, int))
    return (fits and _reach(steps[1:], path[1:])) or (step.deep and len(path) > 1 and _reach(steps, path[1:]))


# --- by the rules -------------------------------------------------------------------------------------------------


def _applied(value: T, steps: Sequence[PathStep], taken: set[str], *, free: bool = False) -> T:
    """The value without what the steps lead to. `free`: it is the vendor's own, of any shape."""
    if not steps:
        return cast(T, _taken(value, taken, free))
    step, rest = steps[0], steps[1:]
    changes: dict[str | int, object] = {}
    inside = free or isinstance(value, Mapping)
    for key, child in _children(value):
        new = _applied(child, steps, taken, free=inside) if step.deep else child
        if step.fits(key):
            new = _applied(new, rest, taken, free=inside)
        if new is not child:
            changes[key] = new
    return cast(T, _changed(value, changes)) if changes else value


def _children(value: object) -> list[tuple[str | int, object]]:
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, (list, tuple)):
        return list(enumerate(value))
    if not isinstance(value, msgspec.Struct):
        return []
    names = NAMED if isinstance(value, Event) else value.__struct_fields__
    return [
        (name, getattr(value, name)) for name in names if not (isinstance(value, Measured) and name in {"at", "by"})
    ]


def _changed(value: object, changes: Mapping[str | int, object]) -> object:
    if isinstance(value, msgspec.Struct):
        fields = {str(name): new for name, new in changes.items()}
        unmarked = {name: None for name in ABSENT & fields.keys() if fields[name] == REDACTED}
        return replace(value, **{**fields, **unmarked})
    if isinstance(value, Mapping):
        return {**value, **changes}
    assert isinstance(value, (list, tuple))  # nothing else has children
    return type(value)([changes.get(number, part) for number, part in enumerate(value)])


def _taken(value: object, taken: set[str], free: bool) -> object:
    """What stands in its place: the mark for a text, nothing for a number or a time; so the schema of events holds."""
    if value is None or value in ("", REDACTED):
        return value
    if isinstance(value, str):
        taken.add(value)
        return REDACTED
    if free:
        taken |= set(_texts_in(value))
        return REDACTED
    if isinstance(value, Archived):
        taken.add(value.url)
        return Archived(url=REDACTED)
    if isinstance(value, msgspec.Struct) and not isinstance(value, Measured):
        return _changed(value, {name: _taken(part, taken, False) for name, part in _children(value)})
    if isinstance(value, tuple):
        return tuple([_taken(part, taken, False) for part in value])
    if isinstance(value, Mapping):  # `extra` as a whole, which stays an object
        return {name: _taken(part, taken, True) for name, part in value.items()}
    return None


def _texts_in(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for _, part in _children(value):
        yield from _texts_in(part)


# --- and whatever says the same -----------------------------------------------------------------------------------


def _unread(event: Event) -> set[str]:
    """The names in `extra` of what could not be read: it may be what a rule means, and nobody knows where it belongs."""
    names = {name for problem in event.problems for name in (problem, problem.partition(".")[0].partition("[")[0])}
    return names & event.extra.keys()


def _without(event: Event, texts: Sequence[str]) -> Event:
    def clean(text: str) -> str:
        for taken in texts:
            if text == taken:
                return REDACTED
            if len(taken) >= INSIDE_CHARS_MIN:
                text = text.replace(taken, REDACTED)
        return text

    return cast(Event, _changed(event, {name: _mapped(getattr(event, name), clean) for name in NAMED}))


def _mapped(value: object, clean: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(name)): _mapped(part, clean) for name, part in value.items()}
    changes = {key: new for key, part in _children(value) if (new := _mapped(part, clean)) is not part}
    return _changed(value, changes) if changes else value
