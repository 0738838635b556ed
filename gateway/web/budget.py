"""One budget for the bodies of all connections that are not verified yet: strangers cannot fill the memory together."""

from __future__ import annotations

from typing import Final, Protocol

from gateway.config.grammar.listeners import SPARED_BODY_BYTES
from gateway.errors import Problem

RETRY_AFTER_SECONDS: Final = 2  # seconds: what is held by strangers is gone with their deadline, and mostly sooner


class Holder(Protocol):
    """A connection that holds such a body. `peer` is who sends it."""

    peer: str

    def give_way(self, problem: Problem) -> None:
        """Answer this and let go of what is held."""


class Budget:
    """Counts bytes by peer and holder. Past `most` the largest body of the peer that holds most has to go.

    A body under SPARED_BODY_BYTES never goes: the configuration sees to it that one for every connection fits in.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.occupied_bytes = 0
        self._peers: dict[str, dict[Holder, int]] = {}

    def has_room(self, size: int) -> bool:
        """Whether nobody has to give way for so many bytes."""
        return self.occupied_bytes + size <= self.most

    def reserve(self, holder: Holder, size: int) -> bool:
        """Count so many bytes more; others may be told to give way. False: it is this one that has to, by its caller."""
        self.occupied_bytes += size
        mine = self._peers.setdefault(holder.peer, {})
        mine[holder] = mine.get(holder, 0) + size
        while self.occupied_bytes > self.most:
            largest = self._largest()
            if largest is None or largest is holder:
                return largest is None
            largest.give_way(over_budget())
            self.give_back_all(largest)
        return True

    def give_back(self, holder: Holder, size: int) -> None:
        """These bytes are not held any more, or are verified."""
        mine = self._peers.get(holder.peer)
        if mine is not None and (before := mine.get(holder, 0)) > size:
            mine[holder] = before - size
            self.occupied_bytes -= size
        else:
            self.give_back_all(holder)

    def give_back_all(self, holder: Holder) -> None:
        """Nothing is held here any more."""
        mine = self._peers.get(holder.peer)
        if mine is not None:
            self.occupied_bytes -= mine.pop(holder, 0)
            if not mine:
                del self._peers[holder.peer]

    def _largest(self) -> Holder | None:
        for mine in sorted(self._peers.values(), key=lambda mine: sum(mine.values()), reverse=True):
            holder = max(mine, key=mine.__getitem__)
            if mine[holder] >= SPARED_BODY_BYTES:
                return holder
        return None


def over_budget() -> Problem:
    """The answer of whoever has to go."""
    detail = "too many bodies that are not verified yet (server.unverified_bytes), and this is the largest"
    return Problem(503, "unverified_budget", detail, retry_after=RETRY_AFTER_SECONDS)
