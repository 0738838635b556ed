"""The rule of claims by group: the group whose first row has waited longest goes, once its window has ended.

A window is a length that is the same for all groups of a sink, so the first row of a rank is also the first whose window
ends: a look at the front of each rank says what is due and when to look again, however many groups wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from gateway.store.engine.batch import Bulk, DueRow
from gateway.store.outbox import statements as sql
from gateway.store.outbox.claim import take_one
from gateway.store.outbox.gates import gate_of
from gateway.store.outbox.groups import key_alone
from gateway.store.records import Claim, FencingToken, GroupClaim, Lease, Rank

LOOK_PAUSE_MS: Final = 1000  # where another gateway holds what is due

# A key is of one sink. Its name is compared so that no index of it fits: a planner would walk the sink's whole backlog.
OF_GROUP: Final = "d.group_key = :group AND d.sink || '' = :sink"
_HEAD: Final = """SELECT d.id, d.rank, d.token, d.group_key, d.due_at, :now FROM deliveries d
  WHERE d.sink = :sink AND d.rank = :rank AND d.state IN ('waiting','sending') ORDER BY d.due_at, d.id LIMIT :most"""
HEADS: Final = sql.by_rank(_HEAD)
HEADS_OF_GROUP: Final = sql.by_rank(_HEAD.replace("d.sink = :sink", OF_GROUP))


class _RankHead(NamedTuple):
    """`HEADS`: the first of a rank."""

    id: int
    rank: Rank
    token: FencingToken
    group: str | None
    due_at: int
    now: int

    @property
    def alone(self) -> bool:
        """Whether it goes by itself."""
        return self.group is None or " " in self.group

    def ready_at(self, window: int) -> int:
        """When it goes: what is fresh waits for company, what was tried has waited."""
        waits = self.rank in (Rank.FRESH, Rank.LAST) and not self.alone
        return self.due_at + (window if waits else 0)


def claim_group(session: Bulk, claim: Claim, window: int) -> GroupClaim:
    """Lease up to `most` rows of the one group whose turn it is."""
    heads = _heads(session, claim)
    ready = [head for head in heads if head.ready_at(window) <= head.now]
    if claim.first:  # every second claim: a flood of what goes before others must not starve them
        ready.sort(key=lambda head: (head.ready_at(window), head.id))
    for head in ready:
        leases = _lease_of(session, head, claim)
        if leases or session.tally.unreadable:  # those end, and the next claim looks again
            return GroupClaim(leases, head.alone, head.now)
    later = [head.ready_at(window) for head in heads if head not in ready]
    later += [head.now + LOOK_PAUSE_MS for head in ready]
    return GroupClaim((), False, min(later, default=None))


def _heads(session: Bulk, claim: Claim) -> Sequence[_RankHead]:
    """What may be next, in the order in which it is served: what goes alone, ended leases, then fresh and again."""
    first, running = claim.first, claim.running
    values = {"sink": claim.sink, "most": len(running) + 1}
    by_group = {**values, "group": key_alone(claim.sink)}
    alone = [(HEADS_OF_GROUP[rank], by_group) for rank in (Rank.FRESH, Rank.AGAIN, Rank.LAST)]
    fronts = [(HEADS[rank], values) for rank in (Rank.LEASED, first, 1 - first, Rank.LAST)]
    heads = []
    for text, given in (*alone, *fronts):
        rows = (_RankHead(*row) for row in session.rows(text, given))
        head = next((head for head in rows if head.id not in running), None)
        if head is not None:
            heads.append(head)
    return heads


def _lease_of(session: Bulk, head: _RankHead, claim: Claim) -> Sequence[Lease]:
    if head.group is not None and not head.alone:
        return session.lease_due(claim.replace(group=head.group))
    with session.atomic():
        gate = gate_of(session, claim.sink)
        if gate.paused or gate.open_until is not None:
            return ()
        picked = DueRow(head.id, head.rank, head.token)
        return take_one(session, claim.sink, picked, claim.lease, claim.owner, gate.stalled)
