"""News of all gateways of one store, in one order, for those who watch: the last few thousand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, NamedTuple

from gateway.runtime.activity import News
from gateway.store.engine.batch import Bulk, storable
from gateway.store.engine.session import Session

ROWS_KEPT_MAX: Final = 5000  # rows
PAGE_ROWS: Final = 500
WATCHED_MS: Final = 10_000  # how long after the last look gateways go on telling
# One statement for all of them, because one each was most of what an open dashboard cost the ingress.
_PUT: Final = {
    "sqlite": """INSERT INTO live (at, kind, source, sink, type, event, body)
      SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
        json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'), json_extract(value, '$[6]')
      FROM json_each(:rows) ORDER BY key""",
    "postgresql": """INSERT INTO live (at, kind, source, sink, type, event, body)
      SELECT CAST(value ->> 0 AS bigint), value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
      FROM json_array_elements(CAST(:rows AS json)) WITH ORDINALITY AS news (value, place) ORDER BY place""",
}
_FORGET: Final = "DELETE FROM live WHERE id <= (SELECT max(id) FROM live) - :kept"
_AFTER: Final = """SELECT id, at, kind, source, sink, type, body FROM live WHERE id > :after ORDER BY id LIMIT :most"""
_LAST: Final = "SELECT max(id), min(id) FROM live"
_WATCH: Final = """INSERT INTO meta (name, value) VALUES ('live_until', CAST(:now + :span AS text))
  ON CONFLICT (name) DO UPDATE SET value = excluded.value"""
_WATCHED: Final = "SELECT value, :now FROM meta WHERE name = 'live_until'"


class LiveRow(NamedTuple):
    """One piece of news; `id` grows in the order in which it became known."""

    id: int
    at: int
    kind: str
    source: str
    sink: str
    type: str
    text: str  # a JSON object, which is written once and sent as it is


class _NewsRow(NamedTuple):
    """What `_PUT` takes."""

    at: int
    kind: str
    source: str
    sink: str
    type: str
    event: str
    text: str


def write_news(session: Bulk, news: Sequence[News], missed: int) -> Sequence[LiveRow]:
    """Write news, and how many more there were; forget the oldest. What was written, in order; of a store that several
    gateways share nothing, because others' news may lie between."""
    with session.atomic():
        session.lock({"live"})  # so that whoever reads in the order of ids misses none that is committed later
        rows = [
            _NewsRow(one.at, one.kind, one.source, one.sink, one.type, storable(one.event), json.dumps(one.body))
            for one in news
        ]
        if missed and rows:
            rows.append(_NewsRow(rows[-1].at, "missed", "", "", "", "", json.dumps({"missed": missed})))
        session.change(_PUT[session.backend], {"rows": json.dumps(rows)})
        session.change(_FORGET, {"kept": ROWS_KEPT_MAX})
        if not session.one_transaction:
            return ()
        first = ends(session)[0] - len(rows) + 1
    return [
        LiveRow(id, row.at, row.kind, row.source, row.sink, row.type, row.text) for id, row in enumerate(rows, first)
    ]


def after(session: Session, id: int, most: int = PAGE_ROWS) -> Sequence[LiveRow]:
    """The news after this one, oldest first."""
    return [LiveRow(*columns) for columns in session.rows(_AFTER, {"after": id, "most": most})]


def ends(session: Session) -> tuple[int, int]:
    """The ids of the newest and the oldest news that are kept; 0: none."""
    ((newest, oldest),) = session.rows(_LAST)
    return int(newest or 0), int(oldest or 0)


def watch(session: Session) -> None:
    """Ask every gateway of this store to tell, for a while."""
    session.change(_WATCH, {"span": WATCHED_MS})


def watched(session: Session) -> bool:
    """Whether somebody watches."""
    return any(int(until) > int(now) for until, now in session.rows(_WATCHED))
