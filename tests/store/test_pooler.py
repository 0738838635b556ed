"""Behind a pooler: two gateways share few server connections with strangers, and neither meets the other's session."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
import structlog

from gateway.errors import StoreUnavailable
from gateway.runtime.clock import Clock
from gateway.store import store as store_module
from gateway.store.engine.patience import awaited
from gateway.store.postgres import backend
from gateway.store.postgres import session as session_module
from gateway.store.postgres.session import PREPARE_THRESHOLD, PostgresSession
from gateway.text.store_address import parse_address
from tests.store.conftest import Opener
from tests.store.faults import on_writer
from tests.store.kit import LEASE, new, settlement, states
from tests.store.pooler import Pooler


@pytest.fixture
def pooled(request: pytest.FixtureRequest, postgres_url: str) -> Iterator[str]:
    """The URL of the test's database behind a pgbouncer in the mode that the test names."""
    server = parse_qs(urlsplit(postgres_url).query)["host"][0]
    with Pooler(server, getattr(request, "param", "transaction")) as pooler:
        yield pooler.url_of(postgres_url)


@pytest.mark.parametrize(("pooled", "count"), [("transaction", 2), ("session", 1)], indirect=["pooled"])
async def test_gateways_behind_a_pooler_accept_claim_and_settle_side_by_side(
    pooled: str, count: int, open_at: Opener
) -> None:
    """In session mode a pool of two has room for one gateway's two connections only."""
    with structlog.testing.capture_logs() as lines:
        stores = [await open_at(url=pooled, clock=Clock()) for _ in range(count)]
    assert {line["event"] for line in lines} >= {"store_behind_pooler"}
    for store in stores:
        store.listen(lambda _: None)
    for turn in range(12):  # past the number of runs after which a statement would be prepared
        for at, store in enumerate(stores):
            await store.accept([new(turn * 10 + at, "app", key="k" if turn % 2 else None)])
        for store in stores:
            leases = await store.claim("app", 10, LEASE)
            await store.settle([settlement(lease) for lease in leases])
            await store.ping()
    for _ in range(30):
        leases = await stores[0].claim("app", 10, LEASE)
        await stores[0].settle([settlement(lease) for lease in leases])
    assert {state for _, state in states(pooled)} == {"delivered"}
    assert len(states(pooled)) == 12 * count


async def test_a_stranger_behind_the_same_pooler_meets_none_of_our_settings(pooled: str, open_at: Opener) -> None:
    store = await open_at(url=pooled, clock=Clock())
    for n in range(4):
        await store.accept([new(n)])
        await store.ping()
    options = parse_address(pooled).parameters
    for _ in range(4):
        with psycopg.connect(autocommit=True, **options) as stranger:  # type: ignore[arg-type]
            found = stranger.execute(
                "SELECT current_setting('statement_timeout'), current_setting('jit'), count(*) FROM pg_prepared_statements"
            ).fetchone()
            assert found == ("0", "on", 0)


async def test_a_server_without_a_pooler_prepares_and_says_nothing(postgres_url: str, open_at: Opener) -> None:
    with structlog.testing.capture_logs() as lines:
        store = await open_at(url=postgres_url)
    assert [line["event"] for line in lines if line["event"] != "store_reduced"] == []
    assert not await on_writer(store, lambda session: session.pooled)  # type: ignore[attr-defined]
    assert (await on_writer(store, lambda session: session.connection.prepare_threshold)) == PREPARE_THRESHOLD  # type: ignore[attr-defined]


@pytest.mark.parametrize("pooled", ["statement"], indirect=True)
async def test_the_mode_that_cannot_work_is_refused_with_the_poolers_own_words(
    pooled: str, open_at: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        store_module, "awaited", partial(awaited, within=0.5)
    )  # it might pass, for all that a gateway knows
    with pytest.raises(StoreUnavailable, match="transaction"):
        await open_at(url=pooled, clock=Clock())


async def test_in_a_transaction_behind_a_pooler_the_server_has_its_bound_too(pooled: str) -> None:
    session = await asyncio.to_thread(PostgresSession, parse_address(pooled))
    with session.atomic():
        assert session.rows("SELECT current_setting('statement_timeout')") == [
            (f"{session_module.STATEMENT_MS // 1000}s",)
        ]
    assert session.rows("SELECT current_setting('statement_timeout')") == [("0",)]
    assert session.connection.prepare_threshold is None
    session.close()


def test_the_line_about_a_pooler_names_what_works() -> None:
    assert "session and transaction" in backend.POOLED
