"""A bulk act in the background: what stops it is said, and what only holds it up does not end it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.admin import jobs
from gateway.errors import StoreError, StoreUnavailable
from gateway.store.admin import free_jobs
from gateway.store.admin.admin import StoreAdmin
from tests import patience
from tests.web.admin_api import fill, post, serve, until
from tests.web.doors import Served
from tests.web.test_api_changing import HELD, bulk, ended, paused, waiting_deliveries

CANCEL: dict[str, Any] = {"act": "cancel", "filter": {"sink": "gone"}}


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(jobs, "LOOK_SECONDS", 0.02)
    with serve(tmp_path, config=HELD) as served:
        fill(served, 3)
        paused(served)
        yield served
        served.ask()
        served.result()


def failing(work: Callable[..., Any], *errors: Exception) -> Callable[..., Any]:
    """The same, but that it fails with each of these first."""
    left = list(errors)

    def fails(*arguments: Any, **more: Any) -> Any:
        if left:
            raise left.pop(0)
        return work(*arguments, **more)

    return fails


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StoreError("the sink is gone"), "the sink is gone"),
        (RuntimeError("canary of a plugin"), "RuntimeError; the log says where"),
    ],
)
def test_what_stops_one_is_its_result(
    served: Served, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    monkeypatch.setattr(StoreAdmin, "step_job", failing(StoreAdmin.step_job, error))
    job = ended(served, bulk(served, CANCEL))
    assert (job["state"], job["result"], job["done"]) == ("failed", said, 0)
    assert len(waiting_deliveries(served)) == 3


def test_one_goes_on_when_the_store_is_there_again(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = StoreUnavailable("the disk is away")
    monkeypatch.setattr(free_jobs, "free", failing(free_jobs.free, gone, RuntimeError("a bug")))
    monkeypatch.setattr(StoreAdmin, "step_job", failing(StoreAdmin.step_job, gone, RuntimeError("a bug")))
    monkeypatch.setattr(StoreAdmin, "fail_job", failing(StoreAdmin.fail_job, RuntimeError("nor could that be said")))
    job = ended(served, bulk(served, CANCEL))
    assert (job["state"], job["done"]) == ("done", 3)
    said = capsys.readouterr().out
    assert (said.count("background_failed"), "job_waits" in said) == (2, True)


def test_one_that_rests_is_held_and_ends_when_it_is_cancelled(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "REST_SECONDS", 0.01)
    job = bulk(served, {**CANCEL, "rate": "1/1m"})
    until(served, f"/jobs/{job}", lambda answer: answer["done"] == 1)

    def held_until() -> int:
        with closing(sqlite3.connect(tmp_path / "gateway.db")) as file:
            return int(file.execute("SELECT until_at FROM jobs").fetchone()[0])

    before = held_until()
    patience.until(lambda: held_until() > before)  # so that no other gateway takes it
    assert post(served, f"/jobs/{job}/cancel").status == 200
    patience.until(lambda: f"job {job}" not in {task.get_name() for task in asyncio.all_tasks(served.loop)})
    assert len(waiting_deliveries(served)) == 2
