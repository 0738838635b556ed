"""The counters of each minute: written by every gateway for itself, summed up when they are read, forgotten after a week."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from gateway.runtime.activity import Counted
from gateway.store.engine.session import Session

KEEP_MINUTES: Final = 8 * 24 * 60
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
_OWNERS: Final = "SELECT count(DISTINCT owner) FROM minutes WHERE minute >= :since"


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


def put(session: Session, counted: Sequence[Counted], owner: str) -> None:
    """Write counts as they are now."""
    with session.atomic():
        for one in counted:
            count = one.count
            values = {"minute": one.minute, "owner": owner, "kind": one.kind, "name": one.name, "total": count.total}
            values |= {"good": count.good, "bad": count.bad, "dead": count.dead, "last_at": count.last_at}
            session.change(_PUT, values | {"spread": json.dumps(count.spread) if count.spread else None})


def forget(session: Session, minute: int) -> int:
    """Delete some of what is older than a week, seen from this minute; how many."""
    return session.change(_FORGET, {"oldest": minute - KEEP_MINUTES})


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
