"""Which deliveries are meant, and whether a row of a search is one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.model import ALARM_PREFIX
from gateway.states import DeadReason, DeliveryState, WaitsFor
from gateway.store.admin.pages import RowFilter, fits, of_stream, values_of
from gateway.store.records import Rank


class DeliveryKeys(NamedTuple):
    """What a search looks at: its own columns, and where its event is asked for that one's too."""

    key: int
    sink: str
    state: DeliveryState
    reason: DeadReason | None
    rank: Rank
    due_at: int
    since_at: int = 0
    source: str = ""
    type: str = ""
    subject: str = ""
    received_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter(RowFilter):
    """Which deliveries are meant; None: any. Texts that can be several are any of these. `source`, `type` and `stream`
    are globs, `since` and `until` are when their event came (ms), `waits_for` is what a waiting one waits for."""

    SAID_AS = {"waits_for": "held"}  # noqa: RUF012  of the class, as there

    event: str | None = None
    sink: Sequence[str] | str | None = None
    state: DeliveryState | None = None
    waits_for: WaitsFor | None = None
    reason: DeadReason | None = None
    source: Sequence[str] | str | None = None
    type: Sequence[str] | str | None = None
    stream: Sequence[str] | str | None = None
    since: int | None = None
    until: int | None = None

    @property
    def of_events(self) -> bool:
        """Whether it asks for anything that the event says."""
        return any(one is not None for one in (self.source, self.type, self.stream, self.since, self.until))

    @property
    def plain(self) -> bool:
        """Whether every delivery, or every one of an event, is meant."""
        return not set(self.criteria()) - {"event"}

    def keeps(self, row: DeliveryKeys) -> bool:
        """Whether a row of a search is meant; `waits_for` is asked of the whole row later."""
        if self.sink is not None and row.sink not in values_of(self.sink):
            return False
        if (self.state is not None and row.state != self.state) or (
            self.waits_for is not None and row.state != "waiting"
        ):
            return False
        if self.reason is not None and row.reason != self.reason:
            return False
        if not self.of_events:
            return True
        if row.type.startswith(ALARM_PREFIX) and self.stream is not None:
            return False  # it is about a source or a sink, whose name is no stream's
        return (
            fits(self.source, row.source)
            and fits(self.type, row.type)
            and (self.stream is None or any(of_stream(row.subject, glob) for glob in values_of(self.stream)))
            and (self.since is None or row.received_at >= self.since)
            and (self.until is None or row.received_at < self.until)
        )

    def over(self, row: DeliveryKeys) -> bool:
        """Whether every row after this one is too old: it was made before, and an event comes before its deliveries."""
        return self.since is not None and row.since_at < self.since
