"""Every sink as it is now: what waits for it, how its attempts went, whether it can be reached."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from gateway.admin.sink_results import Latency, SinkItem, UnderWayItem
from gateway.admin.timestamps import stamp
from gateway.admin.window_counts import WindowCounts
from gateway.errors import NotFound
from gateway.runtime.activity import SPREAD_MS
from gateway.states import SinkState
from gateway.store.admin import minutes
from gateway.store.admin.shown_rows import SinkRow, UnderWay
from gateway.store.engine.session import value_of
from gateway.text.redaction import redact

if TYPE_CHECKING:
    from gateway.config.grammar.settings import Settings, SinkSettings
    from gateway.store.admin.queries import StoreQueries

_LAST_ERROR: Final = """SELECT d.last_error FROM deliveries d WHERE d.sink = :sink AND d.state = 'dead'
  ORDER BY d.id DESC LIMIT 1"""


def sink_items(
    settings: Settings, admin: StoreQueries, *, exact: bool, minute: int, hour: WindowCounts | None = None
) -> list[SinkItem]:
    """Every sink that is configured, and those that the store still holds something of."""
    rows = {row.name: row for row in (admin.sinks() if exact else admin.loads())}
    hour = hour or WindowCounts.counted(admin, "1h", minute)
    spreads = admin.ask(lambda session: minutes.spreads(session, minute - 59))
    names = [*settings.sinks, *(name for name, row in rows.items() if name not in settings.sinks and row.has_anything)]
    return [_sink(settings, admin, name, rows.get(name), hour, spreads.get(name, ())) for name in names]


def sink_item(settings: Settings, admin: StoreQueries, name: str, minute: int) -> SinkItem:
    """One of them. Raises NotFound."""
    found = next((one for one in sink_items(settings, admin, exact=False, minute=minute) if one.name == name), None)
    if found is None:
        raise NotFound(f"there is no sink {name[:100]}; there are: {', '.join(settings.sinks) or 'none'}")
    return found


def state_of(configured: SinkSettings | None, row: SinkRow | None) -> SinkState:
    """How a sink is, in one word; `row` is what the store knows of it."""
    gate = None if row is None else row.gate
    if configured is None:
        return "not configured"
    if gate is not None and gate.paused:
        return "paused"
    if configured.pulled:  # nobody calls it, so no circuit of it counts
        return "ready" if row is not None and row.sending else "waits for a consumer"
    return "circuit open" if gate is not None and gate.open_until is not None else "ready"


def _sink(
    settings: Settings, admin: StoreQueries, name: str, row: SinkRow | None, hour: WindowCounts, spread: Sequence[int]
) -> SinkItem:
    configured = settings.sinks.get(name)
    gate = None if row is None else row.gate
    mine = [one for one in hour.sums if one.kind == "sink" and one.name == name]
    errors = (
        admin.ask(lambda session: session.rows(_LAST_ERROR, {"sink": name})) if row is not None and row.dead else ()
    )
    reason = None if gate is None else gate.reason
    rate = None if configured is None else configured.delivery.rate
    return SinkItem(
        name=name,
        type=None if configured is None else configured.type,
        state=state_of(configured, row),
        reason=reason,
        probe_after=None if gate is None else stamp(gate.open_until),
        waiting=0 if row is None else row.waiting,
        sending=0 if row is None else row.sending,
        delivered=0 if row is None else row.delivered,
        dead=0 if row is None else row.dead,
        oldest_waiting_at=None if row is None else stamp(row.oldest_waiting_at),
        rate=None if rate is None else str(rate),
        owners=_owners(configured),
        attempts_1h=sum(one.total for one in mine),
        failed_1h=sum(one.bad for one in mine),
        latency=latency(spread),
        last_error=reason or value_of(errors),
        under_way=[_under_way(long) for long in (() if row is None else row.under_way)],
    )


def _owners(configured: SinkSettings | None) -> int | None:
    directory = None if configured is None or configured.directory is None else configured.directory.table
    return None if directory is None else len(directory)


def _under_way(long: UnderWay) -> UnderWayItem:
    return UnderWayItem(
        delivery=long.delivery, event_ref=long.event_ref, done=long.done, total=long.total, text=redact(long.text)
    )


def latency(counts: Sequence[int]) -> Latency | None:
    """Upper bounds in seconds; None where there was no attempt. What took longest is said as the last bound."""
    total = sum(counts)
    if not total:
        return None
    return Latency(
        p50=_within(counts, total * 0.50), p95=_within(counts, total * 0.95), p99=_within(counts, total * 0.99)
    )


def _within(counts: Sequence[int], reached_at: float) -> float:
    place = next(place for place, seen in enumerate(accumulate(counts)) if seen >= reached_at)
    return SPREAD_MS[min(place, len(SPREAD_MS) - 1)] / 1000
