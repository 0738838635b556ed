"""While old events are deleted accepts wait for a small step at most: what a step changes goes to the disk in small pieces, and it rests."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from gateway.runtime.clock import FrozenClock
from gateway.store.engine import sweep
from gateway.store.engine.session import Columns
from gateway.store.sqlite.session import SqliteSession
from gateway.store.store import Store
from tests.store.conftest import Opener
from tests.store.kit import beside, new, take
from tests.store.old_events import fill

OLD = 2_500


async def old(opened: Opener, url: str, clock: FrozenClock, many: int = OLD) -> Store:
    with beside(url, clock) as session:
        fill(session, many, days=(40.0, 10.0))
    return await opened()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_the_log_is_moved_into_the_file_in_small_pieces(
    opened: Opener, url: str, clock: FrozenClock, tmp_path: Path
) -> None:
    log = tmp_path / "gateway.db-wal"
    store = await old(opened, url, clock)
    assert await store.sweep() == OLD
    page_bytes = 8192
    step_pages = 100
    assert log.stat().st_size < 2 * step_pages * page_bytes


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_a_log_that_cannot_be_moved_stops_no_sweep(
    opened: Opener, url: str, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    moves: list[str] = []

    def refuse(session: SqliteSession, sql: str, values: Mapping[str, object] | None = None) -> Sequence[Columns]:
        if "wal_checkpoint" in sql:
            moves.append(sql)
            raise sqlite3.OperationalError("database or disk is full")
        return rows(session, sql, values)

    store = await old(opened, url, clock, 200)
    rows = SqliteSession.rows
    monkeypatch.setattr(SqliteSession, "rows", refuse)
    assert await store.sweep() == 200
    assert len(moves) >= 200 / store._backend.step_rows


async def test_while_callbacks_come_it_rests_after_each_step(
    opened: Opener, url: str, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []

    async def rest(seconds: float) -> None:
        rests.append(seconds)

    store = await old(opened, url, clock, 600)
    monkeypatch.setattr(asyncio, "sleep", rest)
    await take(store, new(1))
    assert await store.sweep() == 600
    assert len(rests) >= 4
    assert all(0 < one <= sweep.REST_SECONDS_MAX for one in rests)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_where_no_callback_came_it_does_not_rest(
    opened: Opener, url: str, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def rest(_seconds: float) -> None:
        raise AssertionError("nobody waits for it")

    store = await old(opened, url, clock, 200)
    monkeypatch.setattr(asyncio, "sleep", rest)
    assert await store.sweep() == 200


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("hurry", "times"), [(600.0, 1000.0), (0.0, 1.0)])
async def test_a_pass_that_lasts_rests_no_longer_than_it_works(
    opened: Opener, url: str, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch, hurry: float, times: float
) -> None:
    rests: list[float] = []
    worked: list[float] = []

    async def rest(seconds: float) -> None:
        rests.append(seconds)
        worked.append(paced[0]._took)

    paced: list[sweep._Paced] = []
    ask = sweep._Paced.ask

    def asked(one: sweep._Paced, work: object) -> object:
        paced[:] = [one]
        return ask(one, work)  # type: ignore[arg-type]

    store = await old(opened, url, clock, 200)
    monkeypatch.setattr(sweep._Paced, "ask", asked)
    monkeypatch.setattr(sweep, "HURRY_SECONDS", hurry)
    monkeypatch.setattr(sweep, "REST_TIMES", 1000.0)
    monkeypatch.setattr(sweep, "REST_SECONDS_MAX", 10_000.0)
    monkeypatch.setattr(asyncio, "sleep", rest)
    await take(store, new(1))
    await store.sweep()
    assert rests
    assert rests == pytest.approx([took * times for took in worked])
