"""What all lanes of one dispatcher share."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from gateway.clock import Clock
from gateway.lanes.settling import Settler
from gateway.lanes.store_clock import StoreClock
from gateway.lanes.watchers import Watchers
from gateway.metrics import Metrics
from gateway.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """`hook` is pluggy's relay, `rng` the jitter's source."""

    store: Store
    hook: Any
    clock: Clock
    store_clock: StoreClock
    metrics: Metrics
    settler: Settler
    watchers: Watchers
    rng: Random
