"""The follower tells by the rules that run now, and only once nothing waits to be joined."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.errors import StoreUnavailable
from gateway.model import FILE_COMPLETED, RECORDING_OVERDUE, RECORDING_RECOVERED, RECORDING_STARTED, SOURCE_SILENT
from gateway.recordings.follower import LOOK_SECONDS, QUIET_REST_SHARE, REST_SHARE, RecordingFollower
from gateway.recordings.silence import SilenceRule
from gateway.recordings.watch_setup import WatchSetup
from gateway.routing import RoutingDecision
from gateway.runtime.background import end_tasks
from gateway.runtime.clock import FrozenClock
from gateway.runtime.duty import Duties
from gateway.runtime.metrics import Metrics
from gateway.store.outbox.watches import WatchRule
from gateway.store.records import Heard
from gateway.store.store import Store
from tests.patience import eventually
from tests.store.kit import event, new, take

RULE = WatchRule("no-file", {"type": (RECORDING_STARTED,)}, FILE_COMPLETED, 60_000)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Any]:
    """A follower on a store of its own; `told` are the events, `seen` what alarms were shown."""
    clock = FrozenClock()
    store = Store(f"sqlite:///{tmp_path}/gateway.db", clock=clock)
    await store.open()
    scene = SimpleNamespace(store=store, clock=clock, told=[], seen=[], setup=WatchSetup((RULE,), ()))
    scene.metrics = Metrics(clock)
    scene.follower = RecordingFollower(
        store=store,
        clock=clock,
        metrics=scene.metrics,
        setup=lambda: scene.setup,
        decide=lambda _: RoutingDecision((), ()),
        keeps_order=lambda _: False,
        stored=lambda event, _: scene.told.append(event.type),
        see=lambda *seen: scene.seen.append(seen),
    )
    yield scene
    await store.close()


async def look(scene: Any) -> Any:
    """What its duties do, once."""
    followed = await scene.follower.join_next()
    await scene.follower.tell_due()
    await scene.follower.look_for_silence()
    return followed


async def test_nothing_is_told_while_what_is_waited_for_may_wait_to_be_joined(scene: Any) -> None:
    await take(scene.store, new(event(1, type=RECORDING_STARTED, stream="s", at=scene.clock.now())))
    await look(scene)
    scene.clock.advance(60)
    step = scene.store._backend.step_rows
    fill = [event(n, stream=f"f{n}", at=scene.clock.now()) for n in range(2, step + 2)]
    await take(scene.store, *map(new, fill), new(event(999, type=FILE_COMPLETED, stream="s", at=scene.clock.now())))
    assert (await look(scene)).looked == step
    await look(scene)
    assert scene.told == []


async def test_rules_of_a_reload_hold_from_the_next_look(scene: Any) -> None:
    await take(scene.store, new(event(1, type=RECORDING_STARTED, stream="s", at=scene.clock.now())))
    await look(scene)
    scene.setup = WatchSetup((WatchRule("no-file", RULE.when, FILE_COMPLETED, 5_000),), ())
    await look(scene)
    scene.clock.advance(5)
    await look(scene)
    assert scene.told == [RECORDING_OVERDUE]
    counted = {
        type: scene.metrics.registry.get_sample_value(
            "recording_gateway_watches_told_total", {"watch": "no-file", "type": type}
        )
        for type in (RECORDING_OVERDUE, RECORDING_RECOVERED)
    }
    assert counted == {RECORDING_OVERDUE: 1, RECORDING_RECOVERED: 0}


async def test_a_silent_source_is_seen_by_alarms_and_again_when_it_is_back(scene: Any) -> None:
    scene.setup = WatchSetup((), (SilenceRule("quiet", "live", timedelta(hours=1), None, scene.clock.now().tzinfo),))
    await look(scene)
    scene.clock.advance(3600)
    await look(scene)
    await scene.store.heard([Heard("live", scene.clock.ms(), ignored=False, vendor_type="", size=1)])
    await look(scene)
    assert scene.seen == [
        (SOURCE_SILENT, "live", False, ""),
        (SOURCE_SILENT, "live", True, "watch quiet"),
        (SOURCE_SILENT, "live", False, ""),
    ]


@pytest.mark.parametrize(("accepting", "share"), [(True, REST_SHARE), (False, QUIET_REST_SHARE)])
async def test_after_a_full_step_it_rests_in_proportion_and_less_once_nobody_sends(
    scene: Any, monkeypatch: pytest.MonkeyPatch, accepting: bool, share: float
) -> None:
    step = scene.store._backend.step_rows
    await take(scene.store, *(new(event(n, stream=f"s{n}", at=scene.clock.now())) for n in range(step + 1)))
    monkeypatch.setattr(scene.store, "accepted_within", lambda _: accepting)
    took: list[float] = []
    join_next = scene.follower.join_next

    async def join() -> Any:
        followed = await join_next()
        took.append(followed.seconds)
        return followed

    monkeypatch.setattr(scene.follower, "join_next", join)
    rests = [await scene.follower._follow(), await scene.follower._follow()]
    assert rests == [pytest.approx(min(took[0] * share, LOOK_SECONDS)), LOOK_SECONDS]


async def test_what_is_overdue_is_told_though_later_events_wait_to_be_joined(scene: Any) -> None:
    await take(scene.store, new(event(1, type=RECORDING_STARTED, stream="s", at=scene.clock.now())))
    await look(scene)
    scene.clock.advance(61)
    step = scene.store._backend.step_rows
    for backlog in range(3):  # more come than are joined
        fill = range(100 + 2 * step * backlog, 100 + 2 * step * (backlog + 1))
        await take(scene.store, *(new(event(n, stream=f"f{n}", at=scene.clock.now())) for n in fill))
        assert (await look(scene)).more
    assert scene.told == [RECORDING_OVERDUE]


async def test_a_silent_source_is_seen_while_joining_hangs_and_what_is_overdue_cannot_be_told(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(_: object) -> None:
        await asyncio.Event().wait()

    async def fail(*_: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(scene.store, "follow_recordings", hang)
    monkeypatch.setattr(scene.store, "tell_watches", fail)
    rule = SilenceRule("quiet", "live", timedelta(hours=1), None, scene.clock.now().tzinfo)
    scene.setup = WatchSetup((RULE,), (rule,))
    tasks = scene.follower.start(Duties(scene.clock))
    for seconds in (1800, 1801):
        scene.clock.advance(seconds)
        await scene.store.ping()
        await eventually(lambda seconds=seconds: len(scene.seen) >= seconds - 1800)  # type: ignore[misc]
    await eventually(lambda: (SOURCE_SILENT, "live", True, "watch quiet") in scene.seen)
    await end_tasks(*tasks)


async def test_a_store_knows_whether_it_was_given_something_lately(scene: Any) -> None:
    assert not scene.store.accepted_within(60.0)
    await take(scene.store, new(event(1, at=scene.clock.now())))
    assert scene.store.accepted_within(60.0)
