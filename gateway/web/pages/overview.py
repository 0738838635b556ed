"""The first page: how much comes and goes, what needs a person, and every sink and source at a glance."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from gateway.admin.overview_results import Attention
from gateway.admin.queries import OverviewQuery
from gateway.web.api.request_reader import read_query
from gateway.web.pages.plots import spark, traffic
from gateway.web.pages.visit import Visit, local

ATTENTION: Final = {
    "event.held": (
        "One event is held until somebody releases it",
        "{count} events are held until somebody releases them",
    ),
    "sink.orphaned": (
        "{about} is not configured any more, and one delivery waits for it",
        "{about} is not configured any more, and {count} deliveries wait for it",
    ),
    "sink.down": ("{about} does not work; one delivery waits", "{about} does not work; {count} deliveries wait"),
    "sink.paused": ("{about} is paused; one delivery waits", "{about} is paused; {count} deliveries wait"),
    "delivery.dead": ("One delivery to {about} is dead", "{count} deliveries to {about} are dead"),
    "sink.behind": (
        "{about} is behind: one delivery has waited for long",
        "{about} is behind: {count} deliveries wait, some for long",
    ),
    "owner.behind": (
        "{about} does not get through to some owners: one delivery has waited for long",
        "{about} does not get through to some owners: {count} deliveries wait, some for long",
    ),
    "sink.unfetched": (
        "{about} waits for a consumer: one delivery has waited for long",
        "{about} waits for a consumer: {count} deliveries wait, some for long",
    ),
    "source.unlisted": ("The vendor's list of {about} cannot be had", "The vendor's list of {about} cannot be had"),
    "duty.late": ("{about} does not get through in the background", "{about} does not get through in the background"),
    "key.expiring": ("A key of {about} is about to end", "A key of {about} is about to end"),
    "source.silent": ("{about} is silent", "{about} is silent"),
    "store.limit": ("The store is nearly full", "The store is nearly full"),
    "reload.refused": (
        "The configuration file has mistakes; the one before it runs on",
        "The configuration file has mistakes; the one before it runs on",
    ),
}
"""One and several of what needs a person, by kind. What is not here is said in the words it came with."""


async def overview(visit: Visit) -> Response:
    """Everything at a glance."""
    asked = read_query(visit.request, OverviewQuery) or OverviewQuery()
    seen = await visit.service.overview(asked.window, whole=visit.operates)
    t, f = visit.words, visit.formats
    plots = {kind: {one.name: one for one in series} for kind, series in seen.plots.items()}
    return await visit.page(
        "overview.html",
        seen=seen,
        windows=("1h", "24h", "7d"),
        plot=traffic(seen.minutes, t, f),
        attention=[(local(one.link), _attention_text(visit, one), one.since) for one in seen.attention],
        sink_sparks={one.name: spark(plots.get("sinks", {}).get(one.name), t, f) for one in seen.sinks},
        source_sparks={one.name: spark(plots.get("sources", {}).get(one.name), t, f) for one in seen.sources},
    )


def _attention_text(visit: Visit, item: Attention) -> str:
    forms = ATTENTION.get(item.kind)
    if forms is None:
        return item.text
    return visit.words.many(*forms, item.count if item.count is not None else 0, about=item.about)
