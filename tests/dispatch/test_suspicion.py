"""Who is suspected of having killed the process: everything innocent arrives, what kills is dead after so many deaths.

Lives of a gateway are played on a real store with the rules that lanes go by, without a loop.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dispatch.retry import LONE_LOSSES_MAX, LONE_SUSPECTS_MAX, goes_alone
from gateway.model import Outcome
from gateway.runtime.clock import FrozenClock
from gateway.store.engine.batch import settle_in
from gateway.store.engine.migrations import migrate
from gateway.store.leased_rows import _known_losses
from gateway.store.outbox import losses, settle
from gateway.store.outbox.accept import accept
from gateway.store.outbox.clock_repair import Spans
from gateway.store.records import Claim, Lease, Settlement
from gateway.store.sqlite.batch import SqliteBulk
from gateway.store.sqlite.session import make_file
from tests.store.kit import new

LEASE, AT_ONCE = 30_000, 6
DEATHS_EACH = 2 + LONE_LOSSES_MAX  # a killer's: in company when it was fresh, once more among many suspects, then alone
ENDED = {"delivered": Outcome.DELIVERED, "dead": Outcome.LOST}


class Died(Exception):
    """The process has."""


class Life:
    """One process of the gateway, with `held` leases in hand at most and AT_ONCE deliveries in flight."""

    def __init__(self, session: SqliteBulk, owner: str, killers: set[str], held: int, rng: Random) -> None:
        self.session, self.owner, self.killers, self.held, self.rng = session, owner, killers, held, rng
        self.in_flight: list[Lease] = []
        Spans().repair(session, alone=True)
        losses.count_all(session, owner)

    def live(self, steps: int) -> bool:
        """Carry for so many steps; True: nothing is left to do. Raises Died."""
        waiting: list[Lease] = []
        for _ in range(steps):
            if not waiting and len(self.in_flight) < self.held:
                waiting = self._claimed(self.held - len(self.in_flight))
            if not waiting and not self.in_flight:
                return not self.session.rows("SELECT 1 FROM deliveries WHERE state IN ('waiting','sending')")
            if waiting and len(self.in_flight) < AT_ONCE and self.rng.random() < 0.7:
                self._begin(waiting.pop(0))
            elif self.in_flight:
                self._end(self.in_flight.pop(self.rng.randrange(len(self.in_flight))))
        return False

    def _claimed(self, most: int) -> list[Lease]:
        running = [lease.delivery for lease in self.in_flight]
        leases = self.session.lease_due(Claim("app", most, LEASE, self.rng.randrange(2), self.owner, running))
        return list(_known_losses(self.session, "app", leases))

    def _begin(self, lease: Lease) -> None:
        if lease.losses and lease.lost:
            if lease.lone_losses >= LONE_LOSSES_MAX:
                self._settle(lease, "dead")
            else:
                settle.release(self.session, [(lease.delivery, lease.token)], 0)
        elif not lease.losses:
            self.in_flight.append(lease)
        elif not goes_alone(lease.losses, lease.suspects):
            assert losses.note_sending(self.session, [(lease.delivery, lease.token)], self.owner, False)
            self.in_flight.append(lease)
        elif self.in_flight:
            settle.release(self.session, [(lease.delivery, lease.token)], 0)
        else:
            assert losses.note_sending(self.session, [(lease.delivery, lease.token)], self.owner, True)
            self._end(lease)

    def _end(self, lease: Lease) -> None:
        if lease.event.id in self.killers:
            raise Died
        self._settle(lease, "delivered")
        losses.survived(self.session, [lease.delivery])

    def _settle(self, lease: Lease, state: str) -> None:
        row = Settlement(
            delivery=lease.delivery,
            token=lease.token,
            state=state,  # type: ignore[arg-type]
            outcome=ENDED[state],
            started_at=0,
            took_ms=1,
            reason="crashed" if state == "dead" else None,
        )
        assert self.session.settle([settle_in(row)], locked=True) == [True]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(0, 2), st.integers(0, LONE_LOSSES_MAX - 1), st.integers(1, 40), st.randoms())
def test_everything_innocent_arrives_and_what_kills_is_dead_after_so_many_deaths(
    events: int, killers: int, kills: int, held: int, rng: Random
) -> None:
    with TemporaryDirectory() as folder:
        make_file(Path(folder) / "g.db")
        session = SqliteBulk(Path(folder) / "g.db", FrozenClock())
        session.change("PRAGMA synchronous=OFF")
        migrate(session, "x")
        accept(session, [[new(number, "app")] for number in range(events)], "nobody")
        ids = [new(number).event.id for number in range(events)]
        deadly = set(rng.sample(ids, min(killers, events)))
        deaths = 0
        for life in count():
            killed = kills > 0 and rng.random() < 0.3
            steps = rng.randrange(1, 40) if killed else 100_000
            try:
                if Life(session, f"life {life}", deadly, held, rng).live(steps):
                    break
                kills -= 1
            except Died:
                deaths += 1
            assert deaths <= DEATHS_EACH * len(deadly)
        found = session.rows(
            "SELECT e.id, d.state, coalesce(d.reason, '') FROM deliveries d JOIN events e ON e.seq = d.event"
        )
        session.close()
    assert {id_: (state, reason) for id_, state, reason in found} == {
        id_: ("dead", "crashed") if id_ in deadly else ("delivered", "") for id_ in ids
    }


def test_of_many_suspects_only_what_had_begun_is_lost_a_second_time(tmp_path: Path) -> None:
    make_file(tmp_path / "g.db")
    session = SqliteBulk(tmp_path / "g.db", FrozenClock())
    migrate(session, "x")
    many = LONE_SUSPECTS_MAX + 5
    accept(session, [[new(number, "app")] for number in range(many)], "nobody")
    session.lease_due(Claim("app", many, LEASE, 0, "first"))
    second = Life(session, "second", set(), many, Random(1))
    for lease in second._claimed(many):
        second._begin(lease)
    for lease in second._claimed(many)[:2]:
        assert (lease.losses, lease.suspects, lease.lost) == (1, many, False)
        second._begin(lease)
    Life(session, "third", set(), many, Random(1))
    assert sorted(session.rows("SELECT losses, lone_losses FROM deliveries")) == [(1, 0)] * (many - 2) + [(2, 0)] * 2
    session.close()
