"""Recordings as the API, the command line and the pages show them: what is asked, what is answered."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from gateway.admin.access import Running
from gateway.admin.filters import known_source, listed, moment_of
from gateway.admin.queries import FilterValues, PageQuery, When
from gateway.admin.reads import page_of
from gateway.admin.results import Page, Result, Time
from gateway.admin.timestamps import moment, stamp
from gateway.model import FILE_COMPLETED
from gateway.states import RecordingState
from gateway.store.admin import recording_pages
from gateway.store.admin.admin import StoreAdmin
from gateway.store.admin.recording_pages import RecordingFilter, RecordingFull
from gateway.text.mask import masked_event


class RecordingQuery(PageQuery):
    """Filters of recordings."""

    source: Annotated[FilterValues, Field(description="Names or globs of sources; commas between.")] = ()
    stream: Annotated[FilterValues, Field(description="Globs of streams; commas between.")] = ()
    domain: Annotated[FilterValues, Field(description="Globs; commas between.")] = ()
    app: Annotated[FilterValues, Field(description="Globs; commas between.")] = ()
    state: RecordingState | None = None
    missing: Annotated[bool | None, Field(description="true: something did not come; false: all did.")] = None
    since: Annotated[When | None, Field(description="Begun since: a time, or how long ago.")] = None
    until: Annotated[When | None, Field(description="Begun before: a time, or how long ago.")] = None


class RecordingItem(Result):
    """A recording: what the events of one stream of a source say of it."""

    id: int
    source: str
    domain: str | None
    app: str | None
    stream: str
    state: Annotated[
        RecordingState,
        Field(
            description="`open` until an event says that it ended or failed; `overdue`: a watch told of what did not come."
        ),
    ]
    first_at: Annotated[Time, Field(description="Of its first event.")]
    started_at: Annotated[Time | None, Field(description="As the vendor's `recording.started` says.")]
    ended_at: Time | None
    files: Annotated[
        Sequence[Mapping[str, object]],
        Field(description="Of its newest 200 events: each file as in its event, and `event` that names that."),
    ]
    events: Annotated[Sequence[str], Field(description="The newest 200, oldest first, each as every path takes it.")]
    events_total: int
    missing: Annotated[Sequence[str], Field(description="Event types that should have come and have not.")]


def page(gateway: Running, asked: RecordingQuery, whole: bool, admin: StoreAdmin) -> Page[RecordingItem]:
    """A page of recordings. `whole`: with the queries of URLs."""
    filter = _filter(gateway, asked, admin)
    return page_of(
        "recordings",
        asked,
        lambda limit, before, budget: admin.ask(
            lambda session: recording_pages.page(session, filter, limit=limit, before=before, budget=budget)
        ),
        lambda full: _item(full, whole),
        lambda full: full.recording.id or 0,
    )


def detail(id: int, whole: bool, admin: StoreAdmin) -> RecordingItem:
    """One recording. Raises NotFound."""
    return _item(admin.ask(lambda session: recording_pages.recording_of(session, id)), whole)


def _filter(gateway: Running, asked: RecordingQuery, admin: StoreAdmin) -> RecordingFilter:
    settings = gateway.loaded.settings
    zone, of_source = settings.locale.timezone, listed(asked.source)
    return RecordingFilter(
        source=of_source and tuple(known_source(admin, settings.sources, name) for name in of_source),
        stream=listed(asked.stream),
        domain=listed(asked.domain),
        app=listed(asked.app),
        state=asked.state,
        missing=asked.missing,
        since=None if asked.since is None else moment_of(asked.since, zone, gateway.clock),
        until=None if asked.until is None else moment_of(asked.until, zone, gateway.clock),
    )


def _item(full: RecordingFull, whole: bool) -> RecordingItem:
    recording = full.recording
    return RecordingItem(
        id=recording.id or 0,
        source=recording.source,
        domain=recording.domain,
        app=recording.app,
        stream=recording.stream,
        state=recording.state,
        first_at=moment(recording.from_at),
        started_at=stamp(recording.started_at),
        ended_at=stamp(recording.over_at),
        files=[
            {**file, "event": event.ref}
            for event in full.events
            if event.type == FILE_COMPLETED and event.superseded is None
            for file in _files(event.body, whole)
        ],
        events=[event.ref for event in full.events],
        events_total=full.total,
        missing=list(dict.fromkeys([*recording.missing, *full.overdue])),
    )


def _files(body: str, whole: bool) -> Sequence[Mapping[str, object]]:
    document = json.loads(body)
    shown = document if whole else masked_event(document)
    files: Sequence[Mapping[str, object]] = shown["data"]["files"]
    return files
