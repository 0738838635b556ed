"""What all lanes of one dispatcher share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from gateway.dispatch.follow_ups import FollowUpMaker, FollowUps
from gateway.dispatch.isolation import Isolation
from gateway.dispatch.settler import Settler
from gateway.dispatch.store_clock import StoreClock
from gateway.plugin.hooks import Hooks, Watchers
from gateway.runtime.clock import Clock
from gateway.runtime.metrics import Metrics
from gateway.runtime.traces import OFF, Traces
from gateway.store.records import Accepted
from gateway.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """`hook` is pluggy's relay, `rng` the jitter's source."""

    store: Store
    hook: Hooks
    clock: Clock
    store_clock: StoreClock
    metrics: Metrics
    settler: Settler
    watchers: Watchers
    rng: Random
    follow_ups: FollowUpMaker
    followed: Callable[[FollowUps, Sequence[Accepted]], None]
    isolation: Isolation = field(default_factory=Isolation)
    traces: Traces = OFF
