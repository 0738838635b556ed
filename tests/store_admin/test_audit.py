"""What people did is written down with what they did it to, and outlives it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.errors import NotFound, Untrusted
from gateway.runtime.clock import FrozenClock
from gateway.store.admin import audit, bulk
from gateway.store.admin.admin import Actor, DeliveryFilter, StoreAdmin, Watcher
from gateway.store.admin.audit import UNDER_WAY, AuditEntry
from gateway.store.engine.write_queue import Kind
from gateway.store.records import NewEvent, Refusal
from gateway.store.sqlite import scrub
from gateway.store.sqlite.session import SqliteSession
from gateway.store.store import Store
from tests.store.kit import LEASE, beside, event, new, other, settlement, table, take

ME = Actor("ada", "laptop")
ONE = f"{1:032x}"


def rows(admin: StoreAdmin) -> list[tuple[str, str, int, int, str]]:
    """Acts, oldest first."""
    return [(row.act, row.target, row.matched, row.done, row.result) for row in reversed(admin.audit())]


async def dead(store: Store, sink: str = "app") -> int:
    (lease,) = await store.claim(sink, 1, LEASE)
    await store.settle([settlement(lease, "dead")])
    return lease.delivery


def refusal(body: bytes, source: str = "live") -> Refusal:
    return Refusal(
        source=source,
        code="signature_mismatch",
        detail="auth_sign fits none of the keys",
        received_at=1,
        method="POST",
        path="/hooks/live",
        headers=(("content-type", "application/json"),),
        body=body,
        size=len(body),
        peer="192.0.2.1",
    )


def route(_event: object) -> tuple[list[str], str]:
    return ["app", "ops"], '[{"route":"today"}]'


def accept_it(refusal: Refusal) -> list[NewEvent]:
    return [new(event(9, raw=refusal.body), "app")]


ACTS: list[tuple[str, Callable[[StoreAdmin], object]]] = [
    ("deliveries retry", lambda admin: admin.retry(1, actor=ME)),
    ("deliveries cancel", lambda admin: admin.cancel(1, actor=ME)),
    ("deliveries retry", lambda admin: admin.retry_many([1, 2], actor=ME)),
    ("deliveries cancel", lambda admin: admin.cancel_many([1, 2], actor=ME)),
    ("deliveries move", lambda admin: admin.move("app", "late", actor=ME)),
    ("events replay", lambda admin: admin.replay(ONE, sinks=["late"], actor=ME)),
    ("events replay", lambda admin: admin.replay_many([ONE], route=route, reroute=True, actor=ME)),
    ("events release", lambda admin: admin.release(admin.events(held=True)[0].ref, ["app"], actor=ME)),
    ("events release", lambda admin: admin.release_many([admin.events(held=True)[0].ref], route=route, actor=ME)),
    ("events erase", lambda admin: admin.erase(ONE, actor=ME)),
    ("sinks pause", lambda admin: admin.pause("app", actor=ME)),
    ("sinks resume", lambda admin: admin.resume("app", actor=ME)),
    ("refused retry", lambda admin: admin.take_refused([1], accept_it, actor=ME)),
    ("store migrate", lambda admin: admin.migrate(actor=ME)),
]


@pytest.mark.parametrize(("act", "do"), ACTS, ids=[f"{n}-{act}" for n, (act, _) in enumerate(ACTS)])
async def test_every_change_a_person_makes_is_a_row_with_who_and_from_where(
    store: Store, admin: StoreAdmin, act: str, do: Callable[[StoreAdmin], object]
) -> None:
    await take(store, new(1, "app"), new(2, "app"), other(1, "a"))
    store.keep_refusal(refusal(b"{}"))
    await store.ping()
    do(admin)
    (row,) = admin.audit()
    assert (row.act, row.actor, row.place) == (act, "ada", "laptop")
    assert row.done == row.matched >= 1
    assert row.at > 0
    assert row.result not in ("", UNDER_WAY)


async def test_without_an_actor_it_is_the_user_and_host_of_this_process(store: Store, admin: StoreAdmin) -> None:
    admin.pause("app")
    (row,) = admin.audit()
    here = Actor.here()
    assert (row.actor, row.place) == (here.name, here.place)


async def test_a_row_outlives_what_it_was_done_to(store: Store, admin: StoreAdmin, url: str) -> None:
    await take(store, new(1, "app"))
    admin.cancel(1)
    admin.erase(ONE)
    assert table(url, "count(*)", "events") == [(0,)]
    assert rows(admin) == [
        ("deliveries cancel", "1", 1, 1, "cancelled"),
        ("events erase", ONE, 1, 1, "erased"),
    ]


async def test_what_was_not_done_is_not_written_down_as_done(store: Store, admin: StoreAdmin) -> None:
    await take(store, new(1, "app"))
    with pytest.raises(NotFound):
        admin.retry(99)
    assert admin.retry_many([98, 99]).failed == 2
    assert rows(admin) == []
    total = admin.cancel_many([99, 1])
    assert [(answer.item, answer.well) for answer in total.answers] == [("99", False), ("1", True)]
    assert rows(admin) == [("deliveries cancel", "1", 2, 1, "done; 1 could not be")]


async def test_acts_are_listed_newest_first_by_page_and_by_what_is_asked(
    store: Store, admin: StoreAdmin, clock: FrozenClock
) -> None:
    for n in range(5):
        (admin.pause if n % 2 == 0 else admin.resume)("app" if n < 3 else "ops", actor=Actor(f"user{n}", "host"))
        clock.advance(60)
    assert [row.actor for row in admin.audit(limit=2)] == ["user4", "user3"]
    assert [row.actor for row in admin.audit(limit=2, before=admin.audit(limit=2)[-1].id)] == ["user2", "user1"]
    assert [row.actor for row in admin.audit(act="* pause")] == ["user4", "user2", "user0"]
    assert [row.actor for row in admin.audit(target="ops")] == ["user4", "user3"]
    assert [row.actor for row in admin.audit(actor="user1")] == ["user1"]
    since = admin.audit()[1].at
    assert [row.actor for row in admin.audit(since=since)] == ["user4", "user3"]


async def test_a_reload_is_written_down_by_the_gateway(store: Store, admin: StoreAdmin) -> None:
    await store.audit(
        AuditEntry(actor=Actor("token ops", "192.0.2.9"), act="reload", target="gateway.yaml"), 1, "reloaded"
    )
    assert rows(admin) == [("reload", "gateway.yaml", 1, 1, "reloaded")]


# -- many


class Stopping(Watcher):
    """Stops after so many batches."""

    def __init__(self, batches: int) -> None:
        self.left = batches
        self.heard: list[int] = []

    def told(self, answers: object) -> None:
        self.heard.append(len(answers))  # type: ignore[arg-type]
        self.left -= 1

    def stopping(self) -> bool:
        return self.left <= 0


async def test_many_are_done_in_a_few_commits_and_have_one_row(
    store: Store, admin: StoreAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "BATCH_ROWS_MAX", 4)
    await take(store, *[new(n, "app") for n in range(1, 11)])
    watcher = Stopping(99)
    wanted = DeliveryFilter(sink="app", state="waiting")
    total = admin.cancel_many(admin.choose(wanted), wanted=wanted, watcher=watcher)
    assert watcher.heard == [4, 4, 2]
    assert (total.matched, total.done, total.stopped) == (10, 10, False)
    (row,) = admin.audit()
    assert (row.target, json.loads(row.filter or ""), row.done) == ("app", {"sink": "app", "state": "waiting"}, 10)


async def test_a_bulk_act_that_is_stopped_says_how_far_it_came_and_keeps_what_it_did(
    store: Store, admin: StoreAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "BATCH_ROWS_MAX", 3)
    await take(store, *[new(n, "app") for n in range(1, 11)])
    total = admin.cancel_many(admin.choose(DeliveryFilter(sink="app")), watcher=Stopping(2))
    assert (total.done, total.stopped) == (6, True)
    assert rows(admin)[0][2:] == (10, 6, "stopped after 6 of 10")
    assert len(admin.choose(DeliveryFilter(sink="app", state="dead"))) == 6


async def test_a_bulk_act_that_fails_midway_leaves_whole_batches_and_the_truth_in_its_row(
    store: Store, admin: StoreAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "BATCH_ROWS_MAX", 2)
    await take(store, *[new(n, "app") for n in range(1, 6)])

    class Interrupting(Watcher):
        def told(self, answers: object) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        admin.cancel_many([1, 2, 3, 4, 5], watcher=Interrupting())
    assert rows(admin) == [("deliveries cancel", "1 2", 5, 2, "stopped after 2 of 5")]
    assert admin.choose(DeliveryFilter(state="dead")) == [1, 2]


async def test_nothing_newer_than_the_preview_is_touched(store: Store, admin: StoreAdmin) -> None:
    await take(store, new(1, "old"), new(2, "old", "app"))
    chosen = admin.choose(DeliveryFilter(sink="old", state="waiting"))
    assert admin.already_there(chosen, "app") == 1
    await take(store, new(3, "old"))
    total = admin.move("old", "app", deliveries=chosen)
    assert sorted(answer.text for answer in total.answers) == ["cancelled", "moved"]
    assert rows(admin)[0] == ("deliveries move", "old app", 2, 2, "1 moved, 1 cancelled")
    assert [row.event_id for row in admin.deliveries(sink="old", state="waiting")] == [f"{3:032x}"]


async def test_deliveries_are_chosen_by_what_their_event_says(
    store: Store, admin: StoreAdmin, clock: FrozenClock
) -> None:
    await take(store, new(1, "app"), new(event(2, type="recording.failed", stream="vip-1"), "app"))
    await take(store, new(event(3, source="other", stream="vip-2"), "app"))
    assert admin.choose(DeliveryFilter(type="recording.fai*")) == [2]
    assert admin.choose(DeliveryFilter(source="other")) == [3]
    assert admin.choose(DeliveryFilter(stream="vip-*")) == [2, 3]
    assert admin.choose(DeliveryFilter(stream="s1", sink="ops")) == []
    assert admin.choose(DeliveryFilter(since=clock.ms() + 1)) == []
    assert len(admin.choose(DeliveryFilter(since=clock.ms() - 1000 * 86400 * 400))) == 3


# -- refused


async def test_refused_callbacks_that_pass_are_taken_and_those_that_do_not_stay(
    store: Store, admin: StoreAdmin, url: str
) -> None:
    for n in range(3):
        store.keep_refusal(refusal(b'{"n": %d}' % n))
    await store.ping()

    def judge(refusal: Refusal) -> list[NewEvent]:
        if refusal.body == b'{"n": 1}':
            raise Untrusted("signature_mismatch", "still no key")
        return [new(event(9, raw=refusal.body), "app")]

    total = admin.take_refused([1, 2, 3, 99], judge)
    assert [(one.item, one.well) for one in total.answers] == [("1", True), ("2", False), ("3", True), ("99", False)]
    assert total.answers[1].text == "still refused: signature_mismatch: still no key"
    assert table(url, "id", "refused") == [(2,)]
    assert rows(admin) == [("refused retry", "1 3", 4, 2, "done; 2 could not be")]


# -- erasing

CANARY = "canary-5f2c1e9b"


def stores(path: Path) -> bytes:
    """Every byte that the store has on the disk."""
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob(path.name + "*")))


async def planted(store: Store, size: int = 40) -> None:
    """An event, its repeat that was refused, outcomes, memos and a circuit, all of which say the canary."""
    text = f"{CANARY}{'x' * size}"
    raw = json.dumps({"stream": text}).encode()
    await take(
        store,
        new(event(1, stream=CANARY, raw=raw), "app", "ops", "late", key=CANARY, routing=json.dumps([CANARY])),
        new(2, "app"),
    )
    for sink, state in (("app", "dead"), ("ops", "waiting"), ("late", "delivered")):
        (lease,) = await store.claim(sink, 1, LEASE)
        await store.settle([settlement(lease, state, detail=text, memo={"said": text}, delay=1000)])
    await store.trip("app", 1000, text)
    store.keep_refusal(refusal(raw))
    store.keep_refusal(refusal(json.dumps({"again": text}).encode()))
    store.keep_refusal(refusal(b'{"of another": 1}'))
    await store.ping()


def same(refusal: Refusal) -> list[str]:
    return [ONE] if b"again" in refusal.body else []


@pytest.mark.parametrize("size", [40, 40_000])
async def test_erased_bytes_are_in_no_file_of_a_store_that_is_served(
    tmp_path: Path, clock: FrozenClock, size: int
) -> None:
    path = tmp_path / "gateway.db"
    store = Store(f"sqlite:///{path}", clock=clock)
    await store.open(lock_wait=0)
    store.listen(lambda _sink: None)
    try:
        await planted(store, size)
        assert CANARY.encode() in stores(path)
        import asyncio

        with StoreAdmin(f"sqlite:///{path}", clock=clock) as admin:
            admin.retry_many([1], wanted=DeliveryFilter(stream=CANARY))
            admin.erase(ONE, ids=same)
            assert await asyncio.to_thread(admin.scrub, 10.0)
            assert CANARY.encode() not in stores(path)
            assert [row.act for row in admin.audit()] == ["events erase", "deliveries retry"]
    finally:
        await store.close()
    assert CANARY.encode() not in stores(path)


async def test_erased_bytes_are_in_no_file_of_a_store_that_nobody_serves(tmp_path: Path, clock: FrozenClock) -> None:
    path = tmp_path / "gateway.db"
    store = Store(f"sqlite:///{path}", clock=clock)
    await store.open(lock_wait=0)
    await planted(store)
    await store.close()
    assert CANARY.encode() in stores(path)
    with StoreAdmin(f"sqlite:///{path}", clock=clock) as admin:
        admin.erase(ONE, ids=same)
        assert admin.scrub()
        assert CANARY.encode() not in stores(path)


async def test_freed_pages_are_given_back_by_the_hundred_and_never_more_than_500_at_once(
    tmp_path: Path, clock: FrozenClock
) -> None:
    path = tmp_path / "gateway.db"
    store = Store(f"sqlite:///{path}", clock=clock)
    await store.open(lock_wait=0)
    await store.close()
    session = SqliteSession(path, "writer", clock)
    try:
        session.change("CREATE TABLE big (content BLOB)")
        session.change("INSERT INTO big VALUES (zeroblob(700 * (SELECT page_size FROM pragma_page_size)))")
        session.change("DROP TABLE big")
        scrub.ask(session)
        assert scrub.step(session) is False
        ((left,),) = session.rows("PRAGMA freelist_count")
        assert 150 < left < 300
        assert scrub.step(session) is True
        assert session.rows("PRAGMA freelist_count") == [(0,)]
        assert not scrub.asked(session)
    finally:
        session.close()


async def test_erased_text_is_in_no_row_of_any_table(store: Store, admin: StoreAdmin, url: str) -> None:
    await planted(store)
    admin.retry_many([1], wanted=DeliveryFilter(stream=CANARY))
    assert CANARY in everything(url)
    admin.erase(ONE, ids=same)
    assert CANARY not in everything(url)
    assert table(url, "body", "refused") == [(b'{"of another": 1}',)]
    assert [row.id for row in admin.events()] == [f"{2:032x}"]


@pytest.mark.parametrize("name", ["stream", "subject"])
async def test_an_earlier_act_that_asked_for_what_is_erased_keeps_only_a_hash_of_its_filter(
    store: Store, admin: StoreAdmin, url: str, name: str
) -> None:
    await planted(store)
    entry = AuditEntry(actor=ME, act="events replay", filter={name: f"*{CANARY}*", "type": "recording.*"})
    kept = AuditEntry(actor=ME, act="events replay", filter={name: "another"})
    for one in (entry, kept):
        await store._writer.put(Kind.CALL, lambda session, one=one: audit.begin(session, one))
    admin.erase(ONE, ids=same)
    filters = [row.filter for row in admin.audit() if row.act == "events replay"]
    assert CANARY not in str(filters)
    assert sorted(text.startswith("hmac-sha256:") for text in filters if text is not None) == [False, True]


def everything(url: str) -> str:
    names = (
        "SELECT name FROM sqlite_schema WHERE type = 'table'"
        if url.startswith("sqlite")
        else "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
    )
    from tests.store.kit import beside

    with beside(url) as session:
        tables = [name for (name,) in session.rows(names)]
        assert {"events", "deliveries", "attempts", "refused", "remembered", "sinks", "audit", "meta"} <= set(tables)
        return "".join(
            bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else str(value)
            for name in tables
            for row in session.rows(f"SELECT * FROM {name}")
            for value in row
        )


async def test_the_row_of_an_erasure_holds_ids_and_a_hash_of_what_was_asked(store: Store, admin: StoreAdmin) -> None:
    await take(store, new(1, "app"))
    admin.erase([ONE[:30]])
    (row,) = admin.audit()
    assert row.target == ONE
    assert (row.filter or "").startswith("hmac-sha256:")
    assert len(row.filter or "") == len("hmac-sha256:") + 64


async def test_exact_acts_and_names_are_found_along_an_index_and_are_those_that_looking_at_each_row_finds(
    store: Store, admin: StoreAdmin, url: str
) -> None:
    for number in range(40):
        actor = Actor(f"person-{number % 3}", "laptop")
        (admin.pause if number % 2 else admin.resume)("app", actor=actor)
    for act in ("sinks pause", "sinks*", "nothing", None):
        for name in ("person-1", "person-?", "nobody", None):
            globs = admin.audit(act=act and f"[{act[0]}]{act[1:]}", actor=name and f"[{name[0]}]{name[1:]}", limit=9)
            assert admin.audit(act=act, actor=name, limit=9) == globs
            if len(globs) > 3:
                older = [row.id for row in globs[4:]]
                assert [row.id for row in admin.audit(act=act, actor=name, before=globs[3].id, limit=5)] == older
    with beside(url) as session:
        if session.backend == "postgresql":
            session.rows("SET enable_seqscan = off")
        for column, index in (("act", "audit_act"), ("actor", "audit_actor")):
            explain = "EXPLAIN QUERY PLAN" if session.backend == "sqlite" else "EXPLAIN"
            statement = audit._PAGE.format(condition=f"{column} = :name AND ")
            plan = session.rows(f"{explain} {statement}", {"name": "x", "before": 10**9, "most": 10})
            text = "\n".join(str(part) for row in plan for part in row)
            assert index in text
            assert "TEMP B-TREE" not in text
            assert "Sort" not in text
