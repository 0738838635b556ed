"""The rules of asking a vendor for its recordings: one gateway of several does it, a page at a time, and goes on where another
left off. What a page brought is stored in the transaction that notes that it was looked at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple

import msgspec

from gateway.compact_json import encode_struct
from gateway.store.engine.batch import Bulk, storable
from gateway.store.engine.session import Columns, Session, number_of
from gateway.store.outbox import file_places
from gateway.store.outbox.accept import accept
from gateway.store.outbox.retention import REMEMBERED_MIN, Keep
from gateway.store.records import Accepted, NewEvent

LEASE_MS: Final = 120_000  # after which another gateway goes on; who lives renews it, however long a page takes
WAIT_MS_MAX: Final = (
    24 * 3_600_000
)  # that a vendor may ask for; what lies further was written by a clock that stood wrong
ERROR_CHARS_MAX: Final = 500

_COLUMNS: Final = "source, due_at, owner, until_at, known_from, noted, noted_at, failures, run, last, error"
_ALL: Final = f"SELECT {_COLUMNS}, :now FROM reconciliations ORDER BY source"  # noqa: S608
_ONE: Final = f"SELECT {_COLUMNS}, :now FROM reconciliations WHERE source = :source"  # noqa: S608
_MAKE: Final = """INSERT INTO reconciliations (source, due_at, until_at, known_from, noted, noted_at, failures)
  VALUES (:source, :now, 0, 0, 0, 0, 0) ON CONFLICT (source) DO NOTHING"""
_LEASE: Final = """UPDATE reconciliations SET owner = :owner, until_at = :now + :lease WHERE source = :source
  AND (owner IS NULL OR owner = :owner OR until_at <= :now OR until_at > :now + :lease)"""
_ON: Final = """UPDATE reconciliations SET run = :run, until_at = :now + :lease, failures = 0, error = NULL
  WHERE source = :source AND owner = :owner"""
_END: Final = """UPDATE reconciliations SET run = NULL, last = :last, owner = NULL, until_at = 0, failures = 0, error = NULL,
  due_at = :now + :wait WHERE source = :source AND owner = :owner"""
_FAIL: Final = """UPDATE reconciliations SET owner = NULL, until_at = 0, failures = failures + 1, error = :error,
  due_at = :now + :wait WHERE source = :source AND owner = :owner"""
_ASK_FOR: Final = """UPDATE reconciliations SET run = :run, due_at = :now, failures = 0, error = NULL
  WHERE source = :source AND (owner IS NULL OR until_at <= :now)"""
_LEAVE: Final = "UPDATE reconciliations SET owner = NULL, until_at = 0 WHERE owner = :owner"
_NOTED: Final = "UPDATE reconciliations SET noted = :noted WHERE source = :source"
_ALL_NOTED: Final = "UPDATE reconciliations SET known_from = :known_from, noted_at = :now WHERE source = :source"
_OVERLAP: Final = 500  # numbers of events that may be committed after higher ones
_LEAVE_ALL: Final = "UPDATE reconciliations SET owner = NULL, until_at = 0"
_FORGOTTEN: Final = "SELECT 1 FROM remembered LIMIT 1"
_NOW: Final = "SELECT CAST(:now AS bigint)"


class Run(msgspec.Struct, frozen=True):
    """One asking: the time asked for (ms), where it is, and what it found. `ended`: ms, once it has."""

    began: int
    since: int
    until: int
    next: str | None = None
    looked: int = 0  # recordings listed
    made: int = 0  # events of those whose callback never came
    better: int = 0  # of these, such that took the place of what a weaker signature had said otherwise
    problems: int = 0  # entries that could not be read
    ended: int | None = None


_read: Final = msgspec.json.Decoder(Run).decode


class ReconciliationRow(msgspec.Struct, frozen=True):
    """What is known of the asking of one source. `run` is under way (`owner`, at `until_at` at the latest, does it), `last` ended;
    `error` says why it does not get on, `failures` how often in a row. `now` is the store's time. All in ms."""

    source: str
    due_at: int
    owner: str | None
    until_at: int
    known_from: int
    noted: int
    noted_at: int
    failures: int
    run: Run | None
    last: Run | None
    error: str | None
    now: int

    @classmethod
    def of(cls, columns: Columns) -> ReconciliationRow:
        source, due_at, owner, until_at, known_from, noted, noted_at, failures, run, last, error, now = columns
        began, ended = None if run is None else _read(run), None if last is None else _read(last)
        numbers = (known_from, noted, noted_at, failures)
        return cls(source, due_at, owner, until_at, *numbers, began, ended, error, int(now))

    @property
    def ended_at(self) -> int | None:
        """When the list was last gone through."""
        return None if self.last is None else self.last.ended

    def is_due(self, every: timedelta) -> bool:
        """Whether somebody should begin, or go on. A clock that was set back does not put it off."""
        return self.due_at <= self.now or self.due_at > self.now + max(_ms(every), WAIT_MS_MAX)

    def is_free(self, owner: str) -> bool:
        return self.owner in (None, owner) or not self.now < self.until_at <= self.now + LEASE_MS


class ListedStored(NamedTuple):
    """A listed recording that was stored."""

    new: NewEvent
    accepted: Accepted


def rows(session: Session) -> dict[str, ReconciliationRow]:
    """What is known, by source."""
    return {row.source: row for row in map(ReconciliationRow.of, session.rows(_ALL))}


def lease(session: Bulk, source: str, owner: str) -> ReconciliationRow | None:
    """Take the asking of a source for `LEASE_MS`; None: another gateway has it."""
    with session.atomic():
        session.change(_MAKE, {"source": source})
        if not session.change(_LEASE, {"source": source, "owner": owner, "lease": LEASE_MS}):
            return None
        return ReconciliationRow.of(session.rows(_ONE, {"source": source})[0])


def note_step(session: Bulk, source: str, keep: Keep, *, first: bool, most: int) -> bool:
    """Keep the places of the next `most` events that were stored without; False: there are no more. Then it is known from when on
    nothing can have been forgotten: what the list has from before is left alone, because its callback may have come."""
    with session.atomic():
        session.change(_MAKE, {"source": source})
        row = ReconciliationRow.of(session.rows(_ONE, {"source": source})[0])
        after = max(row.noted - _OVERLAP, 0) if first else row.noted
        looked, noted = file_places.note_stored(session, source, after, most)
        session.change(_NOTED, {"source": source, "noted": max(noted, row.noted) if first else noted})
        if looked == most:
            return True
        session.change(_ALL_NOTED, {"source": source, "known_from": _known_from(session, row, keep)})
        return False


def _known_from(session: Session, row: ReconciliationRow, keep: Keep) -> int:
    # what came since then cannot have been deleted
    in_store = row.now - _ms(max(min(keep.delivered, keep.unrouted), REMEMBERED_MIN))
    remembered = row.now - _ms(max(keep.remember, REMEMBERED_MIN))
    if row.noted_at and row.noted_at >= in_store:
        return max(row.known_from, remembered)
    return in_store if session.rows(_FORGOTTEN) else min(in_store, remembered)


class PageStored(NamedTuple):
    """A page that was looked at: how far the run is now, and what was stored."""

    run: Run
    stored: Sequence[ListedStored]


def step(session: Bulk, source: str, owner: str, run: Run, events: Sequence[NewEvent]) -> PageStored | None:
    """Store what a page brought that is new, and note how far it is: `run` without what these events add. None: another gateway
    has it now, and nothing was stored."""
    with session.atomic():
        if not session.change(_LEASE, {"source": source, "owner": owner, "lease": LEASE_MS}):
            return None
        stored = store(session, events, owner)
        made, better = counted(stored)
        run = msgspec.structs.replace(run, made=run.made + made, better=run.better + better)
        session.change(_ON, {"source": source, "owner": owner, "run": _run_json(run), "lease": LEASE_MS})
        return PageStored(run, stored)


def counted(stored: Sequence[ListedStored]) -> tuple[int, int]:
    """How many were made, and how many of these took another's place."""
    return len(stored), sum(1 for one in stored if one.accepted.supersedes)


def store(session: Bulk, events: Sequence[NewEvent], owner: str) -> Sequence[ListedStored]:
    """Store those of these that are new. Inside a transaction."""
    accepted = accept(session, [[new] for new in events], owner)
    now = number_of(session.rows(_NOW))
    stored = []
    for new, (one,) in zip(events, accepted, strict=True):
        if one.new or one.variant:
            stored.append(ListedStored(new.replace(event=new.event.replace(id=one.id)), one))
        else:
            file_places.note_again(session, new, now)
    return stored


def end_run(session: Bulk, source: str, owner: str, run: Run, wait: timedelta) -> Run | None:
    """The run has ended, and the next begins after `wait`; None: another gateway has it now."""
    with session.atomic():
        now = number_of(session.rows(_NOW))
        ended = msgspec.structs.replace(run, ended=now, next=None)
        values = {"source": source, "owner": owner, "last": _run_json(ended), "wait": _ms(wait)}
        return ended if session.change(_END, values) else None


def fail(session: Bulk, source: str, owner: str, error: str, wait: timedelta) -> None:
    """It could not get on, and goes on after `wait` where it is."""
    text = storable(error, ERROR_CHARS_MAX)
    session.change(_FAIL, {"source": source, "owner": owner, "error": text, "wait": _ms(wait)})


def ask_for(session: Bulk, source: str, run: Run) -> bool:
    """Let a gateway begin this run at once; False: one is under way."""
    with session.atomic():
        session.change(_MAKE, {"source": source})
        return session.change(_ASK_FOR, {"source": source, "run": _run_json(run)}) == 1


def leave(session: Bulk, owner: str | None) -> None:
    """Let go of what a gateway that ends was doing: another goes on at once. None: of everything, because nobody else is there."""
    session.change(_LEAVE_ALL) if owner is None else session.change(_LEAVE, {"owner": owner})


def _run_json(run: Run) -> str:
    return encode_struct(run).decode()


def _ms(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)
