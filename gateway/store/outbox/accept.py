"""The rules of taking events in: what is new, what is a duplicate, what is held beside the first, what takes its place.

An event is known by (source, id), so that nothing one source sends changes what another's events do.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Final

from gateway.model import Event, shown_variant
from gateway.store.engine.batch import Bulk, EventIn, Kept
from gateway.store.engine.reruns import transaction
from gateway.store.engine.session import Session, number_of
from gateway.store.outbox import file_places, fingerprint_key
from gateway.store.outbox import statements as sql
from gateway.store.outbox.contents import Action, Content, classify
from gateway.store.records import Accepted, NewEvent

TRIED_CHARS: Final = 64 * 1024  # of an accept that is only tried
SEAL_EXACT_MAX: Final = 8  # contents of a seal that is counted under a lock
LOOKS_MAX: Final = 3  # at what is known of an event, before the answer is 503


def accept(session: Bulk, callbacks: Sequence[Sequence[NewEvent]], owner: str) -> list[list[Accepted]]:
    """Store the events of many callbacks; those of one callback all or none. Answers in the order of the arguments.

    One that there is no room for under its id is answered `full`: the others of its callback are stored all the same,
    because nobody may keep them out by filling one id.
    """
    events = fingerprint_key.keyed(session, callbacks)
    placed = [n for n, new in enumerate(events) if new.places]
    waves = list(_waves(events))
    names = set() if session.one_transaction else _names(events)  # alone, nobody has to be kept out
    # On PostgreSQL one statement is its own transaction, and cheaper than three; what needs more than one gets a real one.
    together = (
        session.one_transaction or names or placed or len(waves) > 1 or any(len(callback) > 1 for callback in callbacks)
    )
    answers: dict[int, Accepted] = {}
    with session.atomic() if together else nullcontext():
        if names:
            session.lock(names)
        for n in placed:  # one after the other, because the first may be the second's file
            answers[n] = _placed(session, events[n], owner)
        for wave in waves:
            kept = session.insert([EventIn(events[n]) for n in wave], owner)
            known = []
            for n, stored in zip(wave, kept, strict=True):
                if stored is None:
                    known.append(n)
                else:
                    answers[n] = _answer(events[n], True, stored)
            if known:
                answers.update(transaction(session, partial(_all_known, session, {n: events[n] for n in known}, owner)))
    flat = map(answers.__getitem__, range(len(events)))
    return [list(islice(flat, len(callback))) for callback in callbacks]


def _placed(session: Bulk, new: NewEvent, owner: str) -> Accepted:
    """One event, by where its file lies too. Inside a transaction that has its locks."""
    resolved = file_places.resolve(session, new)
    if isinstance(resolved, Accepted):
        return resolved
    (kept,) = session.insert([EventIn(resolved)], owner)
    if kept is not None:
        answer = _answer(resolved, True, kept)
    else:
        session.lock({f"id {resolved.event.source} {resolved.event.id}"})
        answer = _known(session, resolved, owner)
    if (answer.new or answer.variant) and answer.held is None:
        file_places.note(session, resolved)
    return answer


def try_accept(session: Bulk) -> None:
    """Write what an accept writes and take it back, because a full or locked table may let smaller work through."""
    session.change("SAVEPOINT trying")
    event = Event(
        id=secrets.token_hex(16), type="", source="", provider="", received_at=datetime.now(UTC), stream="", raw=b""
    )
    session.insert([EventIn(NewEvent(event=event, body="x" * TRIED_CHARS, fingerprint=b"", routing=""))], "")
    session.change("ROLLBACK TO SAVEPOINT trying")
    session.change("RELEASE SAVEPOINT trying")


def ping(session: Bulk, *, trying: bool) -> None:
    """Commit something small; `trying`: also what an accept does."""
    if trying:
        with session.atomic():
            try_accept(session)
    session.change(
        "INSERT INTO meta (name, value) VALUES ('pinged_at', CAST(:now AS text)) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    )


def _waves(events: Sequence[NewEvent]) -> Iterator[list[int]]:
    """Positions in order of those without places, so cut that no event and no bounded seal is twice in one wave: a later one must see the first."""
    pending = [n for n, new in enumerate(events) if not new.places]
    every = [(events[n].event.source, events[n].event.id) for n in pending]
    sealed = [seal for n in pending if (seal := events[n].seal) is not None and _exact(events[n])]
    if pending and len(set(every)) == len(every) and len(set(sealed)) == len(sealed):  # as nearly always
        yield pending
        return
    while pending:
        wave: list[int] = []
        later: list[int] = []
        taken: set[object] = set()
        for n in pending:
            new = events[n]
            marks: set[object] = {(new.event.source, new.event.id)}
            if _exact(new):
                marks.add(new.seal)
            (later if taken & marks else wave).append(n)
            taken |= marks
        yield wave
        pending = later


def _quarantines(new: NewEvent) -> bool:
    """Whether its seal may hold it."""
    return new.seal is not None and new.seal_most > 0 and not new.seal_ranks


def _exact(new: NewEvent) -> bool:
    """Whether nobody else may count under its seal meanwhile. Where many contents are honest, one more in a race is no harm,
    and callbacks that share a signature need not wait for each other."""
    return _quarantines(new) and new.seal_most <= SEAL_EXACT_MAX


def _names(events: Sequence[NewEvent]) -> set[str]:
    """What nobody else may decide about meanwhile: the heads of ordering keys, the contents under bounded cipher."""
    names = {f"{one.sink} {one.order_key}" for new in events for one in new.deliveries if one.order_key is not None}
    names |= file_places.names_of_places(events)
    return names | {f"seal {new.seal.hex()}" for new in events if new.seal is not None and _exact(new)}


def names_of(events: Sequence[NewEvent]) -> set[str]:
    """All that is locked when these events are accepted, the ids of those that are known already too."""
    return _names(events) | {f"id {new.event.source} {new.event.id}" for new in events}


def _all_known(session: Bulk, events: Mapping[int, NewEvent], owner: str) -> dict[int, Accepted]:
    session.lock({f"id {new.event.source} {new.event.id}" for new in events.values()})
    return {n: _known(session, new, owner) for n, new in events.items()}


def _known(session: Bulk, new: NewEvent, owner: str) -> Accepted:
    """An event that was seen before, or that its seal quarantines.

    Its name is locked, but what nobody knew yet is inserted without the lock: where that happens in between, what is
    there is looked at again.
    """
    event, new = new.event, fingerprint_key.also_known_as(session, new)
    names = {"id": event.id, "source": event.source}
    for _ in range(LOOKS_MAX):
        contents = [Content.of(row) for row in session.rows(sql.CONTENTS, names)]
        verdict = classify(new, contents, sealed=_quarantines(new) and over_sealed(session, new))
        if verdict.action is Action.DUPLICATE:
            return Accepted(id=event.id, new=False)
        if verdict.action is Action.FULL:
            session.change(sql.CONFLICT, names)
            break
        shown = shown_variant(verdict.variant) if verdict.variant else ""
        supersedes = verdict.supersedes
        other = new.replace(event=event.replace(variant=shown, supersedes=supersedes or event.supersedes))
        (kept,) = session.insert([EventIn(other, verdict.variant, verdict.held, True)], owner)
        if kept is None:
            continue
        if verdict.action is Action.CONFLICT:
            session.change(sql.CONFLICT, names)
        if verdict.action is Action.SUPERSEDE:
            session.change(sql.SUPERSEDE, {**names, "ref": other.event.ref, "variant": verdict.variant})
        first = verdict.action is Action.FIRST or not contents
        return _answer(new, first, kept).replace(variant=shown, supersedes=supersedes)
    return Accepted(id=event.id, new=False, full=True)


def _answer(new: NewEvent, first: bool, kept: Kept) -> Accepted:
    return Accepted(
        id=new.event.id, new=first, held=kept.held, weak=kept.weak, leases=kept.leases, waiting=kept.waiting
    )


def over_sealed(session: Session, new: NewEvent) -> bool:
    """Whether as many other contents as its seal bears came under it before, deleted ones included."""
    if new.seal is None or new.seal_most <= 0:
        return False
    values = {"seal": new.seal, "fingerprint": new.fingerprint, "most": new.seal_most}
    return number_of(session.rows(sql.SEALED, values)) >= new.seal_most
