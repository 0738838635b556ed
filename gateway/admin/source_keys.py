"""The keys of a source as people see them: which hold, when each was used last, and which may go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from gateway.admin.sink_results import KeyItem
from gateway.admin.timestamps import stamp
from gateway.plugin.key_state import key_states
from gateway.store.admin.shown_rows import KeyRow, SourceRow
from gateway.text.signing_key import keys_of


def key_rows(options: object, known: SourceRow, now: int) -> Sequence[KeyRow]:
    """Those of a configured source, in their order; `now` in ms."""
    if known.keys is not None:
        return known.keys
    used = {mark: datetime.fromtimestamp(at / 1000, UTC) for mark, at in known.key_uses.items()}
    return [
        KeyRow(
            place=one.place,
            name=one.name,
            time=one.time,
            valid_from=_ms(one.valid_from),
            valid_until=_ms(one.valid_until),
            used_at=_ms(one.used_at),
            may_go=one.may_go,
        )
        for one in key_states(keys_of(options), used, datetime.fromtimestamp(now / 1000, UTC))
    ]


def key_items(options: object, known: SourceRow, now: int) -> list[KeyItem]:
    """The same as the API tells them."""
    return [
        KeyItem(
            place=one.place,
            name=one.name,
            time=one.time,
            valid_from=stamp(one.valid_from),
            valid_until=stamp(one.valid_until),
            last_used_at=stamp(one.used_at),
            may_go=one.may_go,
        )
        for one in key_rows(options, known, now)
    ]


def _ms(at: datetime | None) -> int | None:
    return None if at is None else round(at.timestamp() * 1000)
