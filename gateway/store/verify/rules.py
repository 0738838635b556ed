"""What must hold of the rows of a store, each rule as a statement that finds the rows that break it, and as words.

A statement looks at the rows of one table with `:after < key <= :upto`, so that it is short however many there are, and
is right by itself: nothing else is locked or remembered between two of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.model import Outcome
from gateway.states import DELIVERY_STATES
from gateway.store.outbox.contents import CONTENTS_MAX
from gateway.store.records import Rank

FINGERPRINT_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Rule:
    """`broken` is the condition of a row `r` that breaks it; `shows` are what `words` names as {1}, {2} … ({0}: its key)."""

    name: str  # for programs; a promise
    table: str
    key: str
    shows: str
    broken: str
    words: str

    @property
    def statement(self) -> str:
        """Finds the rows between `:after` and `:upto` that break it."""
        return (
            f"SELECT r.{self.key}, {self.shows} FROM {self.table} r "  # noqa: S608  names and conditions of ours
            f"WHERE r.{self.key} > :after AND r.{self.key} <= :upto AND ({self.broken}) ORDER BY 1"
        )


def _delivery(name: str, broken: str, words: str, shows: str = "r.sink") -> Rule:
    return Rule(name, "deliveries", "id", shows, broken, f"delivery {{0}} to {{1}} {words}")


_OPEN: Final = "state IN ('waiting','sending')"
_STATES: Final = ", ".join(f"'{state}'" for state in DELIVERY_STATES)
_OUTCOMES: Final = ", ".join(f"'{outcome.value}'" for outcome in Outcome)
_HEADS: Final = (
    "EXISTS (SELECT 1 FROM deliveries o WHERE o.sink = r.sink AND o.order_key = r.order_key AND o.order_key IS NOT NULL "  # noqa: S608  names of ours
    f"AND o.rank <> {Rank.BEHIND} AND o.{_OPEN}{{other}})"
)

RULES: Final = (
    _delivery("state", f"r.state NOT IN ({_STATES})", "is in the state {2}, which there is not", "r.sink, r.state"),
    _delivery(
        "rank",
        f"(r.rank = {Rank.LEASED}) <> (r.state = 'sending')",
        f"is {{2}} and has rank {{3}}: what is being sent has rank {Rank.LEASED}, and nothing else has",
        "r.sink, r.state, r.rank",
    ),
    _delivery(
        "rank",
        f"r.state IN ('delivered', 'dead') AND r.rank <> {Rank.AGAIN}",
        f"is {{2}} and has rank {{3}}: what has ended has rank {Rank.AGAIN}",
        "r.sink, r.state, r.rank",
    ),
    _delivery(
        "order",
        "r.order_key IS NOT NULL AND r.order_key NOT LIKE 'owner %' AND EXISTS (SELECT 1 FROM events e "
        "WHERE e.seq = r.event AND r.order_key <> e.source || ' ' || e.subject)",
        "keeps the order of {2}, which is not its event's stream",
        "r.sink, r.order_key",
    ),
    _delivery(
        "lease",
        "r.state = 'sending' AND r.due_at > :now + :lease",
        "is leased until {2} (ms), longer than any lease was ever given: no gateway would take it over before",
        "r.sink, r.due_at",
    ),
    _delivery(
        "due",
        f"r.state = 'waiting' AND r.rank <> {Rank.BEHIND} AND r.due_at > :now + :delay",
        "waits until {2} (ms), longer than any delay was ever given",
        "r.sink, r.due_at",
    ),
    _delivery(
        "token",
        "r.token < 0 OR r.attempts < 0 OR r.attempts > r.token",
        "counts {2} attempts at token {3}: every attempt has a token of its own",
        "r.sink, r.attempts, r.token",
    ),
    _delivery(
        "reason",
        "(r.state = 'dead') <> (r.reason IS NOT NULL)",
        "is {2} with the reason {3}: what is dead has one, and nothing else has",
        "r.sink, r.state, r.reason",
    ),
    _delivery(
        "receipt",
        "r.state = 'delivered' AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.delivery = r.id AND a.outcome = 'delivered')",
        "is delivered, and no attempt says so",
    ),
    _delivery(
        "stuck",
        f"r.rank = {Rank.BEHIND} AND r.{_OPEN} AND NOT {_HEADS.format(other='')}",
        "is held behind an earlier one of its key, and there is none: it would wait for ever",
    ),
    _delivery(
        "heads",
        f"r.order_key IS NOT NULL AND r.rank <> {Rank.BEHIND} AND r.{_OPEN} AND {_HEADS.format(other=' AND o.id <> r.id')}",
        "may go, and so may another of its key: their order is not kept",
    ),
    _delivery(
        "held",
        "EXISTS (SELECT 1 FROM events e WHERE e.seq = r.event AND e.held IS NOT NULL)",
        "is of event row {2}, which is held and goes nowhere",
        "r.sink, r.event",
    ),
    _delivery(
        "source",
        "r.source <> '' AND EXISTS (SELECT 1 FROM events e WHERE e.seq = r.event AND e.source <> r.source)",
        "says the source {2}, and its event another",
        "r.sink, r.source",
    ),
    Rule(
        "fenced", "attempts", "delivery", "r.token",
        "EXISTS (SELECT 1 FROM deliveries d WHERE d.id = r.delivery AND d.token < r.token)",
        "delivery {0} has an attempt with token {1}, which it has not given yet: it would be given twice",
    ),
    Rule(
        "outcome", "attempts", "delivery", "r.token, r.outcome",
        f"r.outcome NOT IN ({_OUTCOMES})",
        "attempt {1} of delivery {0} ended as {2}, which there is not",
    ),
    Rule(
        "fingerprint", "events", "seq", "r.id", f"length(r.fingerprint) <> {FINGERPRINT_BYTES}",
        f"event {{1}} (row {{0}}) has no fingerprint of {FINGERPRINT_BYTES} bytes: a repeat of it is not known again",
    ),
    Rule(
        "contents", "events", "seq", "r.id",
        "r.held IS NOT NULL AND (SELECT count(*) FROM events o WHERE o.id = r.id AND o.source = r.source "  # noqa: S608  names of ours
        f"AND o.held IS NOT NULL) > {CONTENTS_MAX}",
        f"event {{1}} (row {{0}}) is one of more than {CONTENTS_MAX} that are held under one id",
    ),
)  # fmt: skip

# Few rows, looked at at once. Each: name, statement, words.
SMALL: Final = (
    (
        "probe",
        "SELECT name FROM sinks WHERE probe_until IS NOT NULL AND open_until IS NULL",
        "sink {0} is being probed, and its circuit is not open",
    ),
    (
        "stalled",
        "SELECT name FROM sinks WHERE stalled_since IS NOT NULL AND paused_at IS NULL AND open_until IS NULL",
        "sink {0} counts as standing still, and is neither paused nor is its circuit open",
    ),
)
