"""Bulk acts that go on by themselves: each step is one transaction that does some, says how far it is, and holds the job."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, assert_never

from gateway.errors import NotFound, StoreError
from gateway.states import AuditAct, BulkAct, JobState
from gateway.store.admin import audit, commands, deliveries, erasure, event_search
from gateway.store.admin.audit import Actor, AuditEntry
from gateway.store.admin.bulk import ItemResult
from gateway.store.admin.configured import Knowing
from gateway.store.admin.damage_bypass import NEWEST_KEY, last_key, readable_onwards
from gateway.store.admin.delivery_filter import DeliveryFilter
from gateway.store.admin.event_search import EventFilter
from gateway.store.admin.job_rows import COLUMNS, JobOptions, JobRow, job_row
from gateway.store.admin.pages import PAGE_ROWS_MAX, values_of
from gateway.store.engine.batch import Bulk, storable
from gateway.store.engine.session import Session

LEASE_MS: Final = 30_000  # after which another gateway goes on with it
STEP_ROWS_MAX: Final = 50  # done in one transaction, because accepts wait behind it
ANSWERS_MAX: Final = 20  # that are kept of a job
OF_DELIVERIES: Final[tuple[BulkAct, ...]] = ("retry", "cancel", "move")
OF_EVENTS: Final[tuple[BulkAct, ...]] = ("replay", "release", "erase")
STOPPED: Final = "its token was removed"

_INSERT: Final = """INSERT INTO jobs (created_at, actor, place, holder, act, filter, options, pause_us, matched, upto, state,
    audit)
  VALUES (:now, :actor, :place, :holder, :act, :filter, :options, :pause, :matched, :upto, 'waiting', :audit) RETURNING id"""
_ONE: Final = f"SELECT {COLUMNS} FROM jobs WHERE id = :id"  # noqa: S608
_PAGE: Final = f"SELECT {COLUMNS} FROM jobs WHERE id < :before ORDER BY id DESC LIMIT :most"  # noqa: S608
_LEASE: Final = """UPDATE jobs SET owner = :owner, until_at = :now + :lease, state = 'running'
  WHERE id = :id AND finished_at IS NULL AND (owner IS NULL OR owner = :owner OR until_at <= :now)"""
_ON: Final = """UPDATE jobs SET at_row = :at, done = :done, failed = :failed, answers = :answers WHERE id = :id"""
_END: Final = """UPDATE jobs SET finished_at = :now, state = :state, result = :result, owner = NULL
  WHERE id = :id AND finished_at IS NULL"""
# What an erasure asked for names what is gone, and so may what another act asked for that went on beside one.
_HIDE: Final = """UPDATE jobs SET filter = '{}', answers = CASE WHEN act = 'erase' THEN answers ELSE '[]' END WHERE id = :id
  AND (act = 'erase' OR EXISTS (SELECT 1 FROM audit a WHERE a.id > jobs.audit AND a.act IN ('events erase', 'bulk erase')))"""
AUDITED_AS: Final[Mapping[BulkAct, AuditAct]] = {
    "retry": "bulk retry",
    "replay": "bulk replay",
    "cancel": "bulk cancel",
    "release": "bulk release",
    "erase": "bulk erase",
    "move": "bulk move",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a step needs that the store does not know: today's sinks and routes, and how refused callbacks are read."""

    owner: str
    holders: Collection[str]  # the tokens that may operate now
    known: Knowing
    route: commands.Rerouting
    ids: erasure.Ids | None


@dataclass(frozen=True, slots=True)
class JobSpan:
    """The rows above `after` and up to `upto`, as one step of a job; `given_up`: nothing is done there, with this answer."""

    after: int
    upto: int
    given_up: ItemResult | None = None


def filter_of(act: BulkAct, said: Mapping[str, object]) -> DeliveryFilter | EventFilter:
    """The filter of a job from what is kept of it."""
    return DeliveryFilter.of_criteria(said) if act in OF_DELIVERIES else EventFilter.of_criteria(said)


def preview(
    session: Session, known: Knowing, filter: DeliveryFilter | EventFilter, upto: int | None
) -> tuple[int, int]:
    """How many are meant, and the last row there was; `upto`: of these only, as an earlier preview said."""
    if upto is None:
        upto = last_key(session, "deliveries" if isinstance(filter, DeliveryFilter) else "events")
    matched, at = 0, 0
    while at < upto:
        found, at = next_readable(session, known, filter, after=at, upto=upto, most=NEWEST_KEY)
        matched += len(found)
    return matched, upto


def _next(
    session: Session, known: Knowing, filter: DeliveryFilter | EventFilter, *, after: int, upto: int, most: int
) -> tuple[Sequence[object], int]:
    if isinstance(filter, DeliveryFilter):
        return deliveries.forward(session, known, filter, after=after, upto=upto, most=most)
    return event_search.forward(session, filter, after=after, upto=upto, most=most)


def next_readable(
    session: Session, known: Knowing, filter: DeliveryFilter | EventFilter, *, after: int, upto: int, most: int
) -> tuple[Sequence[object], int]:
    """The next that are meant, round damaged pages, and the last row that was looked at. In no transaction."""

    def ask(after: int, upto: int) -> tuple[Sequence[object], int]:
        return _next(session, known, filter, after=after, upto=upto, most=most)

    return readable_onwards(session, ask, after, upto)


def start(
    session: Bulk,
    *,
    act: BulkAct,
    filter: DeliveryFilter | EventFilter,
    options: JobOptions,
    pause_us: int,
    matched: int,
    upto: int,
    actor: Actor,
    holder: str,
) -> int:
    """Write a job down, with its row in the audit log."""
    filters = filter.criteria()
    target = " ".join(options.get("to") or ())
    entry = AuditEntry(
        actor=actor, act=AUDITED_AS[act], target=target, filter=filters, matched=matched, hidden=act == "erase"
    )
    values = {"actor": storable(actor.name, audit.TEXT_CHARS_MAX), "place": storable(actor.place, audit.TEXT_CHARS_MAX)}
    values |= {"holder": holder, "act": act, "filter": json.dumps(filters), "options": json.dumps(options)}
    numbers = {"pause": pause_us, "matched": matched, "upto": upto, "audit": audit.begin_act(session, entry)}
    ((id_,),) = session.rows(_INSERT, {**values, **numbers})
    return int(id_)


def job_of(session: Session, id: int) -> JobRow:
    """One job. Raises NotFound."""
    rows = session.rows(_ONE, {"id": id})
    if not rows:
        raise NotFound(f"there is no job {id}")
    return job_row(rows[0])


def page(session: Session, *, limit: int, before: int | None) -> Sequence[JobRow]:
    """A page of jobs, newest first."""
    values = {"before": NEWEST_KEY if before is None else before, "most": min(limit, PAGE_ROWS_MAX)}
    return [job_row(row) for row in session.rows(_PAGE, values)]


def cancel(session: Bulk, id: int) -> str:
    """End a job before its next step; what was done stays done. Raises NotFound, StoreError."""
    job = job_of(session, id)
    if job.finished_at is not None:
        raise StoreError(f"the job {id} has ended already: {job.state}")
    _end_job(session, job, "cancelled", f"cancelled after {job.done} of {job.matched}")
    return f"cancelled after {job.done} of {job.matched}"


def step(session: Bulk, id: int, tools: Tools, most: int, span: JobSpan | None = None) -> JobRow:
    """Do some of a job, or all of a span of it; the job as it is then. Nothing where another gateway has it."""
    if not session.change(_LEASE, {"id": id, "owner": tools.owner, "lease": LEASE_MS}):
        return job_of(session, id)
    job = job_of(session, id)
    if job.holder not in tools.holders:
        _end_job(session, job, "stopped", f"{STOPPED}; {job.done} of {job.matched} were done")
        return job_of(session, id)
    if span is not None and job.at_row > span.after:
        return job  # another gateway has done it
    after, upto = (job.at_row, job.upto) if span is None else (span.after, span.upto)
    if span is not None and span.given_up is not None:
        at, answers = upto, [span.given_up]
    else:
        filter = filter_of(job.act, job.filter)
        chosen, at = _next(session, tools.known, filter, after=after, upto=upto, most=min(most, STEP_ROWS_MAX))
        answers = _do(session, job, chosen, tools)
    done = job.done + sum(answer.well for answer in answers)
    failed = job.failed + sum(not answer.well for answer in answers)
    kept = [*job.answers, *({"target": answer.item, "done": answer.well, "text": answer.text} for answer in answers)][
        :ANSWERS_MAX
    ]
    session.change(_ON, {"id": id, "at": at, "done": done, "failed": failed, "answers": json.dumps(kept)})
    names = " ".join(answer.ref or answer.item for answer in answers if answer.well)
    if answers:
        audit.go_on(session, job.audit, done, audit.UNDER_WAY, f" {names}" if names and job.act != "move" else "")
    if at >= job.upto:
        _end_job(session, job_of(session, id), "done", f"{done} done" + (f", {failed} could not be" if failed else ""))
    return job_of(session, id)


def renew(session: Bulk, id: int, owner: str) -> JobRow:
    """Keep a job while nothing is done, so that no other gateway takes it."""
    session.change(_LEASE, {"id": id, "owner": owner, "lease": LEASE_MS})
    return job_of(session, id)


def fail(session: Bulk, id: int, why: str) -> None:
    """End a job that cannot go on."""
    _end_job(session, job_of(session, id), "failed", why)


def _end_job(session: Bulk, job: JobRow, state: JobState, result: str) -> None:
    if session.change(_END, {"id": job.id, "state": state, "result": storable(result, audit.TEXT_CHARS_MAX)}):
        session.change(_HIDE, {"id": job.id})
        audit.end_act(session, job.audit, result)


def _do(session: Bulk, job: JobRow, chosen: Sequence[object], tools: Tools) -> list[ItemResult]:
    deliveries = [one for one in chosen if isinstance(one, int)]
    names = [str(name) for _, name in (event for event in chosen if isinstance(event, tuple))]
    by, ordered = f"{job.actor}@{job.place}", tools.known.ordered
    match job.act:
        case "move":
            filter = filter_of(job.act, job.filter)
            assert isinstance(filter, DeliveryFilter)
            (sink, *_), (to, *_) = values_of(filter.sink or ()), job.options["to"] or ()
            return commands.move(session, deliveries, sink=sink, to=to) if deliveries else []
        case "retry":
            return _to_deliveries(session, deliveries, commands.retry)
        case "cancel":
            return _to_deliveries(session, deliveries, commands.cancel)
        case "replay":
            replay = partial(
                commands.replay_one,
                session,
                sinks=job.options.get("to"),
                route=tools.route,
                reroute=bool(job.options.get("reroute")),
                ordered=ordered,
                by=by,
            )
            return [_one(name, partial(replay, name)) for name in names]
        case "release":
            release = partial(commands.release_one, session, route=tools.route, ordered=ordered, by=by)
            return [_one(name, partial(release, name)) for name in names]
        case "erase":
            return [_one(name, partial(_erased, session, name, tools)) for name in names]
        case _:
            assert_never(job.act)


def _to_deliveries(session: Bulk, chosen: Sequence[int], act: Callable[[Bulk, int], str]) -> list[ItemResult]:
    commands.lock_keys(session, chosen)
    return [_one(str(id_), partial(_told, act, session, id_)) for id_ in chosen]


def _told(act: Callable[[Bulk, int], str], session: Bulk, id: int) -> ItemResult:
    return ItemResult(str(id), act(session, id))


def _erased(session: Bulk, name: str, tools: Tools) -> ItemResult:
    return ItemResult(name, erasure.ERASED, ref=erasure.erase(session, name, erasure.SameCallbacks(tools.ids)))


def _one(item: str, act: Callable[[], ItemResult]) -> ItemResult:
    try:
        return act()
    except StoreError as error:  # raised before anything was changed
        return ItemResult(item, str(error), well=False)
