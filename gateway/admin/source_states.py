"""Every source as it is now: what came, what was refused, and how its callbacks were verified."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from gateway.admin.sink_results import IgnoredItem, SourceItem, VerifiedItem
from gateway.admin.source_keys import key_items
from gateway.admin.timestamps import moment, stamp
from gateway.admin.window_counts import WindowCounts
from gateway.errors import NotFound
from gateway.store.admin import minutes
from gateway.store.admin.shown_rows import SourceRow
from gateway.text.redaction import MASK

if TYPE_CHECKING:
    from gateway.config.grammar.settings import Settings
    from gateway.store.admin.queries import StoreQueries

DAY_MINUTES: Final = 24 * 60


def source_items(
    settings: Settings, admin: StoreQueries, *, minute: int, masked: bool, day: WindowCounts | None = None
) -> list[SourceItem]:
    """Every source that is configured, and those that callbacks came for in the last day."""
    day = day or WindowCounts.counted(admin, "24h", minute)
    verified: dict[str, list[VerifiedItem]] = defaultdict(list)
    for name, count, last in admin.ask(lambda session: minutes.verified(session, minute - 7 * DAY_MINUTES)):
        source, scheme, key, trust = name.rsplit(" ", 3)
        verified[source].append(
            VerifiedItem(
                scheme=scheme,
                key=int(key) if key else None,
                trust=trust,  # type: ignore[arg-type]
                count=count,
                last_at=moment(last),
            )
        )
    seen = {one.name: one for one in day.sums if one.kind == "source" and one.name}
    heard = admin.sources()
    names = [*settings.sources, *sorted({*seen, *verified, *heard} - set(settings.sources) - {""})]
    return [
        _source(settings, name, day, verified[name], masked, heard.get(name, SourceRow(name=name)), minute)
        for name in names
    ]


def _source(
    settings: Settings,
    name: str,
    day: WindowCounts,
    verified: Sequence[VerifiedItem],
    masked: bool,
    heard: SourceRow,
    minute: int,
) -> SourceItem:
    configured = settings.sources.get(name)
    mine = [one for one in day.sums if one.kind == "source" and one.name == name]
    refused: Counter[str] = Counter()
    for one in day.sums:
        if one.kind == "code" and one.name.rpartition(" ")[0] == name:
            refused[one.name.rpartition(" ")[2]] += one.total
    last = max((one.last_at for one in mine), default=None)
    path = None
    if configured is not None and configured.path:  # empty: of a refused configuration, which does not say it
        path = f"/hooks/{MASK if masked and configured.path != name else configured.path}"
    return SourceItem(
        name=name,
        type=None if configured is None else configured.type,
        callback_url=path,
        last_seen=stamp(heard.seen_at if heard.seen_at is not None else last),
        events_24h=sum(one.good for one in mine),
        refused_24h=dict(refused),
        refused_kept=dict(heard.refused),
        refused_at=stamp(heard.refused_at),
        ignored=[
            IgnoredItem(vendor_type=one.vendor_type, at=moment(one.at), size_bytes=one.size) for one in heard.ignored
        ],
        verified=verified,
        reconciled_at=stamp(heard.reconciled_at),
        reconcile_error=heard.reconcile_error,
        reconcile_failures=heard.reconcile_failures,
        keys=key_items(None if configured is None else configured.options, heard, minute * 60_000),
    )


def source_item(settings: Settings, admin: StoreQueries, name: str, minute: int, masked: bool) -> SourceItem:
    """One of them. Raises NotFound."""
    items = source_items(settings, admin, minute=minute, masked=masked)
    found = next((one for one in items if one.name == name), None)
    if found is None:
        raise NotFound(f"there is no source {name[:100]}; there are: {', '.join(settings.sources) or 'none'}")
    return found
