"""Bulk acts as they are asked for: a preview, then a job that does it within a rate, and nothing newer than the preview."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, TypeVar

from pydantic import BaseModel, Field

from gateway.admin.access import Running
from gateway.admin.act_results import BulkPreview, JobItem, JobStarted, OneDone
from gateway.admin.filters import UnknownValue
from gateway.admin.queries import DeliveryWanted, EventWanted, FilterText, delivery_filter, event_filter
from gateway.admin.requests import Command
from gateway.admin.timestamps import moment, stamp
from gateway.errors import Problem
from gateway.fields import parse_rate
from gateway.states import BulkAct
from gateway.store.admin.admin import StoreAdmin
from gateway.store.admin.audit import Actor
from gateway.store.admin.delivery_filter import DeliveryFilter
from gateway.store.admin.event_search import EventFilter
from gateway.store.admin.job_rows import JobOptions, JobRow
from gateway.store.admin.jobs import OF_DELIVERIES
from gateway.text.suggest import suggestion

M = TypeVar("M", bound=BaseModel)

RATE_DEFAULT: Final = "50/s"
RATE_PER_SECOND_MAX: Final = 1000.0  # a second
QUARANTINED: Final = "what is quarantined is released one by one, by whoever has looked at it"


class BulkCommand(Command):
    """A bulk act. Without `preview` it needs the `upto` of a preview."""

    act: BulkAct
    filter: Annotated[
        dict[str, object],
        Field(
            default_factory=dict,
            description="The filters of GET /deliveries (retry, cancel, move) or of GET /events.",
        ),
    ]
    to: Annotated[
        Sequence[FilterText] | None, Field(max_length=50, description="replay: these sinks; move: the one sink.")
    ] = None
    reroute: Annotated[bool, Field(description="replay: to the sinks of today's routes.")] = False
    rate: Annotated[
        str | None, Field(max_length=20, description="At most so many, such as 50/s (which it is) or 600/m.")
    ] = None
    preview: Annotated[bool, Field(description="Only say how many it would be.")] = False
    upto: Annotated[int | None, Field(ge=0, le=2**62, description="`upto` of the preview.")] = None


def wanted_of(gateway: Running, asked: BulkCommand, admin: StoreAdmin) -> DeliveryFilter | EventFilter:
    """What it is to be done to. Raises UnknownValue, Problem."""
    settings = gateway.loaded.settings
    zone, clock = settings.locale.timezone, gateway.clock
    if asked.act in OF_DELIVERIES:
        said = _filters_of(DeliveryWanted, {"state": "dead" if asked.act == "retry" else "waiting"} | asked.filter)
        filter = delivery_filter(said, admin, settings.sources, settings.sinks, zone, clock)
        if asked.act == "move":
            sinks = list(filter.sink or ())
            if len(sinks) != 1 or filter.state != "waiting":
                raise Problem(400, "unknown_value", "move takes what waits for one sink: give filter.sink")
            if sinks == list(asked.to or ()):
                raise Problem(400, "unknown_value", "move needs two different sinks")
        return filter
    held: dict[str, object] = {}
    if asked.act in ("release", "replay"):  # a held event is replayed by releasing it
        held = {"held": "conflict" if asked.act == "release" else False}
    if asked.act == "release" and asked.filter.get("held") not in (None, "conflict", True):
        raise Problem(400, "quarantined", QUARANTINED)
    events = _filters_of(EventWanted, {**asked.filter, **held})
    return event_filter(events, admin, settings.sources, zone, clock)


def _filters_of(model: type[M], filters: Mapping[str, object]) -> M:
    from gateway.admin.request_validation import validated

    lists = {name: [value] if isinstance(value, str) else value for name, value in filters.items() if name in _LISTS}
    return validated(model, {**filters, **lists}, known="filter")


_LISTS: Final = ("type", "source", "stream", "domain", "app", "trust", "sink")


def interval_of(asked: BulkCommand) -> int:
    """Microseconds between two. Raises UnknownValue."""
    try:
        rate = parse_rate(asked.rate or RATE_DEFAULT)
    except ValueError as error:
        raise UnknownValue(f"rate: {error}") from None
    if rate.count / rate.seconds > RATE_PER_SECOND_MAX:
        raise UnknownValue(f"rate: at most {RATE_PER_SECOND_MAX:g}/s, because accepts wait behind it")
    return round(rate.seconds * 1_000_000 / rate.count)


def options_of(gateway: Running, asked: BulkCommand) -> JobOptions:
    """What else was asked for. Raises UnknownValue, Problem."""
    to = list(asked.to) if asked.to else None
    known = gateway.loaded.settings.sinks
    for name in to or ():
        if name not in known:
            raise UnknownValue(f"no sink {name!r}{suggestion(name, known)}")
    if asked.act == "move" and (to is None or len(to) != 1):
        raise Problem(400, "unknown_value", "move needs `to` with one sink")
    if to is not None and (asked.act not in ("move", "replay") or asked.reroute):
        raise Problem(400, "unknown_value", "`to` goes with replay, without reroute, and with move")
    if asked.reroute and asked.act != "replay":
        raise Problem(400, "unknown_value", "`reroute` goes with replay")
    return {"to": to, "reroute": asked.reroute}


def preview(gateway: Running, asked: BulkCommand, admin: StoreAdmin) -> BulkPreview:
    """How many it would be done to."""
    to = options_of(gateway, asked)["to"] or ()
    filter = wanted_of(gateway, asked, admin)
    matched, upto = admin.preview(filter, asked.upto)
    there = 0
    if asked.act == "move" and isinstance(filter, DeliveryFilter):
        there = admin.already_there([id for id in admin.choose(filter) if id <= upto], to[0])
    return BulkPreview(matched=matched, upto=upto, already_there=there)


def start(gateway: Running, asked: BulkCommand, actor: Actor, holder: str, admin: StoreAdmin) -> JobStarted:
    """Write it down; a gateway does it."""
    if asked.upto is None:
        raise Problem(400, "preview_first", "ask with `preview: true` first, and send the `upto` it answers")
    job = admin.start_job(
        asked.act,
        wanted_of(gateway, asked, admin),
        upto=asked.upto,
        options=options_of(gateway, asked),
        pause_us=interval_of(asked),
        actor=actor,
        holder=holder,
    )
    return JobStarted(job=job)


def job_item(row: JobRow) -> JobItem:
    """A bulk act as listed."""
    return JobItem(
        id=row.id,
        act=row.act,
        filter=dict(row.filter),
        to=row.options.get("to"),
        reroute=bool(row.options.get("reroute")),
        rate=round(1_000_000 / row.pause_us, 3) if row.pause_us else None,
        who=row.actor,
        created_at=moment(row.created_at),
        finished_at=stamp(row.finished_at),
        state=row.state,
        matched=row.matched,
        upto=row.upto,
        done=row.done,
        failed=row.failed,
        result=row.result,
        answers=[OneDone(**one) for one in row.answers],
    )
