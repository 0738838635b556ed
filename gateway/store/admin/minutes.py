"""The counters of each minute: written by every gateway for itself, summed up when they are read, forgotten after a week.

What is older than a day is folded into one row an hour for all gateways, because a plot of a week shows hours: ten
thousand rows a name would be read for each look at it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from gateway.runtime.activity import Counted
from gateway.store.engine.session import Session

KEEP_MINUTES: Final = 8 * 24 * 60
WHOLE_MINUTES: Final = 25 * 60  # what is younger stays in minutes: a plot of a day has points of ten
_PUT: Final = """INSERT INTO minutes (minute, owner, kind, name, total, good, bad, dead, last_at, spread)
  VALUES (:minute, :owner, :kind, :name, :total, :good, :bad, :dead, :last_at, CAST(:spread AS text))
  ON CONFLICT (minute, owner, kind, name) DO UPDATE SET total = excluded.total, good = excluded.good, bad = excluded.bad,
    dead = excluded.dead, last_at = excluded.last_at, spread = excluded.spread"""
_FORGET: Final = """DELETE FROM minutes WHERE (minute, owner, kind, name) IN (
  SELECT minute, owner, kind, name FROM minutes WHERE minute < :oldest ORDER BY minute LIMIT 1000)"""
_SUMS: Final = """SELECT minute / :step AS point, kind, name, CAST(sum(total) AS bigint), CAST(sum(good) AS bigint),
    CAST(sum(bad) AS bigint), CAST(sum(dead) AS bigint), max(last_at)
  FROM minutes WHERE minute >= :since AND kind IN ('source', 'sink', 'code')
  GROUP BY minute / :step, kind, name ORDER BY point"""
_VERIFIED: Final = """SELECT name, CAST(sum(total) AS bigint), max(last_at) FROM minutes
  WHERE minute >= :since AND kind = 'verified' GROUP BY name ORDER BY name"""
_SPREAD: Final = "SELECT name, spread FROM minutes WHERE minute >= :since AND kind = 'sink' AND spread IS NOT NULL"
_FIRST_WHOLE: Final = "SELECT min(minute) FROM minutes WHERE minute >= :since AND minute < :until AND owner <> ''"
_TAKE_HOUR: Final = """DELETE FROM minutes WHERE minute >= :first AND minute < :first + 60 AND owner <> ''
  RETURNING kind, name, total, good, bad, dead, last_at"""
_PUT_HOUR: Final = """INSERT INTO minutes AS t (minute, owner, kind, name, total, good, bad, dead, last_at)
  VALUES (:minute, '', :kind, :name, :total, :good, :bad, :dead, :last_at)
  ON CONFLICT (minute, owner, kind, name) DO UPDATE SET total = t.total + excluded.total, good = t.good + excluded.good,
    bad = t.bad + excluded.bad, dead = t.dead + excluded.dead,
    last_at = CASE WHEN t.last_at > excluded.last_at THEN t.last_at ELSE excluded.last_at END"""


class Sum(NamedTuple):
    """What happened of one name in one point of a plot."""

    point: int
    kind: str
    name: str
    total: int
    good: int
    bad: int
    dead: int
    last_at: int


def write_minutes(session: Session, counted: Sequence[Counted], owner: str) -> None:
    """Write counts as they are now."""
    with session.atomic():
        for one in counted:
            count = one.count
            values = {"minute": one.minute, "owner": owner, "kind": one.kind, "name": one.name, "total": count.total}
            values |= {"good": count.good, "bad": count.bad, "dead": count.dead, "last_at": count.last_at}
            session.change(_PUT, values | {"spread": json.dumps(count.spread) if count.spread else None})


class HourTotals(NamedTuple):
    """What one name did in an hour, in the order of `_TAKE_HOUR`."""

    total: int = 0
    good: int = 0
    bad: int = 0
    dead: int = 0
    last_at: int = 0

    def plus(self, more: HourTotals) -> HourTotals:
        """Both together."""
        return HourTotals(
            self.total + more.total,
            self.good + more.good,
            self.bad + more.bad,
            self.dead + more.dead,
            max(self.last_at, more.last_at),
        )


def forget(session: Session, minute: int) -> int:
    """Delete some of what is older than a week, seen from this minute; how many."""
    return session.change(_FORGET, {"oldest": minute - KEEP_MINUTES})


def fold(session: Session, minute: int) -> bool:
    """Fold the oldest hour that is still in minutes into one row a name. False: there is none.

    The rows are deleted before they are counted, so that of two gateways only one has them.
    """
    until = (minute - WHOLE_MINUTES) // 60 * 60
    with session.atomic():
        ((oldest,),) = session.rows(_FIRST_WHOLE, {"since": minute - KEEP_MINUTES, "until": until})
        if oldest is None:
            return False
        first = oldest // 60 * 60
        totals: dict[tuple[str, str], HourTotals] = {}
        for kind, name, *counts in session.rows(_TAKE_HOUR, {"first": first}):
            before = totals.get((kind, name), HourTotals())
            totals[kind, name] = before.plus(HourTotals(*map(int, counts)))
        for (kind, name), of_hour in totals.items():
            session.change(_PUT_HOUR, {"minute": first, "kind": kind, "name": name, **of_hour._asdict()})
    return True


def sums(session: Session, since: int, step: int) -> Sequence[Sum]:
    """What happened from this minute on, in points of so many minutes."""
    return [Sum(*row) for row in session.rows(_SUMS, {"since": since, "step": step})]


def verified(session: Session, since: int) -> Sequence[tuple[str, int, int]]:
    """How callbacks were verified: the name, how often, when last."""
    return [(name, int(total), int(last)) for name, total, last in session.rows(_VERIFIED, {"since": since})]


def spreads(session: Session, since: int) -> dict[str, list[int]]:
    """How long the attempts of each sink took, by the places of `SPREAD_MS`."""
    found: dict[str, Counter[int]] = {}
    for name, text in session.rows(_SPREAD, {"since": since}):
        found.setdefault(name, Counter()).update(dict(enumerate(json.loads(text))))
    return {name: [counts[place] for place in range(max(counts) + 1)] for name, counts in found.items()}
