"""What recordings wait for: a row for each event that something should follow on, found by when it is due.

A row is `waiting`, or `met` (it came in time), `overdue` (it was told), `back` (it came after that, and that is to be told),
`over` (that was told too). One gateway of several does each step, because all of it is under the lock of recordings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from gateway.model import FILE_COMPLETED, FILE_STARTED, RECORDING_FAILED
from gateway.store.engine.session import Session, number_of
from gateway.store.outbox.recording_state import Sign

_OPEN: Final = """SELECT id, state, rule FROM watches WHERE recording = :recording AND expect = :expect
  AND state IN ('waiting', 'overdue') ORDER BY since_at, id"""
_MET: Final = "UPDATE watches SET state = 'met' WHERE id = :id"
_BACK: Final = "UPDATE watches SET state = 'back', due_at = :now WHERE id = :id"
_FAILED: Final = "UPDATE watches SET state = 'met' WHERE recording = :recording AND state = 'waiting'"
_ARM: Final = """INSERT INTO watches (rule, recording, event, expect, state, since_at, due_at)
  VALUES (:rule, :recording, :event, :expect, :state, :since, :due) ON CONFLICT (rule, event) DO NOTHING"""
_ANY: Final = "SELECT 1 FROM watches WHERE recording = :recording AND rule = :rule LIMIT 1"
_USED: Final = """SELECT count(*) FROM watches WHERE recording = :recording AND rule = :rule
  AND state IN ('met', 'back', 'over')"""
# along the index of what is due, whose condition stands here word for word
_SOME: Final = """id IN (SELECT w.id FROM watches w WHERE w.state IN ('waiting', 'back') AND w.state = 'waiting'
  AND w.rule = :rule AND {} LIMIT :most)"""
_WITHIN: Final = "UPDATE watches SET due_at = since_at + :within WHERE " + _SOME.format(  # noqa: S608
    "w.due_at <> w.since_at + :within"
)
_PULL: Final = "UPDATE watches SET since_at = :now, due_at = :now + :within WHERE " + _SOME.format(  # noqa: S608
    "w.since_at > :now"
)
_MISSING: Final = (
    "SELECT DISTINCT expect FROM watches WHERE recording = :recording AND state = 'overdue' ORDER BY expect"
)


class WatchRule(msgspec.Struct, frozen=True):
    """One rule. `when`: globs by field, as a route's `match`; `within`: ms."""

    name: str
    when: Mapping[str, Sequence[str]]
    expect: str
    within: int

    def fits(self, values: Mapping[str, str | None]) -> bool:
        """Whether it waits behind an event of these values."""
        return all(
            (value := values.get(key)) is not None and any(fnmatchcase(value, glob) for glob in globs)
            for key, globs in self.when.items()
        )

    @property
    def by_file(self) -> bool:
        """Whether each event wants one of its own, as a file that begins wants its end."""
        return self.expect == FILE_COMPLETED


def see(session: Session, rules: Sequence[WatchRule], sign: Sign, recording: int, counts: Mapping[str, int]) -> None:
    """An event of a recording: what waited for it has it, and what should follow on it is waited for.

    `counts` are the recording's events by type with this one: what came before its turn is not waited for.
    """
    if sign.again:
        return
    if sign.type == RECORDING_FAILED:  # that was told by itself
        session.change(_FAILED, {"recording": recording})
    answered: set[str] = set()
    for id_, state, name in session.rows(_OPEN, {"recording": recording, "expect": sign.type}):
        if name not in answered:  # one event is what one row of a rule waited for, the oldest
            session.change(_MET if state == "waiting" else _BACK, {"id": id_})
            answered.add(name)
    for rule in rules:
        if rule.fits(sign.values):
            _arm(session, rule, sign, {"recording": recording, "rule": rule.name}, counts)


def _arm(session: Session, rule: WatchRule, sign: Sign, of: Mapping[str, object], counts: Mapping[str, int]) -> None:
    there = counts.get(rule.expect, 0)
    if rule.by_file and sign.type == FILE_STARTED:
        met = there > number_of(session.rows(_USED, of)) if there else False
    elif session.rows(_ANY, of):
        return
    else:
        met = there > 0
    met = met or counts.get(RECORDING_FAILED, 0) > 0
    values = {"event": sign.event, "expect": rule.expect, "since": sign.received_at}
    session.change(_ARM, {**of, **values, "state": "met" if met else "waiting", "due": sign.received_at + rule.within})


def apply_step(session: Session, rules: Sequence[WatchRule], most: int) -> bool:
    """From now on these rules hold: what waits is due by them. What waits since a time to come, because the clock was set
    back while no gateway ran, waits from now. Rules that are gone are found when their rows are due. `most` rows; False: there
    are no more."""
    left = most
    with session.atomic():
        for rule in rules:
            for change in (_PULL, _WITHIN):
                left -= session.change(change, {"rule": rule.name, "within": rule.within, "most": left})
                if left <= 0:
                    return True
    return False


def overdue_types(session: Session, recording: int) -> Sequence[str]:
    """The types that are overdue, as people were told."""
    return [type_ for (type_,) in session.rows(_MISSING, {"recording": recording})]
