"""The rule of contents under one (source, id): which stands, which is held, and which takes another's place."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.model import shown_variant
from gateway.store.engine.session import Columns
from gateway.store.records import Held, NewEvent

CONTENTS_MAX: Final = 10  # others kept under one id; one more is refused, unless it is trusted more than all that stand


class Action(enum.Enum):
    """What becomes of a content whose (source, id) is known."""

    FIRST = enum.auto()  # nothing stands there yet
    DUPLICATE = enum.auto()
    CONFLICT = enum.auto()  # kept beside what stands there
    SUPERSEDE = enum.auto()  # takes its place
    FULL = enum.auto()  # refused


class Content(msgspec.Struct, frozen=True):
    """A content that is there, or (`variant` None) one that is only remembered."""

    variant: bytes | None
    fingerprint: bytes
    trust: int
    held: bool
    superseded: bool

    @classmethod
    def of(cls, row: Columns) -> Content:
        """From the columns of `statements.CONTENTS`."""
        variant, fingerprint, trust, held, superseded = row
        return cls(
            variant=None if variant is None else bytes(variant),
            fingerprint=bytes(fingerprint),
            trust=trust,
            held=bool(held),
            superseded=bool(superseded),
        )


class Judgement(msgspec.Struct, frozen=True):
    """What is to be done, and under which variant (empty: under the bare id)."""

    action: Action
    variant: bytes = b""
    held: Held | None = None
    supersedes: str = ""  # as `id` or `id~variant`


def classify(new: NewEvent, contents: Sequence[Content], *, sealed: bool) -> Judgement:
    """`sealed`: its signature carried as many other contents as it may, which is decided before anything else.

    What is held neither stands under an id nor supersedes. Trust decides who waits: what is trusted strictly more than
    all that stand is the genuine one, whether it says something else or the same (a route may ask for trust).
    """
    standing = [one for one in contents if not one.held]
    same = any(one.fingerprint in (new.fingerprint, new.other_fingerprint) for one in contents)
    if sealed:
        return Judgement(Action.DUPLICATE) if same else _beside(new, contents, Held.QUARANTINED)
    if not standing:
        free = all(one.variant != b"" for one in contents)
        return Judgement(Action.FIRST, b"" if free else _free(new, contents))
    best = max(one.trust for one in standing)
    if new.event.trust.rank > best or (new.better and new.event.trust.rank == best and not same):
        return Judgement(Action.SUPERSEDE, _free(new, contents), supersedes=_ref(new.event.id, standing))
    if same:
        return Judgement(Action.DUPLICATE)
    return _beside(new, contents, Held.CONFLICT if new.hold_conflicts else None)


def _beside(new: NewEvent, contents: Sequence[Content], held: Held | None) -> Judgement:
    if sum(1 for one in contents if one.variant) >= CONTENTS_MAX:
        return Judgement(Action.FULL)
    return Judgement(Action.CONFLICT, _free(new, contents), held)


def _free(new: NewEvent, contents: Sequence[Content]) -> bytes:
    """Its fingerprint; where the same content is there with less trust, a hash of both."""
    if all(one.variant != new.fingerprint for one in contents):
        return new.fingerprint
    return hashlib.sha256(new.fingerprint + bytes([new.event.trust.rank])).digest()[:16]


def _ref(id: str, standing: Sequence[Content]) -> str:
    """The most trusted that nothing took the place of; one that is only remembered goes by its id."""
    best = max(standing, key=lambda one: (not one.superseded, one.trust))
    return f"{id}~{shown_variant(best.variant)}" if best.variant else id
