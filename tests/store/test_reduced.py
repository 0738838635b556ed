"""A PostgreSQL without advisory locks, sequences and LISTEN, every transaction serialisable: the same promises."""

from __future__ import annotations

import asyncio
import re
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gateway import store as gateway_store
from gateway.errors import StoreUnavailable
from gateway.runtime.clock import Clock, FrozenClock
from gateway.store.admin.admin import StoreAdmin
from gateway.store.engine import migrations
from gateway.store.engine.migrations import migrate
from gateway.store.engine.reruns import RERUNS
from gateway.store.engine.session import Session
from gateway.store.postgres import backend, batch, reduced
from gateway.store.postgres import session as session_module
from gateway.store.postgres.session import PostgresSession
from gateway.store.store import Store
from gateway.store.transfer import transfers
from gateway.text.store_address import parse_address
from tests import threads
from tests.patience import PATIENCE_S
from tests.plain_server import SERIALISABLE, PlainServer, stand_between
from tests.store.conftest import Opener
from tests.store.faults import on_writer
from tests.store.kit import LEASE, beside, new, session, settlement, states, table, take

SEQUENCES = "SELECT count(*) FROM pg_class WHERE relkind = 'S'"
pytestmark = pytest.mark.whole_server  # it stands between by itself


@pytest.fixture
def plain() -> Iterator[PlainServer]:
    """What was asked of the server beside the list."""
    server = PlainServer(seed=13, share=0.1)
    end = stand_between(server)
    yield server
    end()
    assert server.asked == []


@pytest.fixture
def url(postgres_url: str) -> str:
    with beside(postgres_url) as opened:
        opened.rows(SERIALISABLE.format(opened.rows("SELECT current_database()")[0][0]))
    return postgres_url


async def test_two_gateways_keep_the_order_of_streams_and_nothing_is_stuck_lost_or_sent_twice(
    url: str, plain: PlainServer, open_at: Opener
) -> None:
    stores = [await open_at(url=url, owner=owner) for owner in ("a:1", "b:2")]
    for store in stores:
        store.listen(lambda _: None)
    reruns = RERUNS.count()
    flying: Counter[str] = Counter()
    came: list[int] = []
    more = True

    async def accept(store: Store, base: int) -> None:
        for n in range(12):
            await store.accept([new(base + 10 * n + i, "app", key=f"k{(n + i) % 4}") for i in range(3)])

    async def carry(store: Store) -> None:
        while leases := await store.claim("app", 5, LEASE) or more:
            if leases is True:
                await asyncio.sleep(0)
                continue
            flying.update(lease.order_key for lease in leases if lease.order_key)
            assert max(flying.values()) == 1
            came.extend(lease.delivery for lease in leases)
            flying.subtract(lease.order_key for lease in leases if lease.order_key)
            assert all(await store.settle([settlement(lease) for lease in leases]))

    carriers = [asyncio.create_task(carry(store)) for store in stores]
    await asyncio.gather(accept(stores[0], 0), accept(stores[1], 10_000))
    more = False
    await asyncio.gather(*carriers)
    while leases := await stores[0].claim("app", 100, LEASE):  # freed after both had looked last
        came.extend(lease.delivery for lease in leases)
        await stores[0].settle([settlement(lease) for lease in leases])
    assert sorted(came) == sorted(set(came))
    assert [state for _, state in states(url)] == ["delivered"] * 72
    assert table(url, "count(*)", "pg_class WHERE relkind = 'S'") == [(0,)]
    assert plain.failed
    assert RERUNS.count() > reruns


async def test_what_comes_to_both_at_once_is_new_once_and_no_number_comes_twice(
    url: str, plain: PlainServer, open_at: Opener
) -> None:
    stores = [await open_at(url=url, owner=owner) for owner in ("a:1", "b:2")]
    for n in range(10):
        answers = await asyncio.gather(*[store.accept([new(n, "app")]) for store in stores])
        assert sorted(answer[0].new for answer in answers) == [False, True]
    with beside(url) as opened:
        last = opened.rows("SELECT max(seq) FROM events")[0][0]
        opened.change("DELETE FROM events WHERE seq = :last", {"last": last})
    await take(stores[0], new(99))
    assert table(url, "max(seq)", "events")[0][0] > last


def test_ten_starters_make_the_tables_once(url: str, plain: PlainServer) -> None:
    made: list[object] = []
    barrier = threading.Barrier(10, timeout=PATIENCE_S)

    def start() -> None:
        opened = session(url)
        opened.of_a_test = False  # type: ignore[attr-defined]
        barrier.wait()
        try:
            made.append(migrate(opened, "here"))
        except BaseException as error:
            made.append(error)
        opened.close()

    threads.end([threads.start(start) for _ in range(10)], within=PATIENCE_S)
    assert sorted(map(str, made)) == ["(0, 1)"] + ["(1, 1)"] * 9
    with StoreAdmin(url, clock=FrozenClock()) as admin:
        assert list(admin.violations()) == []


async def test_it_can_be_asked_for_and_is_remembered(postgres_url: str, open_at: Opener) -> None:
    await open_at(url=f"{postgres_url}&mode=reduced")
    assert table(postgres_url, "value", "meta WHERE name = 'reduced'") == [("1",)]
    with StoreAdmin(postgres_url, clock=FrozenClock()) as admin:
        assert admin.status().details["mode"] == "reduced"
    with beside(postgres_url) as opened:  # nobody says so any more
        assert opened.reduced
        assert opened.rows(SEQUENCES) == [(0,)]


async def test_a_store_keeps_the_mode_it_was_made_in(
    postgres_store_url: str, open_at: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreUnavailable, match=r"not made in the reduced mode.*store copy"):
        await open_at(url=f"{postgres_store_url}&mode=reduced")
    monkeypatch.setattr(reduced, "locks_exclude", lambda _: False)
    with pytest.raises(StoreUnavailable, match=r"locks nothing.*mode=reduced"):
        await open_at(url=postgres_store_url)


def test_a_copy_takes_a_store_from_one_mode_to_the_other(
    postgres_store_url: str, postgres_url: str, tmp_path: Path
) -> None:
    target = parse_address(f"{postgres_url}&mode=reduced")
    transfers.copy(parse_address(postgres_store_url), target, lambda _: lambda _: None)
    with StoreAdmin(postgres_url, clock=FrozenClock()) as admin:
        assert list(admin.violations()) == []
    transfers.copy(target, parse_address(f"sqlite:///{tmp_path}/there.db"), lambda _: lambda _: None)
    assert table(f"sqlite:///{tmp_path}/there.db", "name", "meta WHERE name = 'reduced'") == []


def test_who_locks_a_name_keeps_others_waiting_until_its_end_and_they_see_what_it_did(postgres_url: str) -> None:
    url = f"{postgres_url}&mode=reduced"
    with StoreAdmin(url, clock=FrozenClock()) as admin:
        admin.migrate()
    order: list[str] = []
    with beside(url) as first, beside(url) as second, beside(url) as onlooker:

        def follow() -> None:
            with second.atomic():
                second.lock({"another", "a name"})
                ((seen,),) = second.rows("SELECT count(*) FROM sinks")
                order.append(f"second sees {seen}")

        with first.atomic():
            first.lock({"a name"})
            follower = threads.start(follow)
            while onlooker.rows("SELECT count(*) FROM pg_locks WHERE NOT granted") == [(0,)]:
                pass
            first.change("INSERT INTO sinks (name) VALUES ('app')")
            order.append("first")
        threads.end(follower)
    assert order == ["first", "second sees 1"]


def test_every_version_finds_a_name_in_the_same_row() -> None:
    assert reduced.slots_of(["recordings", "alarms", "app k1", "app k1"]) == sorted(
        {reduced.slots_of([name])[0] for name in ("recordings", "alarms", "app k1")}
    )
    assert reduced.slots_of(["recordings"]) == [RECORDINGS_SLOT]


RECORDINGS_SLOT = 110


def test_a_mode_that_nobody_knows_is_told() -> None:
    assert not parse_address("postgresql://u@h/d").reduced
    assert "mode" not in parse_address("postgresql://u@h/d?mode=reduced").parameters
    with pytest.raises(ValueError, match="`reduced`"):
        parse_address("postgresql://u@h/d?mode=small")


async def test_a_server_that_does_not_tell_or_take_a_setting_is_used_all_the_same(
    postgres_store_url: str, open_at: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = PostgresSession._send

    def other(self: PostgresSession, text: Any, values: Any = None, **options: Any) -> Any:
        if values and "jit" in values:
            raise psycopg.errors.UndefinedObject('unrecognized configuration parameter "jit"')
        shown = text.decode() if isinstance(text, bytes) else text
        for known in ("'fsync'", "'server_encoding'", "'synchronous_commit'", "pg_stat_activity"):
            shown = shown.replace(known, known.replace("s", "z"))
        return real(self, shown.encode(), values, **options)

    monkeypatch.setattr(PostgresSession, "_send", other)
    store = await open_at(url=postgres_store_url)
    assert (await take(store, new(1, "app")))[0].new
    assert (await on_writer(store, lambda session: session.rows("SHOW statement_timeout"))) == [
        (f"{session_module.STATEMENT_MS // 1000}s",)
    ]
    with StoreAdmin(postgres_store_url, clock=FrozenClock()) as admin:
        status = admin.status()
    assert (status.events, status.size_bytes) == (1, None)


async def test_tables_that_another_starter_made_in_the_other_mode_are_not_taken_for_ours(
    postgres_url: str, open_at: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = migrations.migrate

    def late(session: Session, shown: str) -> tuple[int, int]:
        with StoreAdmin(postgres_url, clock=FrozenClock()) as admin:
            monkeypatch.setattr(backend, "migrate", made)
            admin.migrate()
        return made(session, shown)

    monkeypatch.setattr(backend, "migrate", late)
    with pytest.raises(StoreUnavailable, match="not made in the reduced mode"):
        await open_at(url=f"{postgres_url}&mode=reduced")


async def test_where_skip_locked_locks_nothing_no_delivery_is_claimed_twice(
    postgres_store_url: str, open_at: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "_TAKE", batch._TAKE.replace(b" FOR UPDATE SKIP LOCKED", b""))
    store = await open_at(url=postgres_store_url)
    await take(store, new(1, "app"))
    with beside(postgres_store_url) as other, beside(postgres_store_url) as onlooker:
        other.rows("BEGIN")  # another gateway claims it and has not committed
        other.change(
            "UPDATE deliveries SET state = 'sending', rank = 3, token = token + 1, due_at = due_at + :lease",
            {"lease": LEASE},
        )
        claimed = store.claim("app", 5, LEASE)
        while onlooker.rows("SELECT count(*) FROM pg_locks WHERE NOT granted") == [(0,)]:
            await asyncio.sleep(0.01)
        other.rows("COMMIT")
        assert await claimed == []


async def test_where_nobody_listens_the_thread_ends_and_the_store_goes_on(
    postgres_store_url: str, open_at: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.postgres.notices.CHANNEL", "no such; thing")
    store = await open_at(url=postgres_store_url, clock=Clock())
    store.listen(lambda _: None)
    await asyncio.to_thread(store._backend._listener._thread.join, 20)  # type: ignore[attr-defined]
    assert (await take(store, new(1)))[0].new


BESIDE_THE_LIST = re.compile(
    r"pg_\w*advisory|\bLISTEN [\w{]|pg_notify|nextval|setval|serial_sequence|GENERATED|LOCK TABLE"
)
ROOM = Path(gateway_store.__file__).parent
KNOW_BETTER = {"engine/dialects.py", "engine/numbers.py", "transfer/two_ends.py"} | {
    f"postgres/{name}.py" for name in ("notices", "reduced", "session")
}


def test_what_the_list_leaves_out_is_asked_for_where_it_is_known_whether_it_is_there() -> None:
    """Run again with `--reduced` a forgotten statement is refused; here it is named at once."""
    others = [path for path in sorted(ROOM.rglob("*.py")) if path.parent.name != "doctor"]
    asks = {str(path.relative_to(ROOM)) for path in others if BESIDE_THE_LIST.search(path.read_text())}
    assert asks == KNOW_BETTER
