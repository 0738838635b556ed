"""Makes events of what a sink says follows on a delivery: checked, named, routed, ready to be stored with its outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from gateway.events.cloudevents import to_json
from gateway.events.event_reader import flat_arguments
from gateway.events.repair import make_storable
from gateway.follow_up import Done, FollowUp
from gateway.model import CAUSES_MAX, EVENT_TYPES, Cause, Delivery, Event, File, event_id, order_key
from gateway.plugin.contract import file_problem
from gateway.routing import RoutingDecision
from gateway.store.records import NewDelivery, NewEvent
from gateway.text.credentials import without_credentials
from gateway.text.suggest import suggestion

EVENTS_MAX: Final = 64  # follow-ups of one delivery
BODY_BYTES_MAX: Final = 256 * 1024  # of one follow-up, as JSON
PROBLEM_CHARS_MAX: Final = 200
_OF_THE_CAUSE: Final = frozenset(Event.__struct_fields__) - {
    "error",
    "format",
    "vendor_type",
    "time",
    "problems",
    "extra",
}
_SAID: Final = ("error", "format", "vendor_type", "time", "problems")


class BadFollowUp(Exception):
    """What a sink returned is no event; the text says why, for people."""


@dataclass(frozen=True, slots=True)
class FollowUps:
    """What follows on one delivery. `events` are stored with its outcome; `problems` say of the others why they are not."""

    events: Sequence[NewEvent] = ()
    decisions: Sequence[RoutingDecision] = ()
    problems: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpMaker:
    """One a dispatcher. `decide` asks the routes of now, `keeps_order` whether a sink has `order: stream`, `redact` takes out
    what the rules of its source name."""

    decide: Callable[[Event], RoutingDecision] | None
    keeps_order: Callable[[str], bool]
    redact: Callable[[Event], Event] | None = None

    def make(self, delivery: Delivery, done: Done, now: datetime, trace: str | None = None) -> FollowUps:
        """The events of what `deliver` returned, in the trace of its cause. Raises nothing: a delivery that arrived stays
        delivered."""
        try:
            given: Any = done.events
            if isinstance(given, str | bytes):
                raise TypeError(f"it is {type(given).__name__}")
            follow_ups = list(given)
        except Exception as error:
            return FollowUps(problems=(f"events is no list of follow-ups: {_words(error)}",))
        problems = (
            [f"{len(follow_ups)} follow-ups, of which {EVENTS_MAX} are kept"] if len(follow_ups) > EVENTS_MAX else []
        )
        events: dict[str, NewEvent] = {}
        decisions: dict[str, RoutingDecision] = {}
        for follow_up in follow_ups[:EVENTS_MAX]:
            try:
                event = follow_up_event(delivery, follow_up, now)
                event = event if self.redact is None else self.redact(event)
                decisions[event.id] = decision = self._decide(event)
                events[event.id] = self._new(event, decision, trace)
            except Exception as error:  # whatever it is: a plugin's mistake must not undo what it delivered
                problems.append(f"{_type_of(follow_up)}: {_words(error)}")
        kept = tuple(events.values())
        return FollowUps(kept, tuple(decisions[new.event.id] for new in kept), tuple(problems))

    def _decide(self, event: Event) -> RoutingDecision:
        return RoutingDecision((), ()) if self.decide is None else self.decide(event)

    def _new(self, event: Event, decision: RoutingDecision, trace: str | None) -> NewEvent:
        body = to_json(event)
        if (size := len(body.encode())) > BODY_BYTES_MAX:
            raise BadFollowUp(f"it has {size} bytes of JSON, more than {BODY_BYTES_MAX}")
        return NewEvent(
            event=event,
            body=body,
            # of its name alone, because made once more by the same delivery it is the same, whatever it says by then
            fingerprint=sha256(b"follow-up\0" + event.id.encode()).digest()[:16],
            routing=decision.json(),
            trace=trace,
            deliveries=tuple(
                NewDelivery(sink=sink, order_key=order_key(event.source, event.subject, ordered=self.keeps_order(sink)))
                for sink in decision.sinks
            ),
        )


def follow_up_event(delivery: Delivery, follow_up: object, now: datetime) -> Event:
    """The event. Raises BadFollowUp, ValueError, TypeError."""
    if not isinstance(follow_up, FollowUp):
        raise BadFollowUp(f"expected a gateway.FollowUp, not a {type(follow_up).__name__}")
    if follow_up.type not in EVENT_TYPES:
        raise BadFollowUp(
            f"there is no event type {str(follow_up.type)!r}{suggestion(str(follow_up.type), EVENT_TYPES)}"
        )
    cause, sink = delivery.event, delivery.sink
    if cause.alarm is not None:
        raise BadFollowUp("nothing follows on an alarm")
    if cause.depth >= CAUSES_MAX:
        raise BadFollowUp(f"{cause.depth} causes stand before it already, and no more than {CAUSES_MAX} may")
    earlier = () if cause.cause is None else cause.cause.sinks
    identity = ["follow-up", sink, cause.ref, *follow_up.identity]
    event = Event(
        id=event_id(cause.source, follow_up.type, None, None, None, None, identity),
        type=follow_up.type,
        source=cause.source,
        provider=cause.provider,
        received_at=now,
        trust=cause.trust,
        verified=cause.verified,
        domain=cause.domain,
        app=cause.app,
        stream=cause.stream,
        project_id=cause.project_id,
        job_id=cause.job_id,
        task_id=cause.task_id,
        files=_files(follow_up.files),
        cause=Cause(cause.ref, sink, earlier),
        depth=cause.depth + 1,
        raw_type="application/json",
        **{"format": cause.format, **_data(follow_up.data)},
    )
    make_storable(event)
    return event


def _files(given: Sequence[File]) -> tuple[File, ...]:
    files = tuple(given)
    for number, file in enumerate(files):
        if not isinstance(file, File):
            raise BadFollowUp(f"files[{number}] is a {type(file).__name__}, not a gateway.File")
        if problem := file_problem(file):
            raise BadFollowUp(f"files[{number}].{problem}")
    return files


def _data(given: Mapping[str, Any]) -> dict[str, Any]:
    """What it says itself as fields of the event; what has no place there goes into `extra`, without credentials."""
    if not isinstance(given, Mapping):
        raise BadFollowUp(f"data is a {type(given).__name__}, not a mapping")
    for name in given:
        if not isinstance(name, str):
            raise BadFollowUp(f"data has the key {name!r}, which is no text")
        if name in _OF_THE_CAUSE:
            where = "is given by itself" if name in {"files", "type"} else "is that of the event it follows on"
            raise BadFollowUp(f"data may not say {name!r}: it {where}")
    extra = given.get("extra") or {}
    if not isinstance(extra, Mapping):
        raise BadFollowUp(f"data.extra is a {type(extra).__name__}, not a mapping")
    rest = {name: value for name, value in given.items() if name not in {*_SAID, "extra"}}
    kept, left_out = without_credentials({**extra, **rest})
    said = flat_arguments({name: given[name] for name in _SAID if name in given}, File())
    said["problems"] = (*said.get("problems", ()), *left_out)
    return {**said, "extra": kept}


def _type_of(follow_up: object) -> str:
    return str(follow_up.type)[:80] if isinstance(follow_up, FollowUp) else "follow-up"


def _words(error: Exception) -> str:
    try:
        text = str(error)
    except Exception:
        text = ""
    return (text or type(error).__name__)[:PROBLEM_CHARS_MAX]
