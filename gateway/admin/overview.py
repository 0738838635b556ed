"""The gateway at a glance: what there is now, what happened in the last hours, and what needs a person."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gateway.admin.attention import attention
from gateway.admin.overview_results import Counts, Minute, Now, Overview, Series, ServingItem
from gateway.admin.sink_states import sink_items
from gateway.admin.source_states import source_items
from gateway.admin.timestamps import moment, stamp
from gateway.admin.window_counts import Window, WindowCounts
from gateway.runtime.duty import LateDuty
from gateway.store.admin.minutes import Sum
from gateway.version import __version__

if TYPE_CHECKING:
    from gateway.admin.access import Running
    from gateway.store.admin.queries import StoreQueries


def overview(
    gateway: Running,
    window: Window,
    started_at: int | None,
    masked: bool,
    admin: StoreQueries,
    late: Sequence[LateDuty] = (),
) -> Overview:
    """Everything of the first page. `started_at`: of the gateway that is asked; None: its store is asked, beside it."""
    now = gateway.clock.ms()
    minute = now // 60_000
    shown = WindowCounts.counted(admin, window, minute)
    day = shown if window == "24h" else WindowCounts.counted(admin, "24h", minute)
    hour = shown if window == "1h" else WindowCounts.counted(admin, "1h", minute)
    sinks = sink_items(gateway.loaded.settings, admin, exact=False, hour=hour, minute=minute)
    sources = source_items(gateway.loaded.settings, admin, minute=minute, masked=masked, day=day)
    there = Now(
        waiting=sum(one.waiting for one in sinks),
        sending=sum(one.sending for one in sinks),
        dead=sum(one.dead for one in sinks),
        held=admin.held_events(),
        oldest_waiting_at=min((one.oldest_waiting_at for one in sinks if one.oldest_waiting_at), default=None),
    )
    running = [ServingItem(name=one.name, since=stamp(one.since)) for one in admin.serving()]
    served = bool(running) or started_at is not None
    return Overview(
        at=moment(now),
        started_at=stamp(started_at),
        version=__version__,
        gateways=max(len(running), int(served)),
        running=running,
        now=there,
        last_1h=_counts(hour.sums),
        last_24h=_counts(day.sums),
        sinks=sinks,
        sources=sources,
        attention=list(
            attention(
                there,
                sinks,
                now,
                served=served,
                sources=sources,
                alarms=admin.standing_alarms(),
                refused=gateway.loaded.refused,
                late=late,
            )
        ),
        window=window,
        step=shown.step * 60,
        minutes=_minutes(shown),
        plots={
            "sources": _series(shown, "source"),
            "sinks": _series(shown, "sink"),
        },
    )


def sink_series(name: str, minute: int, admin: StoreQueries) -> Series | None:
    """How the attempts of one sink went in the last 24 hours; None: there were none."""
    day = WindowCounts.counted(admin, "24h", minute)
    return next((one for one in _series(day, "sink") if one.name == name), None)


def _counts(sums: Sequence[Sum]) -> Counts:
    refused: Counter[str] = Counter()
    for one in sums:
        if one.kind == "code":
            refused[one.name.rpartition(" ")[2]] += one.total
    return Counts(
        arrived=sum(one.good for one in sums if one.kind == "source"),
        refused=dict(refused),
        delivered=sum(one.good for one in sums if one.kind == "sink"),
        failing=sum(one.bad for one in sums if one.kind == "sink"),
        dead=sum(one.dead for one in sums if one.kind == "sink"),
    )


def _minutes(happened: WindowCounts) -> list[Minute]:
    by_point: dict[int, list[Sum]] = defaultdict(list)
    for one in happened.sums:
        by_point[one.point].append(one)
    points_found = []
    for point in range(happened.first, happened.first + happened.points):
        counts = _counts(by_point[point])
        points_found.append(
            Minute(
                at=moment(point * happened.step * 60_000),
                arrived=counts.arrived,
                refused=sum(counts.refused.values()),
                delivered=counts.delivered,
                failing=counts.failing,
                dead=counts.dead,
            )
        )
    return points_found


def _series(happened: WindowCounts, kind: str) -> list[Series]:
    good: dict[str, list[int]] = defaultdict(lambda: [0] * happened.points)
    bad: dict[str, list[int]] = defaultdict(lambda: [0] * happened.points)
    for part in happened.sums:
        place = part.point - happened.first
        if part.kind == kind and 0 <= place < happened.points:
            good[part.name][place] += part.good
            bad[part.name][place] += part.bad
    return [Series(name=name, good=good[name], bad=bad[name]) for name in sorted({*good, *bad})]
