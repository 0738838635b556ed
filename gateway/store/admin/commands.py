"""The rules of what people do to events and deliveries: retry, cancel, move, replay, release. Each inside a transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.errors import NotFound, StoreError
from gateway.model import order_key
from gateway.states import DeliveryState
from gateway.store.admin import event_full
from gateway.store.admin.bulk import ItemResult
from gateway.store.admin.event_lookup import row_of, seq_of
from gateway.store.admin.pages import among
from gateway.store.admin.shown_rows import EventFull, EventRow
from gateway.store.engine.batch import Bulk, storable
from gateway.store.engine.encrypted_rows import VERDICT, encrypt
from gateway.store.engine.session import Session
from gateway.store.outbox import recording_joins
from gateway.store.outbox import statements as sql
from gateway.store.outbox.gates import gate_of
from gateway.store.records import Rank

_DELIVERY: Final = "SELECT state, sink, order_key, rank FROM deliveries WHERE id = :id"
# give_up_after counts from the first attempt, and a retry by hand starts it afresh.
_NOW: Final = """UPDATE deliveries SET due_at = :now, since_at = :now, stalled = :stalled,
    first_at = CASE WHEN first_at IS NULL THEN NULL ELSE :now END WHERE id = :id AND state = 'waiting'"""
_ADD: Final = f"""INSERT INTO deliveries (event, sink, state, rank, due_at, token, attempts, round, since_at, order_key, replay,
    source)
  SELECT CAST(:event AS bigint), CAST(:sink AS text), 'waiting', CASE WHEN EXISTS (SELECT 1 FROM deliveries o
    WHERE o.sink = :sink AND o.order_key = :key AND o.rank <> {Rank.BEHIND} AND o.state IN ('waiting','sending')
    AND o.order_key IS NOT NULL) THEN {Rank.BEHIND} ELSE {Rank.FRESH} END, :now, 0, 0, 0, :now, CAST(:key AS text), CAST(:replay AS integer),
    (SELECT e.source FROM events e WHERE e.seq = :event)
  WHERE true ON CONFLICT (event, sink) DO NOTHING RETURNING id"""  # noqa: S608
_OF_EVENT: Final = "SELECT id, sink, state, order_key FROM deliveries WHERE event = :event ORDER BY id"
_WAITING: Final = """SELECT id, order_key, EXISTS (SELECT 1 FROM deliveries o WHERE o.event = deliveries.event AND o.sink = :to)
  FROM deliveries WHERE sink = :sink AND state = 'waiting' AND id {ids} ORDER BY id"""
_THERE: Final = """SELECT count(*) FROM deliveries d WHERE d.id {ids}
  AND EXISTS (SELECT 1 FROM deliveries o WHERE o.event = d.event AND o.sink = :to)"""
_MOVE: Final = f"""UPDATE deliveries SET sink = :to, group_key = NULL, token = token + 1, attempts = 0, due_at = :now, since_at = :now,
    first_at = NULL, stalled = 0, memo = NULL, note = :note, last_error = NULL,
    rank = CASE WHEN EXISTS (SELECT 1 FROM deliveries o WHERE o.sink = :to AND o.order_key = deliveries.order_key
      AND o.order_key IS NOT NULL AND o.rank <> {Rank.BEHIND} AND o.state IN ('waiting','sending')) THEN {Rank.BEHIND}
      WHEN weak = 1 THEN {Rank.LAST} WHEN round = 0 THEN {Rank.FRESH} ELSE {Rank.AGAIN} END
  WHERE id = :id AND sink = :sink AND state = 'waiting'"""  # noqa: S608
_KEYS: Final = "SELECT sink, order_key FROM deliveries WHERE id {ids} ORDER BY id"
_LET_GO: Final = "UPDATE events SET held = NULL WHERE seq = :seq AND held IS NOT NULL"

Rerouting = Callable[[EventFull], tuple[Sequence[str], str]]
"""Where today's routes send a stored event, and their verdict as it is kept."""

_VERDICT: Final = """INSERT INTO verdicts (event, made_at, made_by, routing) VALUES (:event, :now, :by, :routing)"""

MOVED: Final = "moved"
CANCELLED: Final = "cancelled"


@dataclass(frozen=True, slots=True)
class Asked:
    """A verdict of today's routes, and who asked for it."""

    routing: str
    by: str


def retry(session: Bulk, delivery: int) -> str:
    """Begin a new round of a finished delivery, or make a waiting one due now; what was done. Raises NotFound."""
    state, sink, rank = _locked(session, delivery)
    if state == "sending":
        return "already on its way"
    session.tally.waiting.add(sink)
    if state == "waiting":
        gate = gate_of(session, sink)
        session.change(_NOW, {"id": delivery, "stalled": gate.stalled})
        if gate.paused:
            return "due as soon as its sink goes on: it is paused"
        if gate.open_until is not None:
            return "due as soon as its sink's circuit closes"
        return "due when it is its turn: an older one of its stream comes first" if rank == Rank.BEHIND else "due now"
    session.rows(sql.NEW_ROUND, {"id": delivery, "replay": int(state == "delivered")})
    return "a new round begins"


def cancel(session: Bulk, delivery: int) -> str:
    """End an open delivery; what was done. Raises NotFound."""
    state, _, _ = _locked(session, delivery)
    if not end_delivery(session, delivery, "cancelled by hand"):
        return f"finished already: {state}"
    return "cancelled" if state == "waiting" else "cancelled; the attempt under way may still arrive"


def _locked(session: Bulk, delivery: int) -> tuple[DeliveryState, str, Rank]:
    """State, sink and rank of a delivery whose ordering key nobody else decides about meanwhile."""
    for _ in range(2):
        rows = session.rows(_DELIVERY, {"id": delivery})
        if not rows:
            raise NotFound(f"there is no delivery {delivery}; `gateway deliveries list` shows those there are")
        ((state, sink, key, rank),) = rows
        if key is not None:
            session.lock({f"{sink} {key}"})  # read again: who held the lock may have changed the row
    return state, sink, Rank(rank)


def end_delivery(session: Bulk, delivery: int, note: str) -> bool:
    """Cancel it, and let the next of its key go. Its key is locked."""
    for sink, key in session.rows(sql.CANCEL, {"id": delivery, "note": note}):
        session.tally.ended += 1
        _promote(session, sink, key)
        return True
    return False


def _promote(session: Bulk, sink: str, key: str | None) -> None:
    if key is not None and session.change(sql.PROMOTE, {"sink": sink, "key": key}):
        session.tally.freed.add(sink)


def move(session: Bulk, ids: Sequence[int], *, sink: str, to: str) -> list[ItemResult]:
    """Give waiting deliveries of one sink to another, where each arrives as one never tried.

    One whose event the other has already is cancelled; one that waits no more is left alone.
    """
    condition, these = among(session, ids)
    values = {"sink": sink, "to": to, "ids": these}
    rows = {id_: (key, there) for id_, key, there in session.rows(_WAITING.format(ids=condition), values)}
    keys = sorted({key for key, _ in rows.values() if key is not None})
    session.lock({f"{one} {key}" for one in (sink, to) for key in keys})
    answers: list[ItemResult] = []
    for id_ in ids:
        _, there = rows.get(id_, (None, None))
        if there is None:
            answers.append(ItemResult(str(id_), "left alone: it does not wait any more", well=False))
        elif there:
            ended = end_delivery(session, id_, storable(f"moved to {to}, which has this event already"))
            answers.append(ItemResult(str(id_), CANCELLED, well=ended))
        else:
            moved = session.change(_MOVE, {"id": id_, "sink": sink, "to": to, "note": storable(f"moved from {sink}")})
            answers.append(ItemResult(str(id_), MOVED, well=moved == 1))
    for key in keys:
        _promote(session, sink, key)
    session.tally.waiting.add(to)
    return answers


def moved(answers: Sequence[ItemResult]) -> str:
    """Both numbers of a move."""
    counts = Counter(answer.text for answer in answers if answer.well)
    return f"{counts[MOVED]} moved, {counts[CANCELLED]} cancelled"


def already_there(session: Session, ids: Sequence[int], *, to: str) -> int:
    """Of how many of these deliveries another sink has the event already."""
    condition, these = among(session, ids)
    ((count,),) = session.rows(_THERE.format(ids=condition), {"to": to, "ids": these})
    return int(count)


def lock_keys(session: Bulk, ids: Sequence[int]) -> None:
    """Lock the ordering keys of many deliveries at once, because one after the other they meet another's locks."""
    condition, these = among(session, ids)
    rows = session.rows(_KEYS.format(ids=condition), {"ids": these})
    session.lock({f"{sink} {key}" for sink, key in rows if key is not None})


def replay(
    session: Bulk, ref: str, sinks: Sequence[str] | None, verdict: Asked | None, ordered: frozenset[str]
) -> Sequence[int]:
    """A new round of an event's deliveries; the deliveries that begin one. Raises NotFound, StoreError (held, nowhere to go)."""
    row = row_of(session, seq_of(session, ref))
    if row.held is not None:
        raise StoreError(f"the event {row.ref} is held ({row.held}): look at it, then `gateway events release` it")
    _keep(session, row, verdict)
    there = session.rows(_OF_EVENT, {"event": row.seq})
    if sinks is None:
        sinks = [sink for _, sink, _, _ in there]
        if not sinks:
            raise StoreError(f"no route wanted the event {row.ref}: name the sinks, or ask today's routes")
    return _open_rounds(session, row, sinks, ordered, replay=1)


def replay_one(
    session: Bulk,
    ref: str,
    *,
    sinks: Sequence[str] | None,
    route: Rerouting,
    reroute: bool,
    ordered: frozenset[str],
    by: str,
) -> ItemResult:
    """`replay` as people ask for it: to `sinks`, else by today's routes where that was asked for or no route had wanted it."""
    event = event_full.full(session, ref)
    verdict: Asked | None = None
    if event.row.held is None and sinks is None and (reroute or not any(event.row.deliveries.values())):
        sinks, routing = route(event)
        verdict = Asked(routing, by)
    begun = replay(session, event.row.name, sinks, verdict, ordered)
    names = _sinks_of(session, begun)
    text = f"to {', '.join(names)}" if names else "nothing to do: no sink, or still on its way"
    return ItemResult(ref, text, ref=event.row.ref)


def release_one(session: Bulk, ref: str, *, route: Rerouting, ordered: frozenset[str], by: str) -> ItemResult:
    """`release` to the sinks of today's routes."""
    event = event_full.full(session, ref)
    sinks, routing = route(event)
    names = _sinks_of(session, release(session, event.row.name, sinks, ordered, Asked(routing, by)))
    return ItemResult(
        ref, f"released to {', '.join(names)}" if names else "released; no route wants it", ref=event.row.ref
    )


def _sinks_of(session: Bulk, ids: Sequence[int]) -> list[str]:
    condition, these = among(session, ids)
    return [sink for sink, _ in session.rows(_KEYS.format(ids=condition), {"ids": these})] if ids else []


def _keep(session: Bulk, row: EventRow, verdict: Asked | None) -> None:
    """What the routes said this time stands beside what they said before, because nobody may rewrite why it went."""
    if verdict is not None:
        routing = encrypt(session, VERDICT, (row.source, row.ref), verdict.routing)
        session.change(_VERDICT, {"event": row.seq, "by": storable(verdict.by), "routing": routing})


def release(
    session: Bulk, ref: str, sinks: Sequence[str], ordered: frozenset[str], verdict: Asked | None = None
) -> Sequence[int]:
    """End the hold of an event and give it its deliveries. Raises NotFound, StoreError (not held)."""
    recording_joins.lock(session)
    row = row_of(session, seq_of(session, ref))
    if not session.change(_LET_GO, {"seq": row.seq}):
        raise StoreError(f"the event {row.ref} is not held")
    _keep(session, row, verdict)
    begun = _open_rounds(session, row, sinks, ordered, replay=0)
    recording_joins.join(session, row.seq)
    return begun


def _open_rounds(
    session: Bulk, row: EventRow, sinks: Sequence[str], ordered: frozenset[str], *, replay: int
) -> Sequence[int]:
    """A round for each sink that has none open, by the order of `sinks`; what is open is left alone."""
    seq, key = row.seq, order_key(row.source, row.subject, ordered=True)
    keys = {sink: key for sink in sinks if sink in ordered and key is not None}
    keys |= {sink: key for _, sink, _, key in session.rows(_OF_EVENT, {"event": seq}) if key is not None}
    session.lock({f"{sink} {keys[sink]}" for sink in sinks if sink in keys})
    there = {sink: id_ for id_, sink, _, _ in session.rows(_OF_EVENT, {"event": seq})}
    begun: list[int] = []
    for sink in dict.fromkeys(sinks):
        if sink in there:
            again = session.rows(sql.NEW_ROUND, {"id": there[sink], "replay": replay})
            begun += [there[sink]] if again else []
        else:
            values = {"event": seq, "sink": sink, "key": keys.get(sink), "replay": replay}
            begun += [int(id_) for (id_,) in session.rows(_ADD, values)]
    session.tally.waiting.update(sinks if begun else ())
    return begun
