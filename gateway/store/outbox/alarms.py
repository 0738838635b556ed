"""The rules of alarms: what holds is kept in the store, so that each edge is told once, by one gateway of several, over restarts.

Three kinds. What the store itself knows: circuits. What one process sees: its limits, its file; it says so at each look.
And occurrences: dead deliveries, refused callbacks, held events; they are counted until the next alarm of their type.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from gateway.model import (
    ABOUT_SEPARATOR,
    DELIVERY_DEAD,
    EVENT_HELD,
    REFUSALS,
    SINK_DOWN,
    SINK_UP,
    SOURCE_BACK,
    SOURCE_SILENT,
    STORE_LIMIT,
    STORE_OK,
)
from gateway.states import AlarmType
from gateway.store.engine.batch import Bulk, storable
from gateway.store.engine.session import Columns, Session
from gateway.store.outbox.accept import accept
from gateway.store.outbox.conditions import AlarmDue, Announced, Condition, Seen
from gateway.store.outbox.gates import UNSERVED_MS
from gateway.store.records import NewEvent

OVER: Final[Mapping[AlarmType, AlarmType]] = {
    SINK_DOWN: SINK_UP,
    STORE_LIMIT: STORE_OK,
    SOURCE_SILENT: SOURCE_BACK,
}  # what is said when it is over
QUIET: Final[Mapping[AlarmType, int]] = {
    REFUSALS: 3600_000
}  # ms between two alarms about one thing while it goes on, because anybody can cause it
DEAD_MAX: Final = 1000  # dead deliveries that one look counts; the next one counts the rest
CAUSES_SHOWN_MAX: Final = 3
_LOCK: Final = "alarms"
_MARK: Final = (
    "alarms"  # in meta: the last refused callback and held event that were counted, and when each type was told
)

_NOW: Final = "SELECT CAST(:now AS {int}), value FROM meta WHERE name = 'alarms'"
_INT: Final = {"sqlite": "INTEGER", "postgresql": "bigint"}
_BEGIN: Final = """INSERT INTO meta (name, value) VALUES ('alarms', :mark) ON CONFLICT (name) DO NOTHING"""
_KEEP_MARK: Final = "UPDATE meta SET value = :mark WHERE name = 'alarms'"
_LAST: Final = "SELECT (SELECT max(id) FROM refused), (SELECT max(seq) FROM events WHERE held IS NOT NULL)"
_ROWS: Final = "SELECT type, about, holds, announced, since_at, announced_at, occurrences, detail FROM alarms"
_SINKS: Final = "SELECT name, open_until, reason, stalled_since FROM sinks WHERE seen_at > :now - :unserved"
_DEAD: Final = "SELECT 1 FROM deliveries WHERE state = 'dead' AND alarmed <= round LIMIT 1"
_COUNT_DEAD: Final = """UPDATE deliveries SET alarmed = round + 1 WHERE id IN (
    SELECT id FROM deliveries WHERE state = 'dead' AND alarmed <= round LIMIT :most)
  RETURNING sink, due_at, reason, last_error, (SELECT e.type FROM events e WHERE e.seq = deliveries.event)"""
_REFUSED: Final = """SELECT source, count(*), min(received_at), max(code), max(id) FROM refused
  WHERE id > :refused AND source <> '' GROUP BY source"""
_HELD: Final = """SELECT source, count(*), min(received_at), max(held), max(seq) FROM events
  WHERE held IS NOT NULL AND seq > :held GROUP BY source"""
_PUT: Final = """INSERT INTO alarms (type, about, holds, announced, since_at, announced_at, occurrences, detail)
  VALUES (:type, :about, :holds, :announced, :since, :announced_at, :occurrences, :detail)
  ON CONFLICT (type, about) DO UPDATE SET holds = excluded.holds, announced = excluded.announced,
    since_at = excluded.since_at, announced_at = excluded.announced_at, occurrences = excluded.occurrences,
    detail = excluded.detail"""
_DROP: Final = "DELETE FROM alarms WHERE type = :type AND about = :about"


def skip_past(session: Bulk) -> None:
    """What came before there were alarms is not told afterwards."""
    with session.atomic():
        ((refused, held),) = session.rows(_LAST)
        session.change(_BEGIN, {"mark": json.dumps({"refused": refused or 0, "held": held or 0, "at": {}})})


def survey(session: Session, seen: Sequence[Seen], every: int) -> tuple[bool, Sequence[AlarmDue]]:
    """Whether `announce` has something to write, and what is due as far as reading says; changes nothing."""
    look = _AlarmLook(session, seen)
    look.count(session)
    due = look.due(every)
    return bool(due or look.changed or session.rows(_DEAD)), due


def announce(
    session: Bulk, seen: Sequence[Seen], every: int, make: Callable[[AlarmDue], NewEvent], owner: str
) -> Sequence[Announced]:
    """Count what happened, and store the alarms that are due with what they say. All in one transaction, one gateway at a time."""
    with session.atomic():
        session.lock({_LOCK})
        look = _AlarmLook(session, seen)
        look.count(session)
        look.count_dead(session.rows(_COUNT_DEAD, {"most": DEAD_MAX}))
        stored = []
        for alarm in look.due(every):
            new = make(alarm)
            ((accepted,),) = accept(session, [[new]], owner)
            stored.append(Announced(alarm, new, accepted))
            look.announced(alarm)
        look.keep(session)
    return stored


class _AlarmLook:
    """The conditions as they are now, and what has to be written of them."""

    def __init__(self, session: Session, seen: Sequence[Seen]) -> None:
        ((self.now, mark),) = session.rows(_NOW.format(int=_INT[session.backend])) or (((0, "{}")),)
        self._mark = {"refused": 0, "held": 0, "at": {}} | json.loads(mark)
        self._known = {known.name: known for known in map(_condition, session.rows(_ROWS))}
        self._changed: set[tuple[AlarmType, str]] = set()
        self._marked = False
        self._sinks(session.rows(_SINKS, {"unserved": UNSERVED_MS}))
        for one in seen:
            self._see(one, self.now)

    @property
    def changed(self) -> bool:
        """Whether something has to be written, even if nothing is due."""
        return bool(self._changed) or self._marked

    # -- what holds

    def _sinks(self, rows: Sequence[Columns]) -> None:
        served = set()
        for name, open_until, reason, stalled_since in rows:
            served.add(name)
            self._see(Seen(SINK_DOWN, name, open_until is not None, reason or ""), stalled_since or self.now)
        for type, about in list(self._known):
            if type == SINK_DOWN and about not in served:  # nobody has it any more, so nobody waits for it
                self._drop(type, about)

    def _see(self, seen: Seen, since: int) -> None:
        known = self._known.get(seen.name)
        if known is None:
            if seen.holds:
                self._known[seen.name] = Condition(
                    seen.type, seen.about, True, since, detail=storable(seen.detail, 500)
                )
                self._changed.add(seen.name)
        elif not seen.holds and (not known.announced or seen.type not in OVER):
            self._drop(seen.type, seen.about)
        elif seen.holds != known.holds:
            known.holds = seen.holds
            if seen.holds and not known.announced:
                known.since = since
            self._changed.add(seen.name)

    def _drop(self, type: AlarmType, about: str) -> None:
        del self._known[type, about]
        self._changed.add((type, about))

    # -- what happened

    def count(self, session: Session) -> None:
        """Take in refused callbacks and held events that came since the last look."""
        looks: tuple[tuple[AlarmType, str, str], ...] = ((REFUSALS, "refused", _REFUSED), (EVENT_HELD, "held", _HELD))
        for type, mark, statement in looks:
            for about, count, since, detail, last in session.rows(statement, {mark: self._mark[mark]}):
                self._occurred(type, about, count, since, detail)
                self._mark[mark] = max(self._mark[mark], last)
                self._marked = True

    def count_dead(self, rows: Iterable[Columns]) -> None:
        """Take in deliveries that are dead. Not what a person cancelled, and no alarm's: it would be told of for ever."""
        for sink, at, reason, error, type in rows:
            if reason != "cancelled" and not str(type).startswith("gateway."):
                self._occurred(DELIVERY_DEAD, sink, 1, at, f"{reason}: {error}" if error else reason)

    def _occurred(self, type: AlarmType, about: str, count: int, since: int, detail: str) -> None:
        known = self._known.setdefault((type, about), Condition(type, about, True, since))
        if not known.occurrences:
            known.since = since
        known.since = min(known.since, since)
        known.occurrences += count
        known.detail = storable(detail or "", 500)
        self._changed.add((type, about))

    # -- what is to be told

    def due(self, every: int) -> Sequence[AlarmDue]:
        """One alarm of each type at most, and none within `every` ms after the last of its type."""
        waiting: Mapping[AlarmType, list[Condition]] = defaultdict(list)
        for known in self._known.values():
            if type := self._says(known):
                waiting[type].append(known)
        return [
            self._joined(type, sorted(known, key=lambda condition: condition.about))
            for type, known in waiting.items()
            if not self.now - every < self._mark["at"].get(type, 0) <= self.now
        ]

    def _says(self, known: Condition) -> AlarmType | None:
        if known.occurrences:
            at, quiet = known.announced_at, QUIET.get(known.type, 0)
            return known.type if at is None or not self.now - quiet < at <= self.now else None
        if known.holds == known.announced or known.type in _OCCURRENCES:
            return None
        return known.type if known.holds else OVER.get(known.type)

    def _joined(self, type: AlarmType, known: Sequence[Condition]) -> AlarmDue:
        causes = dict.fromkeys(condition.detail for condition in known if condition.detail)
        over = type in OVER.values()
        return AlarmDue(
            type=type,
            about=ABOUT_SEPARATOR.join(condition.about for condition in known),
            since=min(condition.since for condition in known),
            at=self.now,
            count=sum(condition.occurrences for condition in known) or len(known),
            detail="" if over else "; ".join(list(causes)[:CAUSES_SHOWN_MAX]),
        )

    def announced(self, alarm: AlarmDue) -> None:
        """It is told: what it was about is as people know it."""
        self._mark["at"][alarm.type] = self.now
        self._marked = True
        names = set(alarm.about.split(ABOUT_SEPARATOR))
        for key, known in list(self._known.items()):
            if known.about not in names or self._says(known) != alarm.type:
                continue
            if alarm.type in OVER.values():
                self._drop(*key)
                continue
            known.announced, known.announced_at, known.occurrences = known.holds, self.now, 0
            self._changed.add(key)

    def keep(self, session: Bulk) -> None:
        """Write what changed."""
        for type, about in sorted(self._changed):
            known = self._known.get((type, about))
            if known is None or (known.type in _OCCURRENCES and not known.occurrences and type not in QUIET):
                session.change(_DROP, {"type": type, "about": about})
                continue
            values = {
                "type": known.type,
                "about": known.about,
                "holds": int(known.holds),
                "announced": int(known.announced),
                "since": known.since,
                "announced_at": known.announced_at,
                "occurrences": known.occurrences,
                "detail": known.detail,
            }
            session.change(_PUT, values)
        if self._marked:
            session.change(_KEEP_MARK, {"mark": json.dumps(self._mark)})


_OCCURRENCES: Final[frozenset[AlarmType]] = frozenset({DELIVERY_DEAD, REFUSALS, EVENT_HELD})


def _condition(row: Columns) -> Condition:
    type, about, holds, announced, since, announced_at, occurrences, detail = row
    return Condition(type, about, bool(holds), since, bool(announced), announced_at, occurrences, detail)
