"""The rules of clocks that jumped: rows that a wrong clock put too far ahead are pulled back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from gateway.store.engine.batch import Bulk
from gateway.store.engine.session import Session, value_of
from gateway.store.outbox import statements as sql
from gateway.store.records import Rank

_LIMITS: Final = {
    "lease": 10 * 60_000,
    "delay": 60 * 60_000,
}  # ms: what nobody need note, as most settings stay under it
_NOTED: Final = "SELECT value FROM meta WHERE name = :name"
_NOTE: Final = """INSERT INTO meta (name, value) VALUES (:name, :value)
  ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE CAST(meta.value AS bigint) < CAST(excluded.value AS bigint)"""


def longest_spans(session: Session) -> dict[str, int]:
    """The longest `lease` and `delay` (ms) that were ever given, or that nobody need have noted."""
    noted = {kind: value_of(session.rows(_NOTED, {"name": f"longest_{kind}"})) for kind in _LIMITS}
    return {kind: max(limit, int(noted[kind] or 0)) for kind, limit in _LIMITS.items()}


class Spans:
    """The longest lease and the longest delay that were ever given, kept beside the rows: what lies further is a jump.

    Noted in powers of two, so that it is written a few times in a store's life and not with every delay.
    """

    def __init__(self) -> None:
        self._longest = dict(_LIMITS)

    def note(self, session: Bulk, kind: str, span: int) -> None:
        """Before a row is written that lies `span` ms ahead."""
        if span <= self._longest[kind]:
            return
        rounded = 1 << (span - 1).bit_length()
        session.change(_NOTE, {"name": f"longest_{kind}", "value": str(rounded)})
        session.tally.noted[kind] = max(rounded, session.tally.noted.get(kind, 0))

    def keep(self, noted: Mapping[str, int]) -> None:
        """After the commit that noted them."""
        for kind, span in noted.items():
            self._longest[kind] = max(span, self._longest[kind])

    def repair(self, session: Session, *, alone: bool) -> None:
        """Pull rows that lie too far ahead to now. `alone`: no gateway sends, so every lease has ended but a consumer's."""
        if alone:
            for (sink,) in session.rows(sql.NAMES):
                session.change(sql.PULL_OWN, {"sink": sink, "rank": Rank.LEASED, "longest": 0})
        for far in self._far(session):
            session.change(sql.PULL, far)

    def repair_step(self, session: Session, most: int) -> bool:
        """Pull up to `most` of them; False: there are no more."""
        left = most
        with session.atomic():
            for far in self._far(session):
                left -= session.change(sql.PULL_SOME, {**far, "most": left})
                if left <= 0:
                    return True
        return False

    def _far(self, session: Session) -> Iterator[Mapping[str, object]]:
        """What lies too far ahead: of each sink and rank, past so many ms."""
        lease, delay = (self._longest_noted(session, kind) for kind in ("lease", "delay"))
        for (sink,) in session.rows(sql.NAMES):
            for rank in (Rank.LEASED, Rank.FRESH, Rank.AGAIN, Rank.LAST):
                yield {"sink": sink, "rank": rank, "longest": lease if rank is Rank.LEASED else delay}

    def _longest_noted(self, session: Session, kind: str) -> int:
        noted = value_of(session.rows(_NOTED, {"name": f"longest_{kind}"}))
        return max(self._longest[kind], int(noted or 0))
