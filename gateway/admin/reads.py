"""The reading functions, on one store: what is asked becomes the store's question, rows become results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from gateway.admin import views
from gateway.admin.access import Running
from gateway.admin.act_results import JobItem
from gateway.admin.bulk import job_item
from gateway.admin.cursor import cursor, key_of
from gateway.admin.filters import known_source, moment_of
from gateway.admin.overview_results import AuditItem, StoreStatus
from gateway.admin.queries import (
    AuditQuery,
    DeliveryQuery,
    EventQuery,
    PageQuery,
    RefusedQuery,
    delivery_filter,
    event_filter,
)
from gateway.admin.refusal_meanings import REFUSAL_MEANINGS
from gateway.admin.results import DeliveryDetail, DeliveryItem, EventDetail, EventItem, Page, Result
from gateway.admin.sink_results import RefusedDetail, RefusedItem
from gateway.store.admin.admin import StoreAdmin
from gateway.store.admin.search_budget import SearchBudget

RowT = TypeVar("RowT")
ResultT = TypeVar("ResultT", bound=Result)


def page_of(
    kind: str,
    asked: PageQuery,
    find: Callable[[int, int | None, SearchBudget], Sequence[RowT]],
    item: Callable[[RowT], ResultT],
    key: Callable[[RowT], int],
) -> Page[ResultT]:
    """A page of one listing. One more row than was asked for says whether there is a next page."""
    before = None if asked.cursor is None else key_of(kind, asked.cursor)
    budget = SearchBudget()
    rows = find(min(asked.limit + 1, 200), before, budget)
    shown = rows[: asked.limit]
    last = key(shown[-1]) if shown and len(rows) >= min(asked.limit + 1, 200) else budget.cut_at
    return Page[ResultT](items=[item(row) for row in shown], next=None if last is None else cursor(kind, last))


def events(gateway: Running, asked: EventQuery, admin: StoreAdmin) -> Page[EventItem]:
    """A page of events."""
    settings = gateway.loaded.settings
    filter = event_filter(asked, admin, settings.sources, settings.locale.timezone, gateway.clock)
    filter = replace(filter, after=asked.after)
    return page_of(
        "events",
        asked,
        lambda limit, before, budget: admin.events(filter, limit=limit, before=before, budget=budget),
        views.event_item,
        lambda row: row.seq,
    )


def event(ref: str, whole: bool, admin: StoreAdmin) -> EventDetail:
    """One event with everything."""
    full = admin.event(ref)
    rows = admin.deliveries(event=full.row.name, limit=200)
    details = [views.delivery_detail(*admin.delivery(row.id)) for row in reversed(rows)]
    return views.event_detail(full, details, whole=whole)


def deliveries(gateway: Running, asked: DeliveryQuery, admin: StoreAdmin) -> Page[DeliveryItem]:
    """A page of deliveries."""
    settings = gateway.loaded.settings
    filter = delivery_filter(asked, admin, settings.sources, settings.sinks, settings.locale.timezone, gateway.clock)
    return page_of(
        "deliveries",
        asked,
        lambda limit, before, budget: admin.deliveries(filter, limit=limit, before=before, budget=budget),
        views.delivery_item,
        lambda row: row.id,
    )


def delivery(id: int, admin: StoreAdmin) -> DeliveryDetail:
    """One delivery with its attempts."""
    return views.delivery_detail(*admin.delivery(id))


def refused(gateway: Running, asked: RefusedQuery, admin: StoreAdmin) -> Page[RefusedItem]:
    """A page of refused callbacks."""
    if asked.source:
        known_source(admin, gateway.loaded.settings.sources, asked.source)
    return page_of(
        "refused",
        asked,
        lambda limit, before, budget: admin.refused(source=asked.source, limit=limit, before=before),
        views.refused_item,
        lambda row: row.id,
    )


def refusal(id: int, whole: bool, admin: StoreAdmin) -> RefusedDetail:
    """One refused callback. `whole`: with credentials and the queries of URLs."""
    row = admin.refusal(id)
    return views.refused_detail(row, REFUSAL_MEANINGS.get(row.refusal.code), whole=whole)


def audit(gateway: Running, asked: AuditQuery, admin: StoreAdmin) -> Page[AuditItem]:
    """What people did."""
    zone = gateway.loaded.settings.locale.timezone
    since = None if asked.since is None else moment_of(asked.since, zone, gateway.clock)
    return page_of(
        "audit",
        asked,
        lambda limit, before, budget: admin.audit(
            act=asked.act, actor=asked.who, target=asked.target, since=since, limit=limit, before=before, budget=budget
        ),
        views.audit_item,
        lambda row: row.id,
    )


def jobs(asked: PageQuery, admin: StoreAdmin) -> Page[JobItem]:
    """A page of bulk acts."""
    return page_of(
        "jobs",
        asked,
        lambda limit, before, budget: admin.jobs(limit=limit, before=before),
        job_item,
        lambda row: row.id,
    )


def store(admin: StoreAdmin) -> StoreStatus:
    """The store at a glance."""
    return views.store_status(admin.status())
