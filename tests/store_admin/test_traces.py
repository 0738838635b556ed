"""What is erased is in no file, no row and no other's filter."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from gateway.runtime.clock import FrozenClock
from gateway.store.admin import audit
from gateway.store.admin.admin import Actor, DeliveryFilter, StoreAdmin
from gateway.store.admin.audit import AuditEntry
from gateway.store.records import Refusal
from gateway.store.sqlite import scrub
from gateway.store.sqlite.session import SqliteSession
from gateway.store.store import Store
from tests.store.kit import LEASE, beside, event, new, settlement, table, take
from tests.store_admin.acts import ME, ONE, refusal

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
            admin.retry_many([1], filter=DeliveryFilter(stream=CANARY))
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
        scrub.request(session)
        assert scrub.step(session) is False
        ((left,),) = session.rows("PRAGMA freelist_count")
        assert 150 < left < 300
        assert scrub.step(session) is True
        assert session.rows("PRAGMA freelist_count") == [(0,)]
        assert not scrub.asked(session)
    finally:
        session.close()


@pytest.mark.plain_rows
async def test_erased_text_is_in_no_row_of_any_table(store: Store, admin: StoreAdmin, url: str) -> None:
    await planted(store)
    admin.retry_many([1], filter=DeliveryFilter(stream=CANARY))
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
        await store._writer.enqueue(partial(audit.begin_act, entry=one))
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
