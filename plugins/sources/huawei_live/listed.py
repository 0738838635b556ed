"""The vendor's own list of recordings, asked for page by page, and an entry of it as the event that its callback would have been."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from gateway import (
    FILE_COMPLETED,
    Event,
    File,
    Http,
    ListedPage,
    ListSpan,
    Malformed,
    Refused,
    Retry,
    Storage,
    Trust,
    Verified,
    encode_json_ascii,
    event_id,
)
from plugins.sources.common.fields import Reading, text_of
from plugins.sources.huawei_live.api import call
from plugins.sources.huawei_live.reconcile import HuaweiReconcile

SCHEME: Final = "vendor-list"
PAGE_ROWS: Final = 100  # the most that the vendor gives
PAGES_MAX: Final = 10_000  # of one question; a list that is longer goes on for ever
RECORD_TYPES: Final = ("CONTINUOUS_RECORD", "COMMAND_RECORD", "PLAN_RECORD", "ON_DEMAND_RECORD")
"""Each is asked for by itself: without one the vendor lists the first alone."""
PLANNED: Final = "PLAN_RECORD"
TIMES_OFF_SECONDS_MAX: Final = 5.0  # between a recording's two times and its duration
TIMES_OFF_SHARE: Final = 0.05
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"


class ListCursor(NamedTuple):
    """Which question is asked: of which domain (the position in the list of them), type of recording and page."""

    domain: int = 0
    type: int = 0
    page: int = 0

    @classmethod
    def of(cls, text: str | None) -> ListCursor:
        """From what `text` gave. Raises ValueError."""
        return cls() if text is None else cls(*map(int, text.split(" ")))

    @property
    def text(self) -> str:
        return f"{self.domain} {self.type} {self.page}"


async def list_page(
    http: Http,
    options: HuaweiReconcile,
    source: str,
    domains: Sequence[str],
    allowed: Callable[[str, str], bool],
    span: ListSpan,
    next: str | None,
) -> ListedPage:
    """A page. `domains` are exact names, each asked for by itself; none: all of the project are. Raises as `call`."""
    place = ListCursor.of(next)
    if place.domain >= max(len(domains), 1):  # the configuration names fewer than when the run began
        return ListedPage(())
    query = [
        ("record_type", RECORD_TYPES[place.type]),
        ("start_time", span.since.strftime(_TIME)),
        ("end_time", span.until.strftime(_TIME)),
        ("offset", str(place.page)),
        ("limit", str(PAGE_ROWS)),
    ]
    if domains:
        query.insert(0, ("publish_domain", domains[place.domain]))
    try:
        answer = await call(http, options, "GET", "/record/contents", query)
    except Refused as refused:
        if refused.status != 400 or place.type == 0 or place.page:
            raise
        answer = {}  # a region whose API does not know this type of recording has none of it
    entries = answer.get("record_contents")
    entries = [] if entries is None else entries
    if not isinstance(entries, list):
        raise Retry("the API's list of recordings has no `record_contents`: is this the API of Huawei Live?")
    events, problems = [], []
    now = http.clock.now()
    for number, entry in enumerate(entries):
        try:
            event = listed_event(source, options.project_id, entry, now)
        except Malformed as error:
            problems.append(f"entry {number} of page {place.page} of {RECORD_TYPES[place.type]}: {error.detail}")
            continue
        if allowed(event.domain or "", event.app or ""):
            events.append(event)
    here, counted = place.page * PAGE_ROWS + len(entries), answer.get("total")
    if len(entries) < PAGE_ROWS and isinstance(counted, int) and here < counted:
        problems.append(
            f"the list of {RECORD_TYPES[place.type]} ends after {here} of the {counted} that the vendor counts"
        )
    return ListedPage(events, _after(place, len(entries), max(len(domains), 1)), problems)


def _after(place: ListCursor, entries: int, domains: int) -> str | None:
    if entries >= PAGE_ROWS and place.page + 1 < PAGES_MAX:
        return place._replace(page=place.page + 1).text
    if place.type + 1 < len(RECORD_TYPES):
        return ListCursor(place.domain, place.type + 1).text
    return ListCursor(place.domain + 1).text if place.domain + 1 < domains else None


def listed_event(source: str, project: str, entry: object, now: datetime) -> Event:
    """The event. Raises Malformed for an entry that says neither whose recording it is nor where."""
    if not isinstance(entry, Mapping):
        raise Malformed("it is no object")
    domain, app, stream = (text_of(entry, name) for name in ("publish_domain", "app", "stream"))
    reading = Reading(dict(entry))
    reading.drop("publish_domain", "app", "stream")
    format = reading.text("record_format")
    format = format.lower() if format else None
    stored, asset = reading.inside("obs_addr"), reading.inside("vod_info")
    storage = Storage(location=stored.text("location"), bucket=stored.text("bucket"), key=stored.text("object"))
    duration = reading.seconds("duration")
    started, ended = _times(entry, duration)
    reading.drop(*(name for name in ("start_time", "end_time") if ended is not None or not entry.get(name)))
    file = File(
        format=format,
        download_url=reading.text("download_url"),
        play_url=asset.text("play_url"),
        asset_id=asset.text("asset_id"),
        duration_seconds=duration,
        started_at=started,
        ended_at=ended,
        storage=storage if storage.location or storage.bucket or storage.key else None,
    )
    return Event(
        id=event_id(source, FILE_COMPLETED, domain, app, stream, format, _identity(file)),
        type=FILE_COMPLETED,
        source=source,
        provider="huawei-live",
        received_at=now,
        trust=Trust.BODY,  # every byte came over TLS from the vendor itself
        domain=domain,
        app=app,
        stream=stream,
        format=format,
        project_id=project,
        time=file.ended_at,
        files=(file,),
        verified=Verified(trust=Trust.BODY, scheme=SCHEME),
        extra=reading.extra(),
        problems=tuple(reading.problems),
        reconciled=True,
        raw=encode_json_ascii(entry).encode(),
        raw_type="application/json",
    )


def _times(entry: Mapping[str, object], duration: float | None) -> tuple[datetime | None, datetime | None]:
    """Start and end. The vendor says that they hold for planned recordings: else they are believed where they agree with the
    duration, and otherwise stay in `extra` as they came."""
    reading = Reading(dict(entry))
    started, ended = reading.time("start_time"), reading.time("end_time")
    if started is None or ended is None:
        return None, None
    if entry.get("record_type") == PLANNED:
        return started, ended
    seconds = (ended - started).total_seconds()
    near = duration is not None and abs(seconds - duration) <= max(TIMES_OFF_SECONDS_MAX, TIMES_OFF_SHARE * duration)
    return (started, ended) if near else (None, None)


def _identity(file: File) -> list[object]:
    """Where the file lies, because the list has no job_id: its bucket and object, else the path of its address."""
    if file.storage is not None and file.storage.bucket and file.storage.key:
        return [SCHEME, file.storage.bucket, file.storage.key]
    url = file.download_url or file.play_url
    try:
        path = unquote(urlsplit(url or "").path)
    except ValueError:
        path = ""
    if path.strip("/"):
        return [SCHEME, "url", path]
    raise Malformed("it says neither `obs_addr` nor a `download_url`, so nobody knows which file it is")
