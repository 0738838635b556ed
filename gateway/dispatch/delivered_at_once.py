"""The end of deliveries whose sink took them all and said the same plain word of each, or none, as nearly every attempt ends: there is
nothing to decide, to mask or to keep, so all of a call are told and handed to the settler together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.dispatch.attempt import SinkAnswer
from gateway.dispatch.breaker import Breaker
from gateway.dispatch.lane_context import Shared
from gateway.dispatch.leased_delivery import Dispatch
from gateway.dispatch.outcome import PLAIN_RECEIPTS
from gateway.dispatch.reporter import AttemptReporter
from gateway.dispatch.slots import Slots
from gateway.model import Outcome
from gateway.store.records import Settlement

_DELIVERED: Final = Outcome.DELIVERED  # at hand, because Python 3.11 finds a member of an enumeration last


class DeliveredAtOnce:
    """One lane's. What it does is what `Deliverer._record` would: a test compares both."""

    def __init__(self, slots: Slots, breaker: Breaker, shared: Shared, account: AttemptReporter) -> None:
        self._slots = slots
        self._breaker = breaker
        self._settler = shared.settler
        self._account = account
        self._settled = slots.settled
        self._owned = slots.policy.owners is not None  # then each owner is accounted for as well

    def record(self, dispatch: Dispatch, answers: Sequence[SinkAnswer], started_at: int, seconds: float) -> bool:
        """Record all of them; False: there is more to look at, and nothing was done. What a probe says is still to be told."""
        receipt, members = answers[0], dispatch.members
        if receipt is not None and (type(receipt) is not str or receipt not in PLAIN_RECEIPTS):
            return False
        if self._owned or self._account.is_watched:
            return False
        if len(answers) != len(members) or answers.count(receipt) != len(answers):
            return False
        took_ms = round(seconds * 1000)
        outcomes = []
        for member in members:
            lease = member.lease
            if lease.losses or lease.trace is not None or member.span is not None or member.alive:
                return False
            settlement = Settlement(
                delivery=lease.delivery,
                token=lease.token,
                state="delivered",
                outcome=_DELIVERED,
                started_at=started_at,
                took_ms=took_ms,
                detail=receipt or "",
            )
            outcomes.append((member, settlement, self._settled))
        self._slots.took(seconds)
        self._settler.settle_all(outcomes)
        self._slots.all_ended(members)
        self._account.report_delivered((members, receipt, started_at, seconds))
        if dispatch.probe is None:
            self._breaker.note(members[0].lease.delivery, None)
        return True
