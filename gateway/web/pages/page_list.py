"""Every page and every form: its address, who may, and the function behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from gateway.web.pages import acts, bulk, configuration, dead, events, lists, overview, sinks, tester
from gateway.web.pages.visit import Visit
from gateway.web.tokens import TokenRole


@dataclass(frozen=True, slots=True)
class HtmlPage:
    """GET pages change nothing; POST forms are sent by them."""

    path: str
    show: Callable[[Visit], Awaitable[Response]]
    method: str = "GET"
    role: TokenRole = "read"


def _form(path: str, show: Callable[[Visit], Awaitable[Response]], role: TokenRole = "operate") -> HtmlPage:
    return HtmlPage(path, show, "POST", role)


PAGES: Final = (
    HtmlPage("/", overview.overview),
    HtmlPage("/events", lists.events),
    HtmlPage("/events/{ref}", events.event),
    _form("/events/{ref}/reveal", events.reveal),
    _form("/refused/{number}/reveal", lists.refusal_revealed),
    _form("/events/{ref}/replay", acts.replay),
    _form("/events/{ref}/release", acts.release),
    HtmlPage("/recordings", lists.recordings),
    HtmlPage("/recordings/{number}", lists.recording),
    HtmlPage("/deliveries", lists.deliveries),
    _form("/deliveries/{number}/retry", acts.retry),
    _form("/deliveries/{number}/cancel", acts.cancel),
    HtmlPage("/dead", dead.dead),
    _form("/dead/retry", acts.retry_chosen),
    _form("/bulk", bulk.bulk),
    HtmlPage("/jobs", bulk.jobs),
    HtmlPage("/jobs/{number}", bulk.job),
    _form("/jobs/{number}/cancel", acts.cancel_job),
    HtmlPage("/sinks", sinks.sinks),
    HtmlPage("/sinks/{name}", sinks.sink),
    _form("/sinks/{name}/pause", acts.pause),
    _form("/sinks/{name}/resume", acts.resume),
    _form("/sinks/{name}/test", acts.test),
    HtmlPage("/sources", sinks.sources),
    HtmlPage("/sources/{name}", sinks.source),
    HtmlPage("/refused", lists.refused),
    HtmlPage("/refused/{number}", lists.refusal),
    _form("/refused/{number}/retry", acts.retry_refused),
    HtmlPage("/route", tester.tester),
    _form("/route", tester.tried, "read"),
    HtmlPage("/config", configuration.configuration),
    _form("/config/reload", acts.reload),
    HtmlPage("/audit", lists.audit),
)
