"""The outbox's invariants, one by one, under any sequence of what gateways, people, clocks and crashes can do."""

from __future__ import annotations

import asyncio
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.model import RECORDING_ARCHIVED, Cause, Outcome, order_key
from gateway.runtime.clock import FrozenClock
from gateway.store.engine.encrypted_rows import MEMO, decrypt
from gateway.store.engine.migrations import shape
from gateway.store.engine.session import Session
from gateway.store.outbox import statements as sql
from gateway.store.records import Accepted, Held, Lease, NewDelivery, NewEvent
from gateway.store.store import Store
from gateway.store.verify.verifier import violations
from tests.examples import examples
from tests.store.kit import LEASE, event, new, session, settlement

DAY = 86_400
SINKS = ("plain", "ordered")
OPEN = ("waiting", "sending")
TABLES = "meta, events, verdicts, deliveries, attempts, sinks, remembered, refused"

Row = dict[str, Any]


class Outbox(RuleBasedStateMachine):
    """One store, its tables read from beside, and what must be true of them."""

    fixed_url: ClassVar[str | None] = None  # PostgreSQL: one database, emptied for each run; SQLite: a file each

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = FrozenClock()
        self.folder = tempfile.TemporaryDirectory()
        self.url = self.fixed_url or f"sqlite:///{Path(self.folder.name)}/gateway.db"
        if self.fixed_url is not None:
            with self.beside() as side:
                if side.rows("SELECT to_regclass('meta') IS NOT NULL")[0][0]:
                    side.change(f"TRUNCATE {TABLES} RESTART IDENTITY CASCADE")
                    side.change(
                        "INSERT INTO meta (name, value) VALUES ('schema', '1'), ('shape', :shape)",
                        {"shape": shape(1)},
                    )
                    if side.reduced:
                        side.change("INSERT INTO meta (name, value) VALUES ('reduced', '1')")
        self.store = self.start()
        self.side: Session = session(self.url, self.clock)
        self.leases: dict[tuple[int, int], Lease] = {}  # in some lane's hands, as far as the lane knows
        self.handed: set[tuple[int, int]] = set()
        self.fetched: set[tuple[int, int]] = set()  # those of them that consumers have
        self.tokens: dict[int, int] = {}
        self.burnt: dict[int, int] = defaultdict(int)  # attempts as they should be, by delivery
        self.finished: dict[int, str] = {}
        self.wanted: dict[str, set[str]] = {}  # first content of each acknowledged id -> its sinks
        self.answered: dict[str, int] = {}  # id -> when it was first taken in
        self.stood: set[str] = set()  # ids under which a content was taken that is not held
        self.marks: dict[str, int] = {}

    def start(self) -> Store:
        store = Store(self.url, clock=self.clock)
        self.runner.run(store.open(lock_wait=0))
        return store

    def teardown(self) -> None:
        self.side.close()
        self.runner.run(self.store.close())
        self.runner.close()
        self.folder.cleanup()

    @contextmanager
    def beside(self) -> Iterator[Session]:
        opened = session(self.url, self.clock)
        try:
            yield opened
        finally:
            opened.close()

    def do(self, awaitable: Any) -> Any:
        async def wait() -> Any:
            return await (awaitable() if callable(awaitable) else awaitable)

        return self.runner.run(wait())

    def person(self, statement: str, **values: Any) -> Any:
        with self.side.atomic():
            return self.side.rows(statement, values)

    def deliveries(self) -> dict[int, Row]:
        names = [
            "id",
            "event",
            "sink",
            "state",
            "rank",
            "due_at",
            "token",
            "attempts",
            "round",
            "order_key",
            "first_at",
            "reason",
        ]
        found = self.side.rows(f"SELECT {', '.join(names)} FROM deliveries")
        return {row[0]: dict(zip(names, row, strict=True)) for row in found}

    # -- taking in

    @initialize()
    def begin(self) -> None:
        self.do(lambda: self.store.serving(SINKS))
        self.accept([[(number, "", ("waits", "leased", "unrouted")[number % 3], False)] for number in range(1, 7)])

    numbers = st.integers(1, 8)

    @rule(
        callbacks=st.lists(
            st.lists(
                st.tuples(
                    numbers,
                    st.sampled_from(["", "", "b", "c"]),
                    st.sampled_from(["waits", "leased", "unrouted"]),
                    st.booleans(),
                ),
                min_size=1,
                max_size=2,
            ),
            min_size=1,
            max_size=5,
        )
    )
    def accept(self, callbacks: list[list[tuple[int, str, str, bool]]]) -> None:
        batch = [[self.made(*one) for one in callback] for callback in callbacks]

        async def put() -> list[Any]:
            return await asyncio.gather(*[self.store.accept(callback) for callback in batch])

        for callback, answers in zip(batch, self.do(put), strict=True):
            for made, answer in zip(callback, answers, strict=True):
                self.note(made, answer)

    def made(self, number: int, content: str, how: str, sealed: bool) -> NewEvent:
        span = LEASE if how == "leased" else None
        made = event(number, at=self.clock.now(), stream=f"key {number % 2}")
        if content:
            made = made.replace(job_id=content)
        key = order_key(made.source, made.subject, ordered=True)
        sinks = [NewDelivery(sink="plain", lease=span), NewDelivery(sink="ordered", lease=span, order_key=key)]
        options: dict[str, Any] = {"seal": bytes([number // 4]), "seal_most": 1} if sealed else {}
        return new(made, *([] if how == "unrouted" else sinks), **options)

    def note(self, made: NewEvent, answer: Accepted) -> None:
        id_ = made.event.id
        if answer.new:
            assert id_ not in self.stood  # invariant 1; what is held does not stand under its id
            self.wanted[id_] = set() if answer.held else {delivery.sink for delivery in made.deliveries}
        else:
            assert id_ in self.answered
        self.answered.setdefault(id_, self.clock.ms())
        if answer.new and answer.held is None:
            self.stood.add(id_)
        assert not answer.full
        if answer.held is not None:
            assert answer.leases == answer.waiting == ()
        for lease in answer.leases:
            self.hold(lease)

    def hold(self, lease: Lease) -> None:
        pair = (lease.delivery, lease.token)
        assert pair not in self.handed  # invariant 4
        for held in self.leases.values():
            assert held.delivery != lease.delivery or held.until <= self.clock.ms()  # in flight once
        self.handed.add(pair)
        self.leases[pair] = lease
        self.burnt[lease.delivery] += 1
        assert lease.attempt == self.burnt[lease.delivery]

    # -- carrying

    @rule(sink=st.sampled_from(SINKS), most=st.integers(1, 6))
    def claim(self, sink: str, most: int) -> None:
        rows = [
            row for row in self.deliveries().values() if row["sink"] == sink and row["state"] in ("waiting", "sending")
        ]
        now = self.clock.ms()
        gate = self.side.rows(sql.GATE, {"sink": sink})
        shut = bool(gate) and (gate[0][1] is not None or gate[0][2] is not None)
        leases = self.do(lambda: self.store.claim(sink, most, LEASE))
        if shut:
            assert not leases  # invariant 8
        lanes = {row["id"]: row["rank"] for row in rows}
        due = {rank: sum(1 for row in rows if row["rank"] == rank and row["due_at"] <= now) for rank in (0, 1, 3)}
        got = {rank: sum(1 for lease in leases if lanes[lease.delivery] == rank) for rank in range(5)}
        if not shut:
            assert got[2] == 0
            assert got[3] == min(due[3], most)
            for rank in (0, 1):  # invariant 10
                assert got[rank] >= min(due[rank], (most - got[3]) // 2)
            assert len(leases) == min(most, sum(due.values()))
        for lease in leases:
            assert lease.sink == sink
            self.leases = {pair: held for pair, held in self.leases.items() if held.delivery != lease.delivery}
            self.hold(lease)

    @rule(sink=st.sampled_from(SINKS), most=st.integers(1, 6), limit=st.integers(1, 4))
    def lease_out(self, sink: str, most: int, limit: int) -> None:
        """The sink is one that consumers fetch from now; the next claim says that it is not."""
        rows = [row for row in self.deliveries().values() if row["sink"] == sink and row["state"] in OPEN]
        now = self.clock.ms()
        paused = any(row[1] is not None for row in self.side.rows(sql.GATE, {"sink": sink}))
        live = sum(1 for row in rows if row["rank"] == 3 and row["due_at"] > now)
        due = sum(1 for row in rows if row["rank"] != 2 and row["due_at"] <= now)
        given = self.do(lambda: self.store.lease_out(sink, most, LEASE, limit))
        assert len(given.leases) == (0 if paused else max(min(most, limit - live, due), 0))  # invariant 8
        assert bool(given.leases) is (given.why is None)
        for lease in given.leases:
            self.leases = {pair: held for pair, held in self.leases.items() if held.delivery != lease.delivery}
            self.hold(lease)
            self.fetched.add((lease.delivery, lease.token))

    def pick(self, data: st.DataObject) -> Lease:
        return data.draw(st.sampled_from(list(self.leases.values())))

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), state=st.sampled_from(["delivered", "dead", "waiting"]), delay=st.integers(0, 100_000))
    def settle(self, data: st.DataObject, state: str, delay: int) -> None:
        lease = self.pick(data)
        self.settles(lease, settlement(lease, state, delay=delay), state)

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def settle_unavailable(self, data: st.DataObject) -> None:
        lease = self.pick(data)
        done = self.settles(lease, settlement(lease, "waiting", outcome=Outcome.UNAVAILABLE, burnt=False), "waiting")
        self.burnt[lease.delivery] -= int(done)

    def settles(self, lease: Lease, made: Any, state: str) -> bool:
        before = self.deliveries().get(lease.delivery)
        (done,) = self.do(lambda: self.store.settle([made]))
        mine = before is not None and before["token"] == lease.token and before["state"] == "sending"
        assert done is mine
        if mine and state != "waiting":
            self.finished[lease.delivery] = state
        if not mine:
            assert self.deliveries().get(lease.delivery) == before  # invariant 3
        after = self.deliveries()
        assert self.do(lambda: self.store.settle([made, made])) == [done, done]  # twice is once
        assert self.deliveries() == after
        del self.leases[lease.delivery, lease.token]
        return bool(done)

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), token=st.integers(0, 20))
    def stale(self, data: st.DataObject, token: int) -> None:
        rows = self.deliveries()
        row = rows[data.draw(st.sampled_from(sorted(rows)))]
        pair = (row["id"], token if row["token"] != token else token + 1)
        made = [settlement(pair, state) for state in ("delivered", "dead", "waiting")]
        assert self.do(lambda: self.store.settle(made)) == [False] * 3
        assert self.do(lambda: self.store.renew(*pair, LEASE)) is False
        self.do(lambda: self.store.release([pair]))
        assert self.deliveries() == rows  # invariant 3

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), delay=st.integers(0, 60_000))
    def release(self, data: st.DataObject, delay: int) -> None:
        lease = self.pick(data)
        row = self.deliveries().get(lease.delivery)
        mine = row is not None and row["token"] == lease.token and row["state"] == "sending"
        self.do(lambda: self.store.release([(lease.delivery, lease.token)], delay=delay))
        self.burnt[lease.delivery] -= int(mine)
        del self.leases[lease.delivery, lease.token]

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        lease = self.pick(data)
        pair = (lease.delivery, lease.token)
        if pair in self.fetched:
            [kept] = self.do(lambda: self.store.extend([pair], LEASE))
        else:
            kept = self.do(lambda: self.store.renew(*pair, LEASE))
        if kept:
            self.leases[pair] = lease.replace(until=self.clock.ms() + LEASE)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), how=st.sampled_from(["waits", "unrouted"]))
    def settle_with_a_follow_up(self, data: st.DataObject, how: str) -> None:
        lease = self.pick(data)
        cause = Cause(lease.event.ref, lease.sink)
        number, at = 1000 + lease.delivery, self.clock.now()
        made = event(number, type=RECORDING_ARCHIVED, cause=cause, depth=1, at=at, stream="key 1")
        key = order_key(made.source, made.subject, ordered=True)
        sinks = [NewDelivery(sink="plain"), NewDelivery(sink="ordered", order_key=key)]
        one = new(made, *([] if how == "unrouted" else sinks), fingerprint=b"f" * 16)
        before, row = self.deliveries(), self.deliveries().get(lease.delivery)
        mine = row is not None and row["token"] == lease.token and row["state"] == "sending"
        settled = self.do(lambda: self.store.settle_with(settlement(lease), [one]))
        assert settled.kept is mine
        if mine:
            self.finished[lease.delivery] = "delivered"
            self.note(one, settled.accepted[0])
            after = self.deliveries()
            again = self.do(lambda: self.store.settle_with(settlement(lease), [one]))
            assert (again.kept, [answer.new for answer in again.accepted]) == (True, [False])  # twice is once
            assert self.deliveries() == after
        else:
            assert self.deliveries() == before  # nothing of it: not the outcome, not the event
            assert settled.accepted == ()
        del self.leases[lease.delivery, lease.token]

    @precondition(lambda self: self.leases.keys() - self.fetched)
    @rule(data=st.data(), offset=st.integers(0, 9))
    def keep_alive(self, data: st.DataObject, offset: int) -> None:
        lease = data.draw(st.sampled_from([lease for pair, lease in self.leases.items() if pair not in self.fetched]))
        pair = (lease.delivery, lease.token)
        before = self.deliveries()
        kept = self.do(lambda: self.store.keep_alive(*pair, LEASE, {"offset": offset}, None))
        row = before.get(lease.delivery)
        assert kept is (row is not None and row["token"] == lease.token and row["state"] == "sending")
        if kept:
            self.leases[pair] = lease.replace(until=self.clock.ms() + LEASE)
            [(memo,)] = self.side.rows("SELECT memo FROM deliveries WHERE id = :id", {"id": lease.delivery})
            assert decrypt(self.side, MEMO, (lease.delivery,), memo) == f'{{"offset": {offset}}}'
        else:
            assert self.deliveries() == before

    # -- circuits and people

    @rule(sink=st.sampled_from(SINKS), pause=st.integers(0, 60_000))
    def trip(self, sink: str, pause: int) -> None:
        before = self.side.rows(sql.GATE, {"sink": sink})[0][2]
        gate = self.do(lambda: self.store.trip(sink, pause, "down"))
        assert gate.open_until == (before if before is not None else self.clock.ms() + pause)

    @rule(sink=st.sampled_from(SINKS), good=st.booleans())
    def probe(self, sink: str, good: bool) -> None:
        mark = self.do(lambda: self.store.probe(sink, LEASE))
        if mark is None:
            return
        assert self.do(lambda: self.store.probe(sink, LEASE)) is None
        leases = self.do(lambda: self.store.claim(sink, 1, LEASE, probe=True))
        assert len(leases) <= 1  # invariant 8: one per probe
        for lease in leases:
            self.leases = {pair: held for pair, held in self.leases.items() if held.delivery != lease.delivery}
            self.hold(lease)
        self.do(lambda: self.store.probed(sink, mark, good=good, pause=1_000, reason="still"))

    @rule(sink=st.sampled_from(SINKS), on=st.booleans())
    def pause(self, sink: str, on: bool) -> None:
        self.person(sql.PAUSE, sink=sink, by="x") if on else self.person(sql.RESUME, sink=sink)

    @precondition(lambda self: self.tokens)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        rows = self.deliveries()
        row = rows[data.draw(st.sampled_from(sorted(rows)))]
        for sink, key in self.person(sql.CANCEL, id=row["id"], note="x"):
            self.finished[row["id"]] = "dead"
            if key is not None:
                with self.side.atomic():
                    self.side.change(sql.PROMOTE, {"sink": sink, "key": key})

    @precondition(lambda self: self.finished)
    @rule(data=st.data(), replay=st.integers(0, 1))
    def retry(self, data: st.DataObject, replay: int) -> None:
        id_ = data.draw(st.sampled_from(sorted(self.finished)))
        if self.person(sql.NEW_ROUND, id=id_, replay=replay):
            del self.finished[id_]
            self.burnt[id_] = 0

    # -- time and trouble

    @rule(seconds=st.sampled_from([0.5, 5, 46, 400, 4_000]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @precondition(lambda self: self.answered)
    @rule(days=st.sampled_from([2, 8, 31]))
    def forget(self, days: int) -> None:
        self.clock.advance(days * DAY)
        busy = {row["event"] for row in self.deliveries().values() if row["state"] in ("waiting", "sending")}
        self.do(self.store.sweep)
        left = {seq for (seq,) in self.side.rows("SELECT seq FROM events")}
        assert busy <= left  # invariant 12
        # What is held beside a first content may outlive the memory of the first: then the id is new again.
        query = "SELECT id FROM events WHERE variant = :empty UNION SELECT id FROM remembered WHERE held = 0"
        self.stood &= {row[0] for row in self.side.rows(query, {"empty": b""})}
        known = {row[0] for row in self.side.rows("SELECT id FROM events UNION SELECT id FROM remembered")}
        for id_, at in self.answered.items():
            assert id_ in known or self.clock.ms() - at >= 30 * DAY * 1000  # 2
        self.answered = {id_: at for id_, at in self.answered.items() if id_ in known}
        stored = {row[0] for row in self.side.rows("SELECT id FROM events WHERE variant = :empty", {"empty": b""})}
        self.wanted = {id_: sinks for id_, sinks in self.wanted.items() if id_ in stored}
        rows = self.deliveries()
        self.finished = {id_: state for id_, state in self.finished.items() if id_ in rows}
        self.leases = {pair: lease for pair, lease in self.leases.items() if pair[0] in rows}
        self.tokens = {id_: token for id_, token in self.tokens.items() if id_ in rows}

    @rule()
    def crash(self) -> None:
        """The process is gone without a word, and another begins."""
        before = self.deliveries()
        self.runner.run(self.store.close())
        self.store = self.start()
        alone = self.url.startswith("sqlite")
        self.leases = {pair: lease for pair, lease in self.leases.items() if not alone or pair in self.fetched}
        for id_, row in self.deliveries().items():
            if (id_, row["token"]) in self.fetched:
                assert row == before[id_]  # a consumer has it still

    # -- what holds after everything

    @invariant()
    def the_tables_are_whole(self) -> None:
        rows = self.deliveries()
        now = self.clock.ms()
        heads: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
        for id_, row in rows.items():
            assert row["token"] >= self.tokens.get(id_, 0)  # 4
            self.tokens[id_] = row["token"]
            assert row["attempts"] == self.burnt[id_] >= 0  # 5
            assert (row["state"] == "sending") == (row["rank"] == 3)  # 6
            assert row["state"] != "sending" or row["due_at"] <= now + LEASE
            if row["order_key"] is not None and row["state"] in ("waiting", "sending"):
                heads[row["sink"], row["order_key"]][row["rank"] == 2] += 1
            if row["state"] in ("delivered", "dead") or id_ in self.finished:
                assert self.finished[id_] == row["state"]  # 9
        for outside, behind in heads.values():
            assert outside <= 1  # 7
            assert outside == 1 or behind == 0
        tries = set(self.side.rows("SELECT delivery, outcome FROM attempts"))
        for id_, state in self.finished.items():
            assert state != "delivered" or (id_, "delivered") in tries  # 9

    @rule()
    def verify_says_so_too(self) -> None:
        assert list(violations(lambda question: question(self.side))) == []

    @invariant()
    def what_was_acknowledged_is_there(self) -> None:
        known = {row[0] for row in self.side.rows("SELECT id FROM events UNION SELECT id FROM remembered")}
        assert self.answered.keys() <= known  # 2
        found: dict[str, set[str]] = defaultdict(set)
        query = "SELECT e.id, d.sink, e.held FROM events e JOIN deliveries d ON d.event = e.seq"
        for id_, sink, held in self.side.rows(query):
            assert held is None
            assert sink not in found[id_]  # 1: one row for each sink, none for others
            found[id_].add(sink)
        for id_, sinks in self.wanted.items():
            assert found[id_] == sinks
        variants = self.side.rows("SELECT count(*) FROM events WHERE variant <> :empty GROUP BY id", {"empty": b""})
        assert all(count <= 10 for (count,) in variants)
        held = {row[0] for row in self.side.rows("SELECT held FROM events WHERE held IS NOT NULL")}
        assert held <= {one.value for one in Held}


SETTINGS = examples(
    50,
    HealthCheck.filter_too_much,
    HealthCheck.data_too_large,
    stateful_step_count=30,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)


@pytest.mark.wide
def test_the_invariants_hold_on_sqlite() -> None:
    run_state_machine_as_test(Outbox, settings=SETTINGS)


def on_postgres(url: str) -> type[Outbox]:
    class OnPostgres(Outbox):
        fixed_url = url

    return OnPostgres


def test_the_invariants_hold_on_postgresql(postgres_url: str) -> None:
    run_state_machine_as_test(on_postgres(postgres_url), settings=settings(SETTINGS, max_examples=8))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_invariants_hold_on_postgresql_for_long(postgres_url: str) -> None:
    run_state_machine_as_test(on_postgres(postgres_url), settings=settings(SETTINGS, max_examples=50))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_invariants_hold_on_sqlite_for_long() -> None:
    run_state_machine_as_test(Outbox, settings=settings(SETTINGS, max_examples=300, stateful_step_count=60))
