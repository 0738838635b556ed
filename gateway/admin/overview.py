"""The gateway at a glance: what there is now, what happened in the last hours, and what needs a person."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from gateway.admin.access import Running
from gateway.admin.moments import moment, stamp
from gateway.admin.results import (
    Attention,
    Counts,
    IgnoredItem,
    Minute,
    Now,
    Overview,
    Series,
    SinkItem,
    SourceItem,
    VerifiedItem,
)
from gateway.admin.spread import latency
from gateway.config.grammar.settings import Settings
from gateway.errors import NotFound
from gateway.store.admin import minutes
from gateway.store.admin.admin import StoreAdmin
from gateway.store.admin.minutes import Sum
from gateway.store.records import SinkRow, SourceRow
from gateway.text.redaction import MASK, redact
from gateway.version import __version__

Window = Literal["1h", "24h", "7d"]
SPANS: Final[Mapping[Window, tuple[int, int]]] = {"1h": (60, 1), "24h": (24 * 60, 10), "7d": (7 * 24 * 60, 60)}
"""Minutes of a window, and minutes of one point of its plot."""
DAY: Final = 24 * 60
WAITS_LONG_MS: Final = 15 * 60 * 1000
_GATEWAYS: Final = "SELECT count(*) FROM gateways WHERE seen_at > :now - 60000"
_LAST_ERROR: Final = """SELECT d.last_error FROM deliveries d WHERE d.sink = :sink AND d.state = 'dead'
  ORDER BY d.id DESC LIMIT 1"""


@dataclass(frozen=True, slots=True)
class Happened:
    """The counters of one window, in points."""

    first: int  # the number of the first point
    points: int
    step: int  # minutes
    sums: Sequence[Sum]

    @classmethod
    def counted(cls, admin: StoreAdmin, window: Window, minute: int) -> Happened:
        """Those of the window that ends now."""
        span, step = SPANS[window]
        first = (minute - span) // step + 1
        since = first * step
        return cls(first, span // step, step, admin.ask(lambda session: minutes.sums(session, since, step)))


def overview(gateway: Running, window: Window, started_at: int, masked: bool, admin: StoreAdmin) -> Overview:
    """Everything of the first page."""
    now = gateway.clock.ms()
    minute = now // 60_000
    shown = Happened.counted(admin, window, minute)
    day = shown if window == "24h" else Happened.counted(admin, "24h", minute)
    hour = shown if window == "1h" else Happened.counted(admin, "1h", minute)
    sinks = sink_items(gateway.loaded.settings, admin, exact=False, hour=hour, minute=minute)
    sources = source_items(gateway.loaded.settings, admin, minute=minute, masked=masked, day=day)
    there = Now(
        waiting=sum(one.waiting for one in sinks),
        sending=sum(one.sending for one in sinks),
        dead=sum(one.dead for one in sinks),
        held=admin.held(),
        oldest_waiting_at=min((one.oldest_waiting_at for one in sinks if one.oldest_waiting_at), default=None),
    )
    return Overview(
        at=moment(now),
        started_at=moment(started_at),
        version=__version__,
        gateways=max(int(admin.ask(lambda session: session.rows(_GATEWAYS))[0][0]), 1),
        now=there,
        last_1h=_counts(hour.sums),
        last_24h=_counts(day.sums),
        sinks=sinks,
        sources=sources,
        attention=list(_attention(gateway, there, sinks, now)),
        window=window,
        step=shown.step * 60,
        minutes=_minutes(shown),
        plots={
            "sources": _series(shown, "source"),
            "sinks": _series(shown, "sink"),
        },
    )


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


def _minutes(happened: Happened) -> list[Minute]:
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


def _series(happened: Happened, kind: str) -> list[Series]:
    good: dict[str, list[int]] = defaultdict(lambda: [0] * happened.points)
    bad: dict[str, list[int]] = defaultdict(lambda: [0] * happened.points)
    for part in happened.sums:
        place = part.point - happened.first
        if part.kind == kind and 0 <= place < happened.points:
            good[part.name][place] += part.good
            bad[part.name][place] += part.bad
    return [Series(name=name, good=good[name], bad=bad[name]) for name in sorted({*good, *bad})]


def sink_items(
    settings: Settings, admin: StoreAdmin, *, exact: bool, minute: int, hour: Happened | None = None
) -> list[SinkItem]:
    """Every sink that is configured, and those that the store still holds something of."""
    rows = {row.name: row for row in (admin.sinks() if exact else admin.loads())}
    hour = hour or Happened.counted(admin, "1h", minute)
    spreads = admin.ask(lambda session: minutes.spreads(session, minute - 59))
    names = [*settings.sinks, *(name for name, row in rows.items() if name not in settings.sinks and _holds(row))]
    return [_sink(settings, admin, name, rows.get(name), hour, spreads.get(name, ())) for name in names]


def sink_item(settings: Settings, admin: StoreAdmin, name: str, minute: int) -> SinkItem:
    """One of them. Raises NotFound."""
    found = next((one for one in sink_items(settings, admin, exact=False, minute=minute) if one.name == name), None)
    if found is None:
        raise NotFound(f"there is no sink {name[:100]}; there are: {', '.join(settings.sinks) or 'none'}")
    return found


def _holds(row: SinkRow) -> bool:
    """Whether there is anything of it: what waits, and what a person may still look for."""
    return bool(row.waiting or row.sending or row.delivered or row.dead or row.gate.paused)


def _sink(
    settings: Settings, admin: StoreAdmin, name: str, row: SinkRow | None, hour: Happened, spread: Sequence[int]
) -> SinkItem:
    configured = settings.sinks.get(name)
    gate = None if row is None else row.gate
    mine = [one for one in hour.sums if one.kind == "sink" and one.name == name]
    state: Literal["ready", "paused", "circuit open", "not configured"] = "ready"
    if configured is None:
        state = "not configured"
    elif gate is not None and gate.paused:
        state = "paused"
    elif gate is not None and gate.open_until is not None:
        state = "circuit open"
    errors = (
        admin.ask(lambda session: session.rows(_LAST_ERROR, {"sink": name})) if row is not None and row.dead else ()
    )
    reason = None if gate is None else gate.reason
    rate = None if configured is None else configured.delivery.rate
    return SinkItem(
        name=name,
        type=None if configured is None else configured.type,
        state=state,
        reason=reason,
        probe_after=None if gate is None else stamp(gate.open_until),
        waiting=0 if row is None else row.waiting,
        sending=0 if row is None else row.sending,
        delivered=0 if row is None else row.delivered,
        dead=0 if row is None else row.dead,
        oldest_waiting_at=None if row is None else stamp(row.oldest_waiting_at),
        rate=None if rate is None else str(rate),
        attempts_1h=sum(one.total for one in mine),
        failed_1h=sum(one.bad for one in mine),
        latency=latency(spread),
        last_error=reason or (errors[0][0] if errors else None),
    )


def source_items(
    settings: Settings, admin: StoreAdmin, *, minute: int, masked: bool, day: Happened | None = None
) -> list[SourceItem]:
    """Every source that is configured, and those that callbacks came for in the last day."""
    day = day or Happened.counted(admin, "24h", minute)
    verified: dict[str, list[VerifiedItem]] = defaultdict(list)
    for name, count, last in admin.ask(lambda session: minutes.verified(session, minute - 7 * DAY)):
        source, scheme, key, trust = name.rsplit(" ", 3)
        verified[source].append(
            VerifiedItem(
                scheme=scheme,
                key=int(key) if key else None,
                trust=trust,  # type: ignore[arg-type]
                count=count,
                last_at=moment(last),
            )
        )
    seen = {one.name: one for one in day.sums if one.kind == "source" and one.name}
    heard = admin.sources()
    names = [*settings.sources, *sorted({*seen, *verified, *heard} - set(settings.sources) - {""})]
    return [
        _source(settings, name, day, verified[name], masked, heard.get(name, SourceRow(name=name))) for name in names
    ]


def _source(
    settings: Settings,
    name: str,
    day: Happened,
    verified: Sequence[VerifiedItem],
    masked: bool,
    heard: SourceRow,
) -> SourceItem:
    configured = settings.sources.get(name)
    mine = [one for one in day.sums if one.kind == "source" and one.name == name]
    refused: Counter[str] = Counter()
    for one in day.sums:
        if one.kind == "code" and one.name.rpartition(" ")[0] == name:
            refused[one.name.rpartition(" ")[2]] += one.total
    last = max((one.last_at for one in mine), default=None)
    path = None
    if configured is not None:
        path = f"/hooks/{MASK if masked and configured.path != name else configured.path}"
    return SourceItem(
        name=name,
        type=None if configured is None else configured.type,
        callback_url=path,
        last_seen=stamp(heard.seen_at if heard.seen_at is not None else last),
        events_24h=sum(one.good for one in mine),
        refused_24h=dict(refused),
        refused_kept=dict(heard.refused),
        refused_at=stamp(heard.refused_at),
        ignored=[
            IgnoredItem(vendor_type=one.vendor_type, at=moment(one.at), size_bytes=one.size) for one in heard.ignored
        ],
        verified=verified,
    )


def source_item(settings: Settings, admin: StoreAdmin, name: str, minute: int, masked: bool) -> SourceItem:
    """One of them. Raises NotFound."""
    items = source_items(settings, admin, minute=minute, masked=masked)
    found = next((one for one in items if one.name == name), None)
    if found is None:
        raise NotFound(f"there is no source {name[:100]}; there are: {', '.join(settings.sources) or 'none'}")
    return found


def _attention(gateway: Running, now: Now, sinks: Sequence[SinkItem], at: int) -> Iterator[Attention]:
    if now.held:
        text = f"{_many(now.held, 'event')} held: another content came under a known id or signature"
        yield Attention(kind="event.held", about="", count=now.held, text=text, since=None, link="/events?held=true")
    for sink in sinks:
        link = f"/sinks/{sink.name}"
        if sink.state == "not configured" and (sink.waiting or sink.sending):
            text = f"{sink.name} is not configured any more, and {_many(sink.waiting, 'delivery')} wait for it"
            yield Attention(
                kind="sink.orphaned",
                about=sink.name,
                count=sink.waiting,
                text=text,
                since=sink.oldest_waiting_at,
                link=link,
            )
        if sink.state == "circuit open":
            text = f"{sink.name} cannot be reached: {redact(sink.reason or 'it failed again and again')}"
            yield Attention(
                kind="sink.down",
                about=sink.name,
                count=sink.waiting,
                text=text,
                since=sink.oldest_waiting_at,
                link=link,
            )
        if sink.state == "paused":
            text = f"{sink.name} is paused; {_many(sink.waiting, 'delivery')} wait"
            yield Attention(
                kind="sink.paused",
                about=sink.name,
                count=sink.waiting,
                text=text,
                since=sink.oldest_waiting_at,
                link=link,
            )
        if sink.dead:
            text = f"{_many(sink.dead, 'delivery')} to {sink.name} are dead"
            yield Attention(
                kind="delivery.dead",
                about=sink.name,
                count=sink.dead,
                text=text,
                since=None,
                link=f"/dead?sink={sink.name}",
            )
        oldest = sink.oldest_waiting_at
        if sink.state == "ready" and oldest is not None and oldest < moment(at - WAITS_LONG_MS):
            text = f"{sink.name} is behind: {_many(sink.waiting, 'delivery')} wait"
            yield Attention(kind="sink.behind", about=sink.name, count=sink.waiting, text=text, since=oldest, link=link)


def _many(count: int, what: str) -> str:
    several = what[:-1] + "ies" if what.endswith("y") else what + "s"
    return f"{count:,} {what if count == 1 else several}" if count <= 10_000 else f"more than 10,000 {several}"
