"""The rules of a wall clock that is set while the gateway runs: what waits is moved by as much as the clock was."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from gateway.runtime.lean_imports import import_structlog
from gateway.store.engine.reruns import rerun
from gateway.store.engine.session import Session, value_of
from gateway.store.outbox import statements as sql

STEP_MS_MIN: Final = 1000  # ms; what is less is drift, and delays nobody
LOOK_SECONDS: Final = 1.0  # between two looks at a server's clock
READING_SECONDS_MAX: Final = 1.0  # seconds that reading a clock may take, else it says too little
MOVE_ROWS: Final = 2000  # rows moved in one transaction
MOVE_SECONDS: Final = 0.1  # of one look, because nobody else's work is done meanwhile

_MARK: Final = "SELECT value FROM meta WHERE name = 'clock_steps'"
_LOOK: Final = f"SELECT :now, ({_MARK})"
# One gateway of those that see the step moves the rows: the one that finds the mark as it was at its look before.
_CLAIM: Final = """INSERT INTO meta (name, value) VALUES ('clock_steps', :next)
  ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE meta.value = :mark"""
# What lies beyond `floor` was written before the step; what is due is due on either clock.
_LEASES: Final = """UPDATE deliveries SET due_at = due_at + :step
  WHERE state IN ('waiting','sending') AND state = 'sending' AND due_at > :floor"""
# What came since the clock was set forward is of the new clock already: a server's is looked at once a second.
_WAITING: Final = """SELECT id FROM deliveries WHERE state IN ('waiting','sending') AND state = 'waiting' AND due_at > :floor
  AND (CAST(:step AS bigint) < 0 OR attempts > 0 OR since_at <= :floor)"""
_MOVE: Final = {
    backend: f"""UPDATE deliveries SET due_at = due_at + :step
  WHERE id {these} AND state = 'waiting' AND due_at > :floor"""  # noqa: S608
    for backend, these in {
        "sqlite": "IN (SELECT value FROM json_each(:ids))",
        "postgresql": "IN (SELECT CAST(value AS bigint) FROM json_array_elements_text(CAST(:ids AS json)))",
    }.items()
}
# `stalled_ms` moves along, so that a delivery grows no older and no younger by the step. A probe that is under way
# keeps its mark where the clock went forward; where it went back it would hold the circuit open for as long as the step.
_SINKS: Final = """UPDATE sinks SET stalled_ms = stalled_ms + :step, stalled_since = stalled_since + :step,
    seen_at = seen_at + :step, open_until = open_until + :step,
    probe_until = CASE WHEN :back = 1 THEN probe_until + :step ELSE probe_until END"""
_WATCHES: Final = """UPDATE watches SET due_at = due_at + :step, since_at = since_at + :step
  WHERE state IN ('waiting', 'back') AND due_at > :floor"""
_RATES: Final = "UPDATE rates SET until_at = until_at + :step, free_at = free_at + :step"
# A sink without a row has stood still for nothing so far.
_SINK: Final = "INSERT INTO sinks (name, stalled_ms) VALUES (:sink, 0) ON CONFLICT (name) DO NOTHING"

log = import_structlog().get_logger("gateway.store")


class _ClockReading(NamedTuple):
    """The store's clock (ms), read between two monotonic times (seconds)."""

    now: int
    before: float
    after: float


class ClockSteps:
    """Compares the store's clock with a monotonic one, at each look. On the writer's thread.

    Small steps and a clock that is only slewed are left alone. Several gateways on one server see the same step; the row
    `clock_steps` lets one of them move the rows.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._seen: _ClockReading | None = None
        self._mark: str | None = None
        self._look_at = 0.0
        self._left: list[int] = []  # deliveries that are still to be moved
        self._step = self._floor = 0

    def correct(self, session: Session) -> int:
        """Move rows if the clock was set since the last look; by how many ms it was, else 0."""
        before = self._monotonic()
        own = session.look_at_clock()
        if session.backend == "sqlite" and self._seen is not None:
            now, mark = own or 0, self._mark  # our own clock, and nobody else moves anything: no statement
        elif before < self._look_at:
            self._go_on(session)
            return 0
        else:
            ((now, mark),) = session.rows(_LOOK)
        after = self._monotonic()
        self._look_at = after + LOOK_SECONDS
        seen = self._seen
        step = self._compare(now, before, after)
        if step:
            try:
                self._move(session, step, now)
            except BaseException:
                self._seen = seen  # so that the next look finds the step again
                raise
        else:
            self._mark = mark
        self._go_on(session)
        return step

    def suspects(self, now: int) -> bool:
        """Whether the store's clock, just read as `now`, does not go on from the last look; then look at once."""
        if (
            self._seen is None
            or abs(now - self._seen.now - (self._monotonic() - self._seen.after) * 1000) < STEP_MS_MIN
        ):
            return False
        self._look_at = 0.0
        return True

    def _compare(self, now: int, before: float, after: float) -> int:
        if after - before > READING_SECONDS_MAX:
            return 0
        seen, self._seen = self._seen, _ClockReading(now, before, after)
        if seen is None:
            return 0
        passed = now - seen.now
        least, most = (before - seen.after) * 1000, (after - seen.before) * 1000
        step = passed - most if passed > most else passed - least if passed < least else 0.0
        return round(step) if abs(step) >= STEP_MS_MIN else 0

    def _move(self, session: Session, step: int, now: int) -> None:
        while self._left:  # of a step before
            self._go_on(session)
        floor = now if step < 0 else now - step
        values = {"step": step, "floor": floor, "back": 1 if step < 0 else 0}
        moved = rerun(session, partial(_moved, session, self._mark, values))
        self._mark = moved.mark
        if moved.mine:
            self._left = list(moved.left)
            self._step, self._floor = step, floor
            log.warning("clock_stepped", seconds=step / 1000, deliveries=moved.leases + len(moved.left))

    def _go_on(self, session: Session) -> None:
        until = time.monotonic() + MOVE_SECONDS
        while self._left:
            some = self._left[:MOVE_ROWS]
            values = {"ids": json.dumps(some), "step": self._step, "floor": self._floor}
            rerun(session, partial(_move_some, session, values))
            del self._left[:MOVE_ROWS]
            if time.monotonic() >= until:
                return


class _Moved(NamedTuple):
    """What came of a step that was seen: `mine`, this gateway moves the rows; `left` are deliveries still to be moved."""

    mark: str | None
    mine: bool = False
    leases: int = 0
    left: Sequence[int] = ()


def _moved(session: Session, seen: str | None, values: Mapping[str, int]) -> _Moved:
    with session.atomic():
        found = value_of(session.rows(_MARK))
        mark = None if found is None else str(found)
        following = str(int(mark or 0) + 1)
        if mark != seen or session.change(_CLAIM, {"next": following, "mark": mark or ""}) != 1:
            return _Moved(mark)
        leases = session.change(_LEASES, values)
        for (sink,) in session.rows(sql.NAMES):
            session.change(_SINK, {"sink": sink})
        session.change(_SINKS, values)
        session.change(_RATES, {"step": values["step"]})
        session.change(_WATCHES, values)
        return _Moved(following, True, leases, [id_ for (id_,) in session.rows(_WAITING, values)])


def _move_some(session: Session, values: Mapping[str, object]) -> None:
    with session.atomic():
        session.change(_MOVE[session.backend], values)
