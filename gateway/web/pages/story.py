"""One event as a story: what happened from the callback to every attempt, what comes next, and in one sentence why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from gateway.admin.results import DeliveryDetail, EventDetail, VerdictItem
from gateway.events.alarm_text import alarm_text
from gateway.model import ALARM_TYPES, RECORDING_OVERDUE, RECORDING_RECOVERED
from gateway.text.json_difference import json_difference
from gateway.web.pages.codes import says
from gateway.web.pages.words import PageWords

STEPS_MAX: Final = 100  # of the newest
DIFFERENCE_LINES_MAX: Final = 400


@dataclass(frozen=True, slots=True)
class StoryStep:
    """`kind` is good, bad, next or nothing; `state` is the delivery that it says the state of."""

    key: str
    at: str | None
    text: str
    kind: str = ""
    detail: str = ""
    took: float | None = None
    state: DeliveryDetail | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """`hidden`: how many steps there are before those shown."""

    summary: Sequence[str]
    steps: Sequence[StoryStep]
    hidden: int


def story_of(detail: EventDetail, t: PageWords) -> Story:
    """The story of an event."""
    past = sorted(_past(detail, t), key=lambda step: step.at or "")
    hidden = max(0, len(past) - STEPS_MAX)
    return Story(_summary(detail, t), [*past[:1], *past[1 + hidden :], *_ahead(detail, t)], hidden)


def _past(detail: EventDetail, t: PageWords) -> Iterator[StoryStep]:
    item = detail.item
    yield StoryStep("came", item.received_at, _origin(detail, t), "good")
    for number, verdict in enumerate(detail.verdicts):
        sinks = list(dict.fromkeys(sink for route in routes_of(verdict, t) for sink in route.to))
        text = t("The routes sent it to {sinks}.", sinks=t.list(sinks)) if sinks else t("No route wanted it.")
        yield StoryStep(f"v{number}", verdict.at, text)
    for delivery in detail.deliveries:
        for attempt in delivery.history:
            good = attempt.outcome == "delivered"
            status = f" ({attempt.status})" if attempt.status else ""
            text = t(
                "{sink}, attempt {n}: {outcome}{status}",
                sink=delivery.sink,
                n=attempt.number,
                outcome=says(t, "outcome", attempt.outcome),
                status=status,
            )
            yield StoryStep(
                f"a{delivery.id}-{attempt.number}",
                attempt.started_at,
                text,
                "good" if good else "bad",
                "" if good else attempt.detail,
                attempt.seconds,
            )
        if delivery.state == "dead" and delivery.finished_at:
            text = t("{sink}: given up", sink=delivery.sink)
            yield StoryStep(f"x{delivery.id}", delivery.finished_at, text, "bad", state=delivery)


def came_by_itself(detail: EventDetail) -> bool:
    """Whether no callback brought it."""
    return _noticed(detail) or detail.cause is not None or bool(detail.event.get("reconciled"))


def _noticed(detail: EventDetail) -> bool:
    watched = detail.item.type in {RECORDING_OVERDUE, RECORDING_RECOVERED} and not detail.raw.size_bytes
    return detail.item.type in ALARM_TYPES or watched


def _origin(detail: EventDetail, t: PageWords) -> str:
    """How the event came about: a callback, what a sink reported, or what the gateway says of itself."""
    if _noticed(detail):
        return t("The gateway noticed it.")
    if detail.cause is not None:
        return t("{sink} reported it.", sink=detail.cause.sink)
    if detail.event.get("reconciled"):
        return t("The vendor's own list had it; no callback had come.")
    return t("The callback came to {source} and was kept.", source=detail.item.source)


def _alarm(detail: EventDetail, t: PageWords) -> str:
    """What an alarm says, in the reader's language."""
    data = detail.event.get("data")
    members = data if isinstance(data, Mapping) else {}
    about, count, cause = (members.get(name) for name in ("about", "count", "detail"))
    return alarm_text(
        detail.item.type,
        str(about or ""),
        count if isinstance(count, int) else 1,
        str(cause or ""),
        language=t.language,
    )


def _ahead(detail: EventDetail, t: PageWords) -> Iterator[StoryStep]:
    for delivery in detail.deliveries:
        if delivery.state in ("waiting", "sending"):
            at = delivery.next.at if delivery.next else None
            yield StoryStep(f"n{delivery.id}", at, t("{sink}: next", sink=delivery.sink), "next", state=delivery)


def _summary(detail: EventDetail, t: PageWords) -> Sequence[str]:
    if detail.item.held:
        return [t("It is held, so no sink has it.")]
    if not detail.deliveries and detail.item.type in ALARM_TYPES:
        return [
            _alarm(detail, t),
            t("No route takes alarms to a sink: write “alarms: {to: […]}” into the configuration."),
        ]
    if not detail.deliveries:
        return [t("It is kept, and no route sent it to a sink. The routes below say which condition did not hold.")]
    parts = [_alarm(detail, t)] if detail.item.type in ALARM_TYPES else []
    by_state: dict[str, list[DeliveryDetail]] = {}
    for delivery in detail.deliveries:
        by_state.setdefault(delivery.state, []).append(delivery)
    for dead in by_state.get("dead", ()):
        parts.append(
            t(
                "It did not arrive at {sink}: {reason}.",
                sink=dead.sink,
                reason=says(t, "reason", dead.reason or "expired"),
            )
            + (t(" The last answer was: {error}", error=dead.last_error) if dead.last_error else "")
        )
    for waiting in by_state.get("waiting", ()):
        if waiting.held:
            parts.append(
                t("It did not arrive at {sink} yet: it waits for {what}.", sink=waiting.sink, what=says(t, "held", waiting.held))
                + (t(" The last answer was: {error}", error=waiting.last_error) if waiting.last_error else "")
            )  # fmt: skip
        else:
            parts.append(t("It is about to be sent to {sink}.", sink=waiting.sink))
    for sending in by_state.get("sending", ()):
        parts.append(t("It is being sent to {sink} now.", sink=sending.sink))
    if "delivered" in by_state:
        parts.append(t("It arrived at {sinks}.", sinks=t.list([one.sink for one in by_state["delivered"]])))
    return parts


@dataclass(frozen=True, slots=True)
class RouteView:
    """What one route said."""

    name: str
    matched: bool
    reached: bool
    stop: bool
    to: Sequence[str]
    satisfied: Sequence[str]
    why: str


def routes_of(verdict: VerdictItem, t: PageWords, event: Mapping[str, object] | None = None) -> Sequence[RouteView]:
    """What each route said of this event. What is not of a form that is known here is left out: a newer program may have written it."""
    return [view for route in verdict.routes if (view := route_view(route, t, event)) is not None]


def route_view(route: Mapping[str, Any], t: PageWords, event: Mapping[str, object] | None = None) -> RouteView | None:
    """What one route said, clause by clause."""
    try:
        matched = "to" in route
        reached = route.get("reached") is not False
        return RouteView(
            name=str(route["route"]),
            matched=matched,
            reached=reached,
            stop=bool(route.get("stop")),
            to=[str(sink) for sink in route.get("to", ())],
            satisfied=[_holds(str(clause), t, event or {}) for clause in route.get("held", ())],
            why="" if matched or not reached else _why(route, t),
        )
    except (KeyError, TypeError):
        return None


def _holds(clause: str, t: PageWords, event: Mapping[str, object]) -> str:
    """A clause that held, with what the event says there."""
    data = event.get("data")
    value = event.get(clause, data.get(clause) if isinstance(data, Mapping) else None)
    return t("{clause} is {value}", clause=clause, value=value) if isinstance(value, str) else clause


def _why(route: Mapping[str, Any], t: PageWords) -> str:
    clause, pattern, value = str(route["clause"]), route["pattern"], route.get("value")
    if "error" in route:
        return t("{clause} {pattern} failed: {error}", clause=clause, pattern=pattern, error=route["error"])
    if clause == "where":
        return t("{clause} {pattern} is {value}", clause=clause, pattern=pattern, value=str(value).lower())
    wanted = t(" or ").join(str(one) for one in pattern)
    if value is None:
        return t("{clause} is not there; wanted: {wanted}", clause=clause, wanted=wanted)
    return t("{clause} is {value}; wanted: {wanted}", clause=clause, value=value, wanted=wanted)


@dataclass(frozen=True, slots=True)
class FileView:
    """A file of a recording; `link` only where a browser may follow it."""

    text: str
    link: str | None
    seconds: float | None
    size: int | None


def files_of(event: Mapping[str, object], *, whole: bool) -> Sequence[FileView]:
    """The files of an event. A link is one where all of it is shown: without its signature it opens nothing."""
    data = event.get("data")
    files = data.get("files") if isinstance(data, Mapping) else None
    views = []
    for file in files if isinstance(files, Sequence) and not isinstance(files, str) else ():
        if not isinstance(file, Mapping):
            continue
        address = next((file[key] for key in ("url", "download_url", "play_url") if isinstance(file.get(key), str)), "")
        seconds, size = file.get("duration_seconds"), file.get("size_bytes")
        followed = whole and address.startswith(("https://", "http://"))
        name = next((file[key] for key in ("name", "object", "id") if isinstance(file.get(key), str)), address)
        views.append(
            FileView(
                text=address if whole and address else str(name or "–"),
                link=address if followed else None,
                seconds=float(seconds) if isinstance(seconds, int | float) and seconds >= 0 else None,
                size=size if isinstance(size, int) and size >= 0 else None,
            )
        )
    return views


def difference(first: EventDetail, second: EventDetail) -> Sequence[tuple[str, str]]:
    """The lines of the normal forms that differ, and some around them."""
    lines = json_difference(first.event, second.event, context=2)
    return list(islice((line for line in lines if line[0] != "@"), DIFFERENCE_LINES_MAX))
