"""What people read in a store beside a running gateway: pages, look-ups, the store at a glance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from gateway.errors import NotFound, StoreUnavailable
from gateway.runtime.clock import Clock
from gateway.runtime.lean_imports import Later
from gateway.store.admin import deliveries as waiting
from gateway.store.admin import pages, short_ids
from gateway.store.admin.configured import Configured, Knowing
from gateway.store.admin.connections import StoreConnections
from gateway.store.admin.delivery_filter import DeliveryFilter
from gateway.store.admin.event_search import EventFilter, search_events
from gateway.store.admin.search_budget import SearchBudget
from gateway.store.admin.shown_rows import (
    AttemptRow,
    DeliveryRow,
    EventFull,
    EventRow,
    RefusedRow,
    ServingRow,
    SinkRow,
    SourceRow,
    StandingAlarm,
    Status,
)
from gateway.store.admin.standing_alarms import standing_alarms
from gateway.store.engine.cipher import Cipher
from gateway.store.engine.session import Session
from gateway.text.store_address import parse_address

if TYPE_CHECKING:
    from gateway.store.admin import audit, cipher_report, commands, event_full, gateways, jobs, key_uses, overview
    from gateway.store.admin.audit import AuditRow
    from gateway.store.admin.job_rows import JobRow
    from gateway.store.outbox import activity, counts
    from gateway.store.verify import verifier
    from gateway.store.verify.violations import Violation
else:  # imported by the first question that needs one, because a listing needs none
    audit = Later("gateway.store.admin.audit")
    cipher_report = Later("gateway.store.admin.cipher_report")
    commands = Later("gateway.store.admin.commands")
    event_full = Later("gateway.store.admin.event_full")
    gateways = Later("gateway.store.admin.gateways")
    jobs = Later("gateway.store.admin.jobs")
    key_uses = Later("gateway.store.admin.key_uses")
    overview = Later("gateway.store.admin.overview")
    activity = Later("gateway.store.outbox.activity")
    counts = Later("gateway.store.outbox.counts")
    verifier = Later("gateway.store.verify.verifier")

T = TypeVar("T")
CHOSEN_PAGE_ROWS: Final = 5000  # ids read in one statement when many are chosen


class StoreQueries:
    """What the command line and the admin API read beside a running gateway, and how they reach the store.

    Opens its own short-lived connections, takes no lock, never checkpoints, never makes or migrates a store (except
    `migrate`). Synchronous; one short transaction a call. `configured` are the sinks of the configuration, for
    `held: orphaned` (None: not known, so nothing is); `rated`, `batched` and `ordered` those with delivery.rate,
    delivery.batch and delivery.order, `pulled` those that consumers fetch from, for `held: rate|batch|consumer` and for
    the order of what is replayed; `owned` those with a directory, for `held: owner`; `grouped` what batches are grouped by, for what is taken in. `known` says the same of sinks, when a question needs it.

    Everything raises StoreUnavailable where the store is not there or does not answer, and SchemaMismatch where its
    tables are older or newer than this program.
    """

    def __init__(
        self,
        url: str,
        *,
        password: str | None = None,
        cipher: Cipher | None = None,
        clock: Clock | None = None,
        configured: Collection[str] | None = None,
        rated: Collection[str] = (),
        batched: Collection[str] = (),
        pulled: Collection[str] = (),
        ordered: Collection[str] = (),
        owned: Collection[str] = (),
        grouped: Mapping[str, Sequence[str]] | None = None,
        known: Callable[[], Knowing] | None = None,
    ) -> None:
        try:
            self._address = parse_address(url, password)
        except ValueError as error:
            raise StoreUnavailable(str(error)) from None
        self._connections = StoreConnections(self._address, clock, cipher, grouped)
        self._ask_known = known or partial(
            Configured,
            sinks=None if configured is None else frozenset(configured),
            rated=frozenset(rated),
            batched=frozenset(batched),
            pulled=frozenset(pulled),
            ordered=frozenset(ordered),
            owned=frozenset(owned),
        )

    @cached_property
    def _known(self) -> Knowing:
        return self._ask_known()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        self._connections.close()

    # -- reading: newest first; `before` is the last key of the previous page; limit <= 200 a page

    def events(
        self,
        filter: EventFilter | None = None,
        *,
        limit: int = 50,
        before: int | None = None,
        budget: SearchBudget | None = None,
        **more: Any,
    ) -> Sequence[EventRow]:
        """A page of events, as a filter or its fields say; `before` is the `seq` of the last one seen."""
        filter = filter or EventFilter(**more)
        return self._connections.read(
            lambda session: search_events(session, filter, limit=limit, before=before, budget=budget)
        )

    def event(self, ref: str) -> EventFull:
        """By id, unique prefix of at least 6 digits, `id~variant`, and with `source:` before it any of them.

        Raises NotFound, naming near misses, or Ambiguous, listing those that are meant.
        """
        return self._connections.read(lambda session: event_full.full(session, ref))

    def deliveries(
        self,
        filter: DeliveryFilter | None = None,
        *,
        limit: int = 50,
        before: int | None = None,
        budget: SearchBudget | None = None,
        **more: Any,
    ) -> Sequence[DeliveryRow]:
        """A page of deliveries, as a filter or its fields say; `before` is the `id` of the last one seen. Raises NotFound."""
        filter = filter or DeliveryFilter(**more)
        return self._connections.read(
            lambda session: waiting.deliveries(session, self._known, filter, limit=limit, before=before, budget=budget)
        )

    def choose(self, filter: DeliveryFilter) -> Sequence[int]:
        """The ids of all deliveries that are meant now, oldest first: what a bulk act is then done to, and nothing newer."""
        found: list[int] = []
        before: int | None = None
        while page := self._connections.read(
            partial(waiting.ids, known=self._known, filter=filter, limit=CHOSEN_PAGE_ROWS, before=before)
        ):
            found += page
            before = page[-1]
        return found[::-1]

    def already_there(self, ids: Sequence[int], to: str) -> int:
        """Of how many of these deliveries another sink has the event already: a move cancels them."""
        pieces = (ids[at : at + CHOSEN_PAGE_ROWS] for at in range(0, len(ids), CHOSEN_PAGE_ROWS))
        return sum(self._connections.read(partial(commands.already_there, ids=piece, to=to)) for piece in pieces)

    def delivery(self, id: int) -> tuple[DeliveryRow, Sequence[AttemptRow]]:
        """One delivery with all its attempts, oldest first. Raises NotFound."""
        return self._connections.read(lambda session: waiting.delivery_of(session, self._known, id))

    def refused(self, *, source: str | None = None, limit: int = 50, before: int | None = None) -> Sequence[RefusedRow]:
        """A page of refused callbacks; `before` is the `id` of the last one seen."""
        return self._connections.read(lambda session: pages.refused(session, source=source, limit=limit, before=before))

    def refusal(self, id: int) -> RefusedRow:
        """One refused callback. Raises NotFound."""
        found = self._connections.read(lambda session: pages.refusal(session, id))
        if found is None:
            raise NotFound(f"there is no refused callback {id}; only the last ones of each source are kept")
        return found

    def sinks(self) -> Sequence[SinkRow]:
        """Every sink that the store knows of: that has deliveries, was paused, or whose circuit was open."""
        return self._connections.read(overview.sinks)

    def sink_names(self) -> Sequence[str]:
        """The names of the sinks that the store knows of, along an index."""
        return self._connections.read(overview.sink_names)

    def loads(self) -> Sequence[SinkRow]:
        """The same as `sinks`, counted no further than a page needs; `delivered` stays 0."""
        return self._connections.read(lambda session: counts.sinks(session, overview.dead_sinks(session)))

    def held_events(self, most: int = 10_001) -> int:
        """How many events wait for a person, counted no further than `most`."""
        return self._connections.read(partial(overview.held_events, most=most))

    def sources(self) -> Mapping[str, SourceRow]:
        """What is known of every source that sent something, by name; of paths that name none under the empty one."""
        return self._connections.read(_sources)

    def jobs(self, *, limit: int = 50, before: int | None = None) -> Sequence[JobRow]:
        """A page of bulk acts, newest first."""
        return self._connections.read(lambda session: jobs.page(session, limit=limit, before=before))

    def job(self, id: int) -> JobRow:
        """One bulk act. Raises NotFound."""
        return self._connections.read(lambda session: jobs.job_of(session, id))

    def ask(self, question: Callable[[Session], T]) -> T:
        """Ask something that has no method of its own."""
        return self._connections.read(question)

    def short_refs(self, events: Iterable[tuple[str, str, str]]) -> Mapping[tuple[str, str], str]:
        """The shortest names of these events (ref, id, source) that every command takes, by ref and source."""
        return self._connections.read(lambda session: short_ids.short_refs(session, events))

    def knows_source(self, name: str) -> bool:
        """Whether anything in the store came from a source of this name."""
        return self._connections.read(lambda session: overview.knows_source(session, name))

    def serving(self) -> Sequence[ServingRow]:
        """The gateways that serve the store now, the oldest first."""
        return self._connections.read(lambda session: gateways.serving(session, self._address))

    def standing_alarms(self) -> Sequence[StandingAlarm]:
        """What alarms told of that holds now, beside what sinks and deliveries say themselves."""
        return self._connections.read(standing_alarms)

    def status(self) -> Status:
        """The store at a glance."""
        return self._connections.read(lambda session: overview.status(session, self._address))

    def violations(self, progress: Callable[[int], object] = lambda _keys: None) -> Iterator[Violation]:
        """Every violation of the outbox's invariants, as it is found; `progress` hears of the keys that were looked at."""
        return verifier.violations(self._connections.read, progress)

    def keys_to_verify(self) -> int:
        """How many keys `violations` looks at."""
        return self._connections.read(verifier.keys)

    def cipher_keys(self) -> cipher_report.CipherReport:
        """What rows are encrypted with, counted, and how far a change of the key is."""
        return self._connections.read(cipher_report.report)

    def audit(
        self,
        *,
        act: str | None = None,
        actor: str | None = None,
        target: str | None = None,
        since: int | None = None,
        limit: int = 50,
        before: int | None = None,
        budget: SearchBudget | None = None,
    ) -> Sequence[AuditRow]:
        """A page of what people did; `act` and `actor` are globs, `target` a sink, a delivery or an event that was named."""

        def keeps(row: AuditRow) -> bool:
            return (
                (act is None or fnmatchcase(row.act, act))
                and (actor is None or fnmatchcase(row.actor, actor))
                and (target is None or target in row.target.split(" "))
                and (since is None or row.at >= since)
            )

        return self._connections.read(
            lambda session: audit.page(
                session, keeps, limit=min(limit, 200), before=before, act=act, actor=actor, since=since, budget=budget
            )
        )

    def _rows_of(self, ids: Sequence[int]) -> Sequence[DeliveryRow]:
        return self._connections.read(lambda session: waiting.by_id(session, self._known, ids))[::-1]


def _sources(session: Session) -> Mapping[str, SourceRow]:
    known = dict(activity.all_activity(session))
    uses: dict[str, dict[str, int]] = defaultdict(dict)
    for (source, mark), at in key_uses.all_uses(session).items():
        uses[source][mark] = at
    for source, marks in uses.items():
        known[source] = known.get(source, SourceRow(name=source)).replace(key_uses=marks)
    return known
