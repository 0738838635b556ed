"""In whatever order callbacks, lists and retention come: a file is delivered once, and a forger changes nothing of it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.events.places import places_of
from gateway.model import File, Trust
from gateway.runtime.clock import FrozenClock
from gateway.store.outbox.reconciliation import Run
from gateway.store.records import Accepted, NewEvent
from gateway.store.store import Keep, Store
from plugins.sources.huawei_live.listed import listed_event
from tests.reconcile.vendor import PROJECT, entry
from tests.store.kit import event, new

KEEP = Keep(remember=timedelta(days=30), delivered=timedelta(days=2), unrouted=timedelta(days=2))
RUN = Run(began=0, since=0, until=1)
FORGED = File(download_url="https://evil.example/elsewhere.m3u8")
files = st.integers(0, 1)
genuine = st.lists(st.tuples(st.sampled_from(["callback", "list", "days"]), files), max_size=7)
anything = st.lists(st.tuples(st.sampled_from(["callback", "list", "days", "forged"]), files), max_size=7)
Came = list[tuple[str, int, Accepted]]
Play = Callable[[Sequence[tuple[str, int]]], Came]


def listed(number: int, clock: FrozenClock) -> NewEvent:
    made = listed_event("live", PROJECT, entry(number), clock.now())
    return new(made, places=places_of(made), hold_conflicts=False)


def callback(number: int, clock: FrozenClock, *, forged: bool = False) -> NewEvent:
    """The genuine one's signature covers its fields; a forger's only a time, and he names the same object."""
    (file,) = listed(number, clock).event.files
    made = event(
        2 * number + forged,
        at=clock.now(),
        stream=f"s{number}",
        files=(FORGED.replace(storage=file.storage) if forged else file,),
        trust=Trust.TIMESTAMP if forged else Trust.FIELDS,
    )
    return new(made, places=places_of(made))


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    """Does these acts on two files that nothing was heard of; what became of each callback and listed file."""
    clock, numbers = FrozenClock(), itertools.count(2, 2)
    store = Store(f"sqlite:///{tmp_path}/g.db", clock=clock, keep=KEEP)

    async def played(acts: Sequence[tuple[str, int]]) -> Came:
        base, came = next(numbers), []
        for act, file in acts:
            if act == "days":
                clock.advance(3 * 86_400)
                await store.sweep()
            elif act == "list":
                await store.lease_reconciliation("live")
                step = await store.reconcile_step("live", RUN, [listed(base + file, clock)])
                assert step is not None
                came += [(act, file, one.accepted) for one in step.stored]
            else:
                (accepted,) = await store.accept([callback(base + file, clock, forged=act == "forged")])
                came.append((act, file, accepted))
        return came

    with asyncio.Runner() as runner:
        runner.run(store.open())
        yield lambda acts: runner.run(played(acts))
        runner.run(store.close())


pytestmark = pytest.mark.wide
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@unhurried
@given(acts=genuine)
def test_without_a_forger_each_file_is_stored_once(play: Play, acts: Sequence[tuple[str, int]]) -> None:
    came = play(acts)
    for file in {file for act, file in acts if act != "days"}:
        assert [one.new for _, n, one in came if n == file].count(True) == 1
    assert not any(one.held or one.variant or one.full for _, _, one in came)


@unhurried
@given(acts=anything)
def test_a_forger_keeps_no_file_from_being_told_and_tells_nothing_of_a_listed_one(
    play: Play, acts: Sequence[tuple[str, int]]
) -> None:
    came = play(acts)
    for file in (0, 1):
        told = [act for act, n, one in came if n == file and (one.new or one.variant) and not one.held]
        if any(n == file and act in ("callback", "list") for act, n in acts):
            assert {"callback", "list"} & set(told), "the genuine one was told"
        if "list" in told:
            assert told.index("list") == len(told) - 1, "what comes after the list tells nothing"
