"""The rules of what is kept of each source: its last callback, and the last of each type that made no event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from gateway.store.admin.shown_rows import SourceRow
from gateway.store.engine.batch import Bulk, storable
from gateway.store.engine.session import Session
from gateway.store.outbox import reconciliation
from gateway.store.records import Heard

TYPES_KEPT_MAX: Final = 50  # types that make no event, of each source

_KEEP: Final = """INSERT INTO source_activity (source, ignored, vendor_type, seen_at, size)
  VALUES (:source, :ignored, :vendor_type, :seen_at, :size)
  ON CONFLICT (source, ignored, vendor_type) DO UPDATE SET seen_at = excluded.seen_at, size = excluded.size
    WHERE excluded.seen_at >= source_activity.seen_at"""
_PRUNE: Final = """DELETE FROM source_activity WHERE source = :source AND ignored = 1 AND seen_at < (SELECT a.seen_at
  FROM source_activity a WHERE a.source = :source AND a.ignored = 1 ORDER BY a.seen_at DESC LIMIT 1 OFFSET :most)"""
_ALL: Final = "SELECT source, ignored, vendor_type, seen_at, size FROM source_activity ORDER BY seen_at DESC"
_REFUSED: Final = (
    "SELECT source, code, count(*), max(received_at) FROM refused GROUP BY source, code ORDER BY 3 DESC, 2"
)


def heard(session: Bulk, rows: Sequence[Heard]) -> None:
    """Write these, unless a later one of the same kind is known: another gateway may have been quicker."""
    with session.atomic():
        # in one order, so that two gateways on one database never wait for each other
        for row in sorted(rows, key=lambda row: (row.source, row.ignored, row.vendor_type)):
            values = {
                "source": row.source,
                "ignored": int(row.ignored),
                "vendor_type": storable(row.vendor_type),
                "seen_at": row.at,
                "size": row.size,
            }
            session.change(_KEEP, values)
        for source in sorted({row.source for row in rows if row.ignored}):
            session.change(_PRUNE, {"source": source, "most": TYPES_KEPT_MAX - 1})


def all_activity(session: Session) -> Mapping[str, SourceRow]:
    """What is known of every source that ever sent something; of paths that name none under the empty name."""
    seen: dict[str, int] = {}
    ignored: dict[str, list[Heard]] = {}
    refused: dict[str, dict[str, int]] = {}
    refused_at: dict[str, int] = {}
    for source, is_ignored, vendor_type, at, size in session.rows(_ALL):
        if is_ignored:
            one = Heard(source, at, ignored=True, vendor_type=vendor_type, size=size)
            ignored.setdefault(source, []).append(one)
        else:
            seen[source] = at
    for source, code, count, at in session.rows(_REFUSED):
        refused.setdefault(source, {})[code] = count
        refused_at[source] = max(at, refused_at.get(source, at))
    asked = reconciliation.rows(session)
    return {
        name: SourceRow(
            name=name,
            seen_at=seen.get(name),
            refused=refused.get(name, {}),
            refused_at=refused_at.get(name),
            ignored=tuple(ignored.get(name, ())),
            reconciled_at=asked[name].ended_at if name in asked else None,
            reconcile_error=asked[name].error if name in asked else None,
            reconcile_failures=asked[name].failures if name in asked else 0,
        )
        for name in sorted({*seen, *ignored, *refused, *asked})
    }
