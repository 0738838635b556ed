"""The people's side of the store: what the command line reads and changes beside a running gateway."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from gateway.clock import Clock
from gateway.store.records import (
    Accepted,
    AttemptRow,
    DeliveryRow,
    EventFull,
    EventRow,
    NewEvent,
    RefusedRow,
    SinkRow,
    Status,
)


class Desk:
    """The people's side: what the command line (and later the admin API) reads and changes beside a running gateway.

    Opens its own short-lived connection, takes no lock, never checkpoints, never migrates (except `migrate`).
    Synchronous; one short transaction a call. `configured` are the sinks of the configuration, for `held: orphaned`;
    `rated` and `batched` those with delivery.rate / delivery.batch, for `held: rate|batch`.
    """

    def __init__(
        self,
        url: str,
        *,
        password: str | None = None,
        clock: Clock | None = None,
        configured: Collection[str] = (),
        rated: Collection[str] = (),
        batched: Collection[str] = (),
    ) -> None: ...

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *exc: object) -> None: ...

    # -- reading: newest first; `before` is the last key of the previous page; limit <= 200 a page
    def events(
        self,
        *,
        held: bool = False,
        source: str | None = None,
        type: str | None = None,  # glob
        subject: str | None = None,  # glob
        limit: int = 50,
        before: int | None = None,
    ) -> Sequence[EventRow]:
        raise NotImplementedError

    def event(self, ref: str) -> EventFull:
        """By id, unique prefix of at least 6 digits, or `id~variant`. Raises NotFound, naming near misses."""
        raise NotImplementedError

    def deliveries(
        self,
        *,
        event: str | None = None,
        sink: str | None = None,
        state: str | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> Sequence[DeliveryRow]:
        raise NotImplementedError

    def delivery(self, id: int) -> tuple[DeliveryRow, Sequence[AttemptRow]]:
        raise NotImplementedError

    def refused(self, *, source: str | None = None, limit: int = 50, before: int | None = None) -> Sequence[RefusedRow]:
        raise NotImplementedError

    def refusal(self, id: int) -> RefusedRow:
        raise NotImplementedError

    def sinks(self) -> Sequence[SinkRow]:
        raise NotImplementedError

    def status(self) -> Status:
        raise NotImplementedError

    # -- changing
    def retry(self, delivery: int) -> str:
        """Start a new round of a dead or delivered one, or make a waiting one due now; says what was done (OUTBOX 2)."""
        raise NotImplementedError

    def cancel(self, delivery: int) -> str:
        raise NotImplementedError

    def move(self, sink: str, to: str) -> int:
        """Give the waiting deliveries of one sink to another; those that have one there already are cancelled."""
        raise NotImplementedError

    def replay(
        self, ref: str, *, sinks: Sequence[str] | None = None, routing: str | None = None
    ) -> Sequence[DeliveryRow]:
        """A new round of this event's deliveries: to `sinks`, else to those of the first time. With `routing`, store the
        new verdict (reroute). Open deliveries are left alone."""
        raise NotImplementedError

    def release(self, ref: str, sinks: Sequence[str]) -> Sequence[DeliveryRow]:
        """End the hold of a conflicting or quarantined event and give it its deliveries."""
        raise NotImplementedError

    def erase(self, ref: str) -> None:
        """Cancel open deliveries and delete the event with everything that was kept of it; its id stays remembered."""
        raise NotImplementedError

    def pause(self, sink: str, by: str) -> bool:
        raise NotImplementedError

    def resume(self, sink: str) -> bool:
        raise NotImplementedError

    def forget_refusal(self, id: int) -> None:
        raise NotImplementedError

    def take(self, events: Sequence[NewEvent]) -> Sequence[Accepted]:
        """Accept beside the running gateway, for `refused retry`; its lanes find the rows within a second."""
        raise NotImplementedError

    def migrate(self) -> tuple[int, int]:
        """Bring the tables to this program's schema: (from, to)."""
        raise NotImplementedError
