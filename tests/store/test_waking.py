"""Who is woken: by another gateway's rows, by people, by a key that comes free; and how often."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.runtime.clock import Clock, FrozenClock
from gateway.store.postgres import notices
from gateway.store.store import Store
from tests.patience import PATIENCE_S
from tests.store.conftest import Opener
from tests.store.kit import LEASE, beside, new, pause, resume, settlement, take

# -- being woken ----------------------------------------------------------------------------------------------------


class Waker:
    """Notes who was woken, and waits for one."""

    def __init__(self) -> None:
        self.woken: list[str] = []
        self._event = asyncio.Event()

    def __call__(self, sink: str) -> None:
        self.woken.append(sink)
        self._event.set()

    async def wait(self, sink: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while sink not in self.woken:
                self._event.clear()
                await self._event.wait()


async def listening_on(store: Store, url: str) -> Waker:
    """A waker that is being listened for."""
    waker = Waker()
    store.listen(waker)
    if url.startswith("postgresql"):
        backend: Any = store._backend
        with beside(url) as session:
            for _ in range(200):
                query = (
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
                )
                if backend._listener is not None and session.rows(query)[0][0]:
                    break
                await asyncio.sleep(0.02)
    else:
        await asyncio.sleep(0.3)  # the data version is read once before a change can be seen
    return waker


@pytest.mark.whole_server
async def test_another_gateway_is_told_of_rows_that_no_lane_was_given(
    pair: tuple[Store, Store], postgres_url: str
) -> None:
    waker = await listening_on(pair[1], postgres_url)
    own = Waker()
    pair[0].listen(own)
    await take(pair[0], new(1, "app"), new(2, "leased", lease=LEASE))
    await waker.wait("app")
    assert set(waker.woken) == {"app"}
    assert own.woken == []


@pytest.mark.whole_server
async def test_what_people_do_beside_the_gateway_wakes_the_lane(store: Store, url: str, clock: FrozenClock) -> None:
    await take(store, new(1, "app"))
    pause(url, clock, "app")
    waker = await listening_on(store, url)
    resume(url, clock, "app")
    if url.startswith("postgresql"):
        with beside(url) as session:
            session.notify("admin", ["app"])  # type: ignore[attr-defined]
    await waker.wait("app")


async def test_the_gateways_own_commits_do_not_wake_it(tmp_path: Any, open_at: Opener) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    store = await open_at(url=url)
    waker = await listening_on(store, url)
    for n in range(5):
        await take(store, new(n, "app"))
        store._writer._next_tick = 0.0
        await store.ping()
    assert waker.woken == []


async def test_a_lane_is_woken_when_the_next_of_a_key_comes_free(store: Store, url: str) -> None:
    waker = await listening_on(store, url)
    first, _ = await take(store, new(1, "app", key="k", lease=LEASE), new(2, "app", key="k", lease=LEASE))
    await store.settle([settlement(first.leases[0])])
    await waker.wait("app")


@pytest.mark.whole_server
async def test_a_listener_that_lost_its_connection_listens_again(open_at: Opener, postgres_url: str) -> None:
    store = await open_at(url=postgres_url, clock=Clock())
    waker = await listening_on(store, postgres_url)
    with beside(postgres_url) as session:
        session.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        )
        for _ in range(400):
            session.notify("admin", ["app"])  # type: ignore[attr-defined]
            if waker.woken:
                break
            await asyncio.sleep(0.02)
    await waker.wait("app")


async def test_notices_are_sent_at_most_every_tenth_of_a_second_a_sink() -> None:
    sent: list[list[str]] = []

    class Session:
        def notify(self, who: str, sinks: list[str]) -> None:
            sent.append(sinks)

    notifier = notices.Notifier("me")
    session: Any = Session()
    for _ in range(5):
        notifier.notify(session, {"a"})
    notifier.notify(session, {"a", "b"})
    assert sent == [["a"], ["b"]]


@pytest.mark.whole_server
async def test_a_listener_that_failed_at_what_nobody_foresaw_listens_again(
    open_at: Opener, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.postgres.notices.LOST_SECONDS", 0.01)
    store = await open_at(url=postgres_url)
    backend: Any = store._backend
    connect, failures = backend._session, [MemoryError(), RuntimeError("a bug of ours")]

    def fails() -> Any:
        if failures:
            raise failures.pop()
        return connect()

    backend._session = fails
    with capture_logs() as logs:
        waker = await listening_on(store, postgres_url)
    other = await open_at(url=postgres_url)
    await take(other, new(1, "app"))
    await waker.wait("app")
    assert [line["error"] for line in logs if line["event"] == "background_failed"] == ["RuntimeError", "MemoryError"]
