"""The rules of taking events in: what is new, what is a duplicate, what is held beside the first."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from gateway.model import Event, shown_variant
from gateway.store.engine.batch import Bulk, EventIn, Kept
from gateway.store.outbox import statements as sql
from gateway.store.records import Accepted, Held, NewEvent

TRIED_CHARS: Final = 64 * 1024  # of an accept that is only tried
MOST_VARIANTS: Final = 10  # other contents that are kept under one id; what comes after them is only counted


def accept(session: Bulk, callbacks: Sequence[Sequence[NewEvent]], owner: str) -> list[list[Accepted]]:
    """Store the events of many callbacks; those of one callback all or none. Answers in the order of the arguments."""
    events = [new for callback in callbacks for new in callback]
    waves = list(_waves(events))
    names = _names(events)
    # On PostgreSQL one statement is its own transaction, and cheaper than three; what needs more than one gets a real one.
    together = session.one_transaction or names or len(waves) > 1 or any(len(callback) > 1 for callback in callbacks)
    answers: dict[int, Accepted] = {}
    with session.atomic() if together else nullcontext():
        if names:
            session.lock(names)
        for wave in waves:
            kept = session.insert([EventIn(events[n]) for n in wave], owner)
            known = [n for n, one in zip(wave, kept, strict=True) if one is None]
            answers.update((n, _answer(events[n], True, one)) for n, one in zip(wave, kept, strict=True) if one)
            if known:
                with session.atomic():
                    session.lock({f"id {events[n].event.id}" for n in known})
                    answers.update((n, _known(session, events[n], owner)) for n in known)
    flat = iter([answers[n] for n in range(len(events))])
    return [[next(flat) for _ in callback] for callback in callbacks]


def try_accept(session: Bulk) -> None:
    """Write what an accept writes and take it back, because a full or locked table may let smaller work through."""
    session.change("SAVEPOINT trying")
    event = Event(
        id=secrets.token_hex(16), type="", source="", provider="", received_at=datetime.now(UTC), stream="", raw=b""
    )
    session.insert([EventIn(NewEvent(event=event, body="x" * TRIED_CHARS, fingerprint=b"", routing=""))], "")
    session.change("ROLLBACK TO SAVEPOINT trying")
    session.change("RELEASE SAVEPOINT trying")


def _waves(events: Sequence[NewEvent]) -> Iterator[list[int]]:
    """Positions in order, so cut that no id and no bounded seal is twice in one wave: a later one must see the first."""
    pending = list(range(len(events)))
    while pending:
        wave: list[int] = []
        later: list[int] = []
        taken: set[object] = set()
        for n in pending:
            marks = {events[n].event.id, events[n].seal if events[n].seal_most > 0 else None} - {None}
            (later if taken & marks else wave).append(n)
            taken |= marks
        yield wave
        pending = later


def _names(events: Sequence[NewEvent]) -> set[str]:
    """What nobody else may decide about meanwhile: the heads of ordering keys, the contents under bounded seals."""
    names = {f"{one.sink} {one.order_key}" for new in events for one in new.deliveries if one.order_key is not None}
    return names | {f"seal {new.seal.hex()}" for new in events if new.seal is not None and new.seal_most > 0}


def _known(session: Bulk, new: NewEvent, owner: str) -> Accepted:
    """An id that was seen before: the same content is a duplicate, another is kept as a variant."""
    rows = session.rows(sql.CONTENTS, {"id": new.event.id})
    if any(bytes(fingerprint) == new.fingerprint for _, fingerprint in rows):
        return Accepted(id=new.event.id, new=False)
    variants = sum(1 for variant, _ in rows if variant)
    held = Held.CONFLICT if new.hold_conflicts else None
    kept: Kept | None = None
    variant = shown_variant(new.fingerprint)
    if variants < MOST_VARIANTS:
        other = replace(new, event=replace(new.event, variant=variant))
        (kept,) = session.insert([EventIn(other, new.fingerprint, held, True)], owner)
        if kept is None:  # another gateway was first with the same content
            return Accepted(id=new.event.id, new=False)
    session.change(sql.CONFLICT, {"id": new.event.id})
    if kept is None:
        return Accepted(id=new.event.id, new=False, held=Held.CONFLICT)
    return replace(_answer(new, False, kept), variant=variant)


def _answer(new: NewEvent, first: bool, kept: Kept) -> Accepted:
    return Accepted(id=new.event.id, new=first, held=kept.held, leases=kept.leases, waiting=kept.waiting)
