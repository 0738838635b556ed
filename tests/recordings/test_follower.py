"""The follower tells by the rules that run now, and only once nothing waits to be joined."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.model import FILE_COMPLETED, RECORDING_OVERDUE, RECORDING_RECOVERED, RECORDING_STARTED, SOURCE_SILENT
from gateway.recordings.follower import LOOK_SECONDS, QUIET_REST_SHARE, REST_SHARE, RecordingFollower
from gateway.recordings.silence import SilenceRule
from gateway.recordings.watch_setup import WatchSetup
from gateway.routing import RoutingDecision
from gateway.runtime.clock import FrozenClock
from gateway.runtime.metrics import Metrics
from gateway.store.outbox.watches import WatchRule
from gateway.store.records import Heard
from gateway.store.store import Store
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


async def test_nothing_is_told_while_what_is_waited_for_may_wait_to_be_joined(scene: Any) -> None:
    await take(scene.store, new(event(1, type=RECORDING_STARTED, stream="s", at=scene.clock.now())))
    await scene.follower.look_once()
    scene.clock.advance(60)
    step = scene.store._backend.step_rows
    fill = [event(n, stream=f"f{n}", at=scene.clock.now()) for n in range(2, step + 2)]
    await take(scene.store, *map(new, fill), new(event(999, type=FILE_COMPLETED, stream="s", at=scene.clock.now())))
    assert (await scene.follower.look_once()).looked == step
    await scene.follower.look_once()
    assert scene.told == []


async def test_rules_of_a_reload_hold_from_the_next_look(scene: Any) -> None:
    await take(scene.store, new(event(1, type=RECORDING_STARTED, stream="s", at=scene.clock.now())))
    await scene.follower.look_once()
    scene.setup = WatchSetup((WatchRule("no-file", RULE.when, FILE_COMPLETED, 5_000),), ())
    await scene.follower.look_once()
    scene.clock.advance(5)
    await scene.follower.look_once()
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
    await scene.follower.look_once()
    scene.clock.advance(3600)
    await scene.follower.look_once()
    await scene.store.heard([Heard("live", scene.clock.ms(), ignored=False, vendor_type="", size=1)])
    await scene.follower.look_once()
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
    rests: list[float] = []
    took: list[float] = []
    look_once = scene.follower.look_once

    async def look() -> Any:
        followed = await look_once()
        took.append(followed.seconds)
        return followed

    async def rest(seconds: float) -> None:
        rests.append(seconds)
        if len(rests) == 2:
            raise asyncio.CancelledError

    monkeypatch.setattr(scene.store, "accepted_within", lambda _: accepting)
    monkeypatch.setattr(scene.follower, "look_once", look)
    monkeypatch.setattr(scene.clock, "sleep", rest)
    with pytest.raises(asyncio.CancelledError):
        await scene.follower.follow_until_cancelled()
    assert rests == [pytest.approx(min(took[0] * share, LOOK_SECONDS)), LOOK_SECONDS]


async def test_a_store_knows_whether_it_was_given_something_lately(scene: Any) -> None:
    assert not scene.store.accepted_within(60.0)
    await take(scene.store, new(event(1, at=scene.clock.now())))
    assert scene.store.accepted_within(60.0)
