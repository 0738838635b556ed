"""The shortest beginnings of event ids that name one event each, for listings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from gateway.store.engine.session import Session

DIGITS_MIN: Final = (
    8  # digits; two events of a small store seldom share fewer, and a listing should not change its width
)
# an id of a gateway's own; behind it the sources and variants that gateways on the way told it apart by
_OURS: Final = re.compile(r"([0-9a-f]{16,})(?:~[a-z0-9][a-z0-9_-]*)*")
_BESIDE: Final = (
    "SELECT id FROM events WHERE id > :id ORDER BY id LIMIT 1",
    "SELECT id FROM events WHERE id < :id ORDER BY id DESC LIMIT 1",
)

_OTHERS: Final = "SELECT 1 FROM events WHERE id = :id AND source <> :source LIMIT 1"


def short_refs(session: Session, events: Iterable[tuple[str, str, str]]) -> Mapping[tuple[str, str], str]:
    """A short name for each event, given as ref, id and source; an id that is somebody else's words stays whole."""
    return {(ref, source): _short(session, ref, id, source) for ref, id, source in dict.fromkeys(events)}


def _short(session: Session, ref: str, id: str, source: str) -> str:
    ours = _OURS.fullmatch(id)
    if ours is None:
        return ref
    beside = [other for text in _BESIDE for (other,) in session.rows(text, {"id": id})]
    shared = max((_shared(id, other) for other in beside), default=0)
    digits = max(DIGITS_MIN, shared + 1)
    name = ref if digits > len(ours[1]) else id[:digits] + ref.removeprefix(id)
    others = session.rows(_OTHERS, {"id": id, "source": source})
    return f"{source}:{name}" if others else name


def _shared(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
