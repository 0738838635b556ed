"""The route tester: an event, routes to try on it, and what would change. Nothing is saved, and no secret is known to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

import yaml
from starlette.responses import Response

from gateway.errors import GatewayError, Problem
from gateway.model import EVENT_TYPES
from gateway.web.api.responses import refusal
from gateway.web.pages.render import pretty
from gateway.web.pages.story import route_view
from gateway.web.pages.visit import Visit

SAMPLE: Final = {
    "type": "recording.file.completed",
    "domain": "push.example.com",
    "app": "live",
    "stream": "camera-7",
    "files": [{"duration_seconds": 90}],
}


async def tester(visit: Visit) -> Response:
    """The form, filled with today's routes, and with a stored event where one is named."""
    ref = visit.request.query_params.get("event")
    event: object = SAMPLE | {"source": next(iter(visit.gateway.settings.sources), "live")}
    if ref:
        event = (await visit.service.event(ref, whole=False, actor=visit.actor)).event
    return await visit.page("route.html", **_values(pretty(event), await _running(visit)))


async def tried(visit: Visit) -> Response:
    """What the routes make of the event."""
    text, routes = visit.form_field("event"), visit.form_field("config")
    try:
        event = _fields_of(text)
        answer = await visit.service.route(event, routes if routes.strip() else None, visit.actor)
    except GatewayError as error:
        reply = refusal(error)
        problem = json.loads(bytes(reply.body))
        return await visit.page("route.html", reply.status_code, **_values(text, routes, problem=problem))
    views = [view for route in answer.routes if (view := route_view(route, visit.words, event)) is not None]
    now = None if answer.now is None else list(answer.now)
    return await visit.page("route.html", **_values(text, routes, answer=answer, views=views, now=now))


def _values(event: str, routes: str, **more: object) -> Mapping[str, object]:
    empty: Mapping[str, object] = {"answer": None, "views": (), "now": None, "problem": None}
    return {"event": event, "routes": routes, "types": EVENT_TYPES, **empty, **more}


def _fields_of(text: str) -> dict[str, object]:
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        raise Problem(400, "malformed_body", "the event is no JSON") from None
    if not isinstance(event, dict):
        raise Problem(400, "malformed_body", "the event is no JSON object")
    return event


async def _running(visit: Visit) -> str:
    settings = (await visit.service.configuration()).settings
    return as_yaml({name: settings[name] for name in ("routes", "tests") if settings.get(name)})


def tidy(value: object) -> object:
    """Without what is not set, and with the names that people write."""
    if isinstance(value, Mapping):
        parts = {str(key): tidy(part) for key, part in value.items()}
        return {
            "match" if key == "conditions" else key: part for key, part in parts.items() if part not in (None, {}, [])
        }
    if isinstance(value, list | tuple):
        return [tidy(part) for part in value]
    return value


def as_yaml(value: object) -> str:
    """A configuration as it is written by people."""
    plain = tidy(json.loads(json.dumps(value, default=str)))
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=110))
