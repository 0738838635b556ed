"""A bulk act that meets a damaged page goes round it: what lies on it is not done, and everything else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.runtime.clock import FrozenClock
from gateway.states import BulkAct
from gateway.store.admin.admin import Actor, DeliveryFilter, StoreAdmin
from gateway.store.admin.event_search import EventFilter
from gateway.store.admin.job_rows import JobOptions, JobRow
from tests.store.conftest import Opener
from tests.store.kit import event, new, take
from tests.store.test_damaged_page import PAGE, damage, damage_leaf
from tests.store.test_damaged_page_postgres import EVENTS, damaged, lost, url

__all__ = ["damaged", "lost", "url"]  # fixtures

NUMBER = 40
ACTOR = Actor(name="ann", place="here")


@pytest.fixture
async def file(tmp_path: Path, open_at: Opener) -> Path:
    """Many events, each with a delivery; nothing of it is damaged yet."""
    file = tmp_path / "gateway.db"
    store = await open_at(url=f"sqlite:///{file}")
    raws = ((n, (b"7" if n == 7 else b"x") * 5 * PAGE) for n in range(1, NUMBER + 1))
    await take(store, *[new(event(n, raw=raw), "app") for n, raw in raws])
    await store.close()
    return file


def _whole(admin: StoreAdmin, act: BulkAct, wanted: DeliveryFilter | EventFilter, options: JobOptions) -> JobRow:
    _, upto = admin.preview(wanted)
    id = admin.start_job(act, wanted, upto=upto, options=options, pause_us=0, actor=ACTOR, holder="h")
    for _ in range(100):
        job = admin.step_job(id, 50, owner="o", holders={"h"}, route=lambda _: (["app"], "{}"), ids=None)
        if job.finished_at is not None:
            return job
    raise AssertionError(job)


ACTS: list[tuple[BulkAct, DeliveryFilter | EventFilter, dict[str, object]]] = [
    ("replay", EventFilter(), {"to": ["other"]}),
    ("erase", EventFilter(stream="s*"), {}),
    ("cancel", DeliveryFilter(state="waiting", type="*"), {}),
    ("retry", DeliveryFilter(state="waiting", type="*"), {}),
    ("move", DeliveryFilter(state="waiting", sink=("app",)), {"to": ["other"]}),
]


@pytest.mark.parametrize(("act", "wanted", "options"), ACTS, ids=[act for act, *_ in ACTS])
@pytest.mark.parametrize("spoiled", [1, 20, NUMBER], ids=["the oldest", "one between", "the newest"])
def test_a_job_goes_round_a_page_of_events(
    file: Path,
    clock: FrozenClock,
    act: BulkAct,
    wanted: DeliveryFilter | EventFilter,
    options: JobOptions,
    spoiled: int,
) -> None:
    damage_leaf(file, event(spoiled).id)
    with StoreAdmin(f"sqlite:///{file}", clock=clock) as admin:
        shown = len(admin.events(limit=200))
        assert NUMBER - 10 <= shown < NUMBER
        job = _whole(admin, act, wanted, options)
    assert job.state == "done", job.result
    assert shown <= job.done + job.failed <= NUMBER  # a delivery whose event cannot be read can still be moved
    assert job.failed <= (16 if act == "erase" else 0)  # what goes from a page next to it would be joined with it


@pytest.mark.plain_rows
def test_an_event_whose_content_lies_on_it_is_the_one_that_could_not_be(file: Path, clock: FrozenClock) -> None:
    damage(file, b"7")
    with StoreAdmin(f"sqlite:///{file}", clock=clock) as admin:
        job = _whole(admin, "erase", EventFilter(), {})
        assert (job.state, job.done, job.failed) == ("done", NUMBER - 1, 1)
        assert job.result == f"{NUMBER - 1} done, 1 could not be"
        assert [row.subject for row in admin.events(limit=200)] == [event(7).subject]


@pytest.mark.plain_rows
def test_an_act_of_the_command_line_goes_round_it_too(file: Path, clock: FrozenClock) -> None:
    damage(file, b"7")
    with StoreAdmin(f"sqlite:///{file}", clock=clock) as admin:
        total = admin.erase([row.name for row in admin.events(limit=200)])
        assert (total.done, total.failed, total.stopped) == (NUMBER - 1, 1, False)
        (answer,) = [one for one in total.answers if not one.well]
        assert answer.item.endswith(event(7).id)
        assert "a page of the file is damaged" in answer.text


@pytest.mark.parametrize(("act", "wanted", "options"), ACTS, ids=[act for act, *_ in ACTS])
def test_on_postgresql_too(
    url: str,
    lost: set[int],
    clock: FrozenClock,
    act: BulkAct,
    wanted: DeliveryFilter | EventFilter,
    options: JobOptions,
) -> None:
    with StoreAdmin(url, clock=clock) as admin:
        job = _whole(admin, act, wanted, options)
    assert job.state == "done", job.result
    assert EVENTS - len(lost) <= job.done <= EVENTS
