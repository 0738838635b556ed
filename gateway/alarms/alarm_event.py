"""Makes the event of an alarm: what it says in the gateway's language, with the link to the page that shows more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from gateway.events.alarm_text import alarm_text
from gateway.intake.pipeline import new_event
from gateway.model import (
    ABOUT_SINKS,
    ALARM_SOURCE,
    DELIVERY_DEAD,
    EVENT_HELD,
    KEY_EXPIRING,
    REFUSALS,
    RELOAD_REFUSED,
    SOURCE_BACK,
    SOURCE_SILENT,
    Alarm,
    Event,
    Trust,
    Verified,
    event_id,
)
from gateway.routing import RoutingDecision
from gateway.store.outbox.conditions import AlarmDue
from gateway.store.records import NewDelivery, NewEvent

_OURS: Final = Verified(trust=Trust.BODY, scheme="gateway")
_PAGES: Final = {  # {name}: empty where it is about several
    DELIVERY_DEAD: "/dead?sink={name}",
    REFUSALS: "/refused?source={name}",
    RELOAD_REFUSED: "/config",
    KEY_EXPIRING: "/sources",
    EVENT_HELD: "/events?held=true",
    SOURCE_SILENT: "/sources",
    SOURCE_BACK: "/sources",
}


def alarm_event(due: AlarmDue, *, language: str, page: str | None) -> Event:
    """The event. Its id is made of what it says, so that one alarm is one event whoever stores it."""
    at, since = _time(due.at), _time(due.since)
    alarm = Alarm(
        about=due.about,
        since=since,
        count=due.count,
        text=alarm_text(due.type, due.about, due.count, due.detail, language=language),
        detail=due.detail,
        link=None if page is None else page + _page(due),
    )
    return Event(
        id=event_id(ALARM_SOURCE, due.type, None, None, None, None, [due.about, due.since, due.at]),
        type=due.type,
        source=ALARM_SOURCE,
        provider=ALARM_SOURCE,
        received_at=at,
        time=at,
        trust=Trust.BODY,  # nobody but the gateway can say it: no source may use these types
        verified=_OURS,
        alarm=alarm,
    )


def new_alarm(event: Event, decision: RoutingDecision) -> NewEvent:
    """Its row. No lane has reserved anything for it: its deliveries wait to be claimed."""
    wanted = tuple(NewDelivery(sink=sink) for sink in decision.sinks)
    return new_event(
        event, decision, deliveries=wanted, raw_type="application/json", hold_conflicts=False, verified=_OURS
    )


def _page(due: AlarmDue) -> str:
    alone = due.about if due.about and "," not in due.about else ""
    if path := _PAGES.get(due.type):
        return path.replace("{name}", quote(alone)) if alone or "{name}" not in path else path.partition("?")[0]
    if due.type in ABOUT_SINKS:
        return f"/sinks/{quote(alone)}" if alone else "/sinks"
    return "/"


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
