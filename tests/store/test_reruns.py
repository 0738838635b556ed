"""What a database could not put in order beside others' work is run again: everywhere, within a bound, and counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from gateway.errors import StoreUnavailable
from gateway.runtime.clock import FrozenClock
from gateway.store.admin.admin import StoreAdmin
from gateway.store.engine import reruns
from gateway.store.engine.reruns import RERUNS, RERUNS_MAX
from gateway.store.postgres.session import PostgresSession
from gateway.store.store import Store
from tests.store.conftest import Opener
from tests.store.kit import LEASE, new, other, settlement, states, table, take

Fail = Callable[..., None]
pytestmark = pytest.mark.whole_server  # it fails what it wants to, and counts


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made; none takes any time."""
    made: list[float] = []
    monkeypatch.setattr(reruns, "sleep", made.append)
    return made


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fail]:
    """`fail("text", times=2)`: the server refuses the next two statements that begin so (or hold it), as it does what it
    cannot put in order: the statement has changed nothing, and the transaction around it is over."""
    send = PostgresSession._send
    left: dict[str, list[Any]] = {}

    def faulty(self: PostgresSession, text: Any, *arguments: Any, **options: Any) -> Any:
        shown = text.decode() if isinstance(text, bytes) else text
        for part, (times, code) in left.items():
            if part in shown and times:
                left[part][0] -= 1
                text = f"DO $$BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '{code}'; END$$".encode()
                return send(self, text)
        return send(self, text, *arguments, **options)

    monkeypatch.setattr(PostgresSession, "_send", faulty)

    def next_(part: str, times: int = 1, code: str = "40001") -> None:
        left[part] = [times, code]

    yield next_
    assert all(not times for times, _ in left.values()), left


@pytest.fixture
async def store(open_at: Opener, postgres_store_url: str) -> Store:
    return await open_at(url=postgres_store_url)


@pytest.mark.parametrize("code", ["40001", "40P01"])
async def test_a_statement_of_its_own_is_run_again_where_it_failed(store: Store, fail: Fail, code: str) -> None:
    before = RERUNS.count()
    fail("INSERT INTO events", times=3, code=code)
    (answer,) = await take(store, new(1, "app", lease=LEASE))
    assert answer.new
    assert len(answer.leases) == 1
    assert RERUNS.count() - before == 3


async def test_it_is_not_run_again_for_ever_and_nothing_is_acknowledged(
    store: Store, fail: Fail, postgres_store_url: str, pauses: list[float]
) -> None:
    fail("INSERT INTO events", times=RERUNS_MAX + 1)
    with pytest.raises(StoreUnavailable, match=r"not now \(40001\)"):
        await store.accept([new(1)])
    assert table(postgres_store_url, "id", "events") == []
    assert len(pauses) == RERUNS_MAX  # by the statement; the batch around it does not begin anew


async def test_a_transaction_whose_commit_is_refused_is_run_again_whole(
    store: Store, fail: Fail, postgres_store_url: str
) -> None:
    await take(store, new(1, "app", key="one"), new(2, "app", key="one"))
    (lease,) = await store.claim("app", 10, LEASE)
    fail("COMMIT", times=2)
    assert await store.settle([settlement(lease)]) == [True]
    (following,) = await store.claim("app", 10, LEASE)
    assert following.order_key == "one"
    assert [state for _, state in states(postgres_store_url)] == ["delivered", "sending"]


async def test_new_events_stay_new_where_known_ones_of_the_same_batch_are_looked_at_again(
    store: Store, fail: Fail
) -> None:
    await take(store, new(1, "app"))
    fail("COMMIT", times=2)
    answers = await take(store, other(1, "forged", "app"), new(2, "app", lease=LEASE))
    assert [(one.new, len(one.leases)) for one in answers] == [(False, 0), (True, 1)]


async def test_what_did_not_happen_is_not_counted(open_at: Opener, postgres_store_url: str, fail: Fail) -> None:
    store = await open_at(url=postgres_store_url)
    await take(store, new(1))
    fail("COMMIT", times=3)
    await take(store, other(1, "forged", "app"), new(2, "app"))
    assert store._limits._open == len(states(postgres_store_url))


async def test_retention_and_questions_are_run_again(store: Store, fail: Fail, clock: FrozenClock) -> None:
    await take(store, new(1))
    clock.advance(400 * 86_400)
    fail("DELETE FROM events", times=4)
    assert await store.sweep() == 1
    fail("FROM sinks")
    assert await store.gates() == {}


async def test_opening_waits_for_a_transaction_that_passes(
    open_at: Opener, postgres_store_url: str, fail: Fail
) -> None:
    fail("COMMIT")
    await open_at(url=postgres_store_url)


def test_making_the_tables_is_tried_again(postgres_url: str, fail: Fail) -> None:
    fail("CREATE TABLE deliveries")
    with StoreAdmin(postgres_url, clock=FrozenClock()) as admin:
        assert admin.migrate()[0] == 0


def test_what_a_person_changes_is_run_again(postgres_store_url: str, fail: Fail) -> None:
    fail("INSERT INTO sinks")
    fail("COMMIT", times=RERUNS_MAX - 1)
    with StoreAdmin(postgres_store_url, clock=FrozenClock()) as admin:
        assert admin.pause("app")


async def test_another_error_is_not_run_again(store: Store, fail: Fail) -> None:
    before = RERUNS.count()
    fail("INSERT INTO events", code="53100")
    with pytest.raises(StoreUnavailable):
        await store.accept([new(1)])
    assert RERUNS.count() == before


def test_a_pause_is_random_grows_and_has_an_end(pauses: list[float]) -> None:
    assert [reruns.pause(n, ValueError()) for n in range(1, RERUNS_MAX + 2)] == [True] * RERUNS_MAX + [False]
    assert all(0 <= one <= reruns.PAUSE_SECONDS_MAX for one in pauses)
    assert pauses[0] <= reruns.PAUSE_SECONDS
    assert psycopg.errors.SerializationFailure.sqlstate == "40001"
