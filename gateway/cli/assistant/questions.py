"""The questions that an assistant may ask: each a tool, what it takes, and how the admin side answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.admin.queries import DeliveryQuery, EventQuery, FilterText, Ref, RefusedQuery, When
from gateway.admin.requests import RouteCommand
from gateway.admin.results import DeliveryDetail, EventDetail
from gateway.states import DeadReason, DeliveryState
from gateway.text.mask import masked_event

if TYPE_CHECKING:
    from gateway.cli.invocation import StoreService

LIMIT_DEFAULT: Final = 20
LIMIT_MAX: Final = 50
ATTEMPTS_MAX: Final = 5  # of one delivery, the last
DELIVERIES_MAX: Final = 50  # of one event, the newest


class Arguments(BaseModel):
    """The arguments of a tool."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NoArguments(Arguments):
    """No arguments."""


class OfPage(Arguments):
    """Which page."""

    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX, description="At most so many.")] = LIMIT_DEFAULT
    cursor: Annotated[str | None, Field(max_length=64, description="`next` of the answer before.")] = None


class FindEvents(OfPage):
    """Which events."""

    type: Annotated[FilterText | None, Field(description="A glob of types, such as recording.file.*")] = None
    source: Annotated[FilterText | None, Field(description="A source's name, or a glob.")] = None
    stream: Annotated[FilterText | None, Field(description="A glob of stream names.")] = None
    state: Annotated[
        DeliveryState | Literal["unrouted"] | None, Field(description="Any of its deliveries is so, or it has none.")
    ] = None
    held: Annotated[bool | None, Field(description="true: only events that wait for a person.")] = None
    since: Annotated[When | None, Field(description="A time (RFC 3339), or how long ago, such as 90m or 2d.")] = None
    until: Annotated[When | None, Field(description="The same, as the end.")] = None
    q: Annotated[FilterText | None, Field(description="The beginning of an event's id, or of a stream's name.")] = None
    file: Annotated[
        FilterText | None, Field(min_length=1, description="A part of a file's name or address, such as lecture-3.mp4.")
    ] = None


class OneEvent(Arguments):
    """Which event."""

    ref: Annotated[Ref, Field(description="An event's `ref`, its id, or the first digits of it (six or more).")]


class OneDelivery(Arguments):
    """Which delivery."""

    id: Annotated[int, Field(ge=0, le=2**62, description="A delivery's id.")]


class FindDead(OfPage):
    """Which dead letters."""

    sink: Annotated[FilterText | None, Field(description="Of this sink.")] = None
    reason: Annotated[DeadReason | None, Field(description="Why they are dead.")] = None
    since: Annotated[When | None, Field(description="Of events that came since: a time, or how long ago.")] = None


class FindRefused(OfPage):
    """Which refused callbacks."""

    source: Annotated[FilterText | None, Field(description="Of this source.")] = None


class OneRefused(Arguments):
    """Which refused callback."""

    id: Annotated[int, Field(ge=0, le=2**62, description="Its id.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One tool that changes nothing."""

    name: str
    title: str
    description: str
    asked: type[BaseModel]
    answer: Callable[[StoreService, Any], Mapping[str, object]]


def _status(service: StoreService, asked: NoArguments) -> Mapping[str, object]:
    seen = service.overview("1h").model_dump(mode="json")
    kept = ("at", "version", "running", "now", "last_1h", "last_24h")
    needs = [{name: one[name] for name in ("kind", "about", "count", "text", "since")} for one in seen["attention"]]
    return {name: seen[name] for name in kept} | {"needs_a_person": needs}


def _find_events(service: StoreService, asked: FindEvents) -> Mapping[str, object]:
    given = asked.model_dump(exclude_none=True)
    lists = {name: [given[name]] for name in ("type", "source", "stream") if name in given}
    return service.events(EventQuery.model_validate(given | lists)).model_dump(mode="json")


def _show_event(service: StoreService, asked: OneEvent) -> Mapping[str, object]:
    detail = service.event(asked.ref)
    return {
        "item": detail.item.model_dump(mode="json"),
        "event": masked_event(detail.event),
        "raw": {"media_type": detail.raw.media_type, "size_bytes": detail.raw.size_bytes},
        "deliveries": _deliveries(detail),
        "variants": [one.model_dump(mode="json") for one in detail.variants],
    }


def _why(service: StoreService, asked: OneEvent) -> Mapping[str, object]:
    detail = service.event(asked.ref)
    return {
        "event": detail.item.model_dump(mode="json"),
        "held": detail.item.held,
        "routed_to": list(dict.fromkeys(one.sink for one in detail.deliveries)),
        "deliveries": _deliveries(detail),
        "routes": [{"at": one.at, "by": one.by, "verdicts": list(one.routes)} for one in detail.verdicts],
    }


def _deliveries(detail: EventDetail) -> list[dict[str, object]]:
    return [delivery_fields(one) for one in detail.deliveries[-DELIVERIES_MAX:]]


def delivery_fields(delivery: DeliveryDetail) -> dict[str, object]:
    """A delivery with its last attempts."""
    fields = delivery.model_dump(mode="json")
    left_out = ("event_id", "event_ref", "source", "type", "subject", "received_at", "history")
    shown = {name: value for name, value in fields.items() if name not in left_out}
    return shown | {"last_attempts": fields["history"][-ATTEMPTS_MAX:]}


def _show_delivery(service: StoreService, asked: OneDelivery) -> Mapping[str, object]:
    delivery = service.delivery(asked.id)
    return {"event_ref": delivery.event_ref, "subject": delivery.subject} | delivery_fields(delivery)


def _dead(service: StoreService, asked: FindDead) -> Mapping[str, object]:
    given = asked.model_dump(exclude_none=True)
    lists = {name: [given[name]] for name in ("sink",) if name in given}
    page = service.deliveries(DeliveryQuery.model_validate({"state": "dead"} | given | lists)).model_dump(mode="json")
    by_sink = {one.name: one.dead for one in service.sinks().items if one.dead}
    return {"dead_by_sink": by_sink} | page


def _sinks(service: StoreService, asked: NoArguments) -> Mapping[str, object]:
    return {"items": service.sinks().model_dump(mode="json")["items"]}


def _sources(service: StoreService, asked: NoArguments) -> Mapping[str, object]:
    items = service.sources().model_dump(mode="json")["items"]
    for item in items:
        del item["callback_url"]  # its path can be a second key
    return {"items": items}


def _find_refused(service: StoreService, asked: FindRefused) -> Mapping[str, object]:
    page = service.refused(RefusedQuery.model_validate(asked.model_dump(exclude_none=True))).model_dump(mode="json")
    for item in page["items"]:
        del item["path"]
    return page


def _show_refused(service: StoreService, asked: OneRefused) -> Mapping[str, object]:
    detail = service.refusal(asked.id).model_dump(mode="json")
    return {name: value for name, value in detail.items() if name not in ("headers", "body", "path", "masked")}


def _try_routes(service: StoreService, asked: RouteCommand) -> Mapping[str, object]:
    return service.route(dict(asked.event), asked.config).model_dump(mode="json")


QUESTIONS: Final = (
    Question(
        name="status",
        title="Status",
        description="Whether the gateway runs, what came in and went out in the last hour and day, and what needs a person.",
        asked=NoArguments,
        answer=_status,
    ),
    Question(
        name="find_events",
        title="Find events",
        description="Events that came in, newest first, by type, source, stream, time, or what became of them.",
        asked=FindEvents,
        answer=_find_events,
    ),
    Question(
        name="show_event",
        title="Show an event",
        description="One event: its normal form, its deliveries with their last attempts, and other contents under its id.",
        asked=OneEvent,
        answer=_show_event,
    ),
    Question(
        name="why_not_delivered",
        title="Why did it not arrive?",
        description="Why an event reached a sink or did not: what each route said clause by clause, and for each delivery "
        "its state, what it waits for or why it is dead, its last attempts, and when it is tried next.",
        asked=OneEvent,
        answer=_why,
    ),
    Question(
        name="show_delivery",
        title="Show a delivery",
        description="One delivery with its last attempts and what comes next.",
        asked=OneDelivery,
        answer=_show_delivery,
    ),
    Question(
        name="dead_letters",
        title="What is dead?",
        description="Deliveries that were given up, newest first, and how many there are for each sink.",
        asked=FindDead,
        answer=_dead,
    ),
    Question(
        name="sinks",
        title="Sinks",
        description="Every sink: its state, what waits, what is dead, latency, and its last error.",
        asked=NoArguments,
        answer=_sinks,
    ),
    Question(
        name="sources",
        title="Sources",
        description="Every source: when it was last heard of, how many events it sent, and what was refused by code.",
        asked=NoArguments,
        answer=_sources,
    ),
    Question(
        name="refused_callbacks",
        title="Refused callbacks",
        description="Callbacks that were refused, newest first, each with the code of its refusal.",
        asked=FindRefused,
        answer=_find_refused,
    ),
    Question(
        name="show_refused",
        title="Show a refused callback",
        description="One refused callback: why it was refused, and what that code means. Its body and headers are not shown.",
        asked=OneRefused,
        answer=_show_refused,
    ),
    Question(
        name="try_routes",
        title="What would this configuration do?",
        description="Where an event would go, clause by clause: by the routes that run, or by routes given as YAML, with "
        "tests. Nothing is saved or sent. The event is CloudEvents JSON, or flat, as {type, source, stream}.",
        asked=RouteCommand,
        answer=_try_routes,
    ),
)
