"""Every page and every form: its address, who may, and the function behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from gateway.web.pages import acts, bulk, configuration, dead, events, lists, overview, sinks, tester
from gateway.web.pages.visit import Visit
from gateway.web.tokens import Role


@dataclass(frozen=True, slots=True)
class Page:
    """GET pages change nothing; POST forms are sent by them."""

    path: str
    show: Callable[[Visit], Awaitable[Response]]
    method: str = "GET"
    role: Role = "read"


def _form(path: str, show: Callable[[Visit], Awaitable[Response]], role: Role = "operate") -> Page:
    return Page(path, show, "POST", role)


PAGES: Final = (
    Page("/", overview.overview),
    Page("/events", lists.events),
    Page("/events/{ref}", events.event),
    _form("/events/{ref}/reveal", events.reveal),
    _form("/events/{ref}/replay", acts.replay),
    _form("/events/{ref}/release", acts.release),
    Page("/deliveries", lists.deliveries),
    _form("/deliveries/{number}/retry", acts.retry),
    _form("/deliveries/{number}/cancel", acts.cancel),
    Page("/dead", dead.dead),
    _form("/dead/retry", acts.retry_chosen),
    _form("/bulk", bulk.bulk),
    Page("/jobs", bulk.jobs),
    Page("/jobs/{number}", bulk.job),
    _form("/jobs/{number}/cancel", acts.cancel_job),
    Page("/sinks", sinks.sinks),
    Page("/sinks/{name}", sinks.sink),
    _form("/sinks/{name}/pause", acts.pause),
    _form("/sinks/{name}/resume", acts.resume),
    _form("/sinks/{name}/test", acts.test),
    Page("/sources", sinks.sources),
    Page("/sources/{name}", sinks.source),
    Page("/refused", lists.refused),
    Page("/refused/{number}", lists.refusal),
    _form("/refused/{number}/retry", acts.retry_refused),
    Page("/route", tester.tester),
    _form("/route", tester.tried, "read"),
    Page("/config", configuration.configuration),
    _form("/config/reload", acts.reload),
    Page("/audit", lists.audit),
)
