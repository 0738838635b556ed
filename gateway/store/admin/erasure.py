"""The rules of erasing: everything that holds what a person wants gone, in one transaction, and what is left to say of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from typing import Final

from gateway.errors import Ambiguous, NotFound, ValueUnreadable
from gateway.model import RECORDING_OVERDUE, RECORDING_RECOVERED, stream_of
from gateway.store.admin import audit, erased_mentions
from gateway.store.admin.commands import end_delivery
from gateway.store.admin.event_lookup import readings_of, row_of, seq_of
from gateway.store.admin.pages import among, event_ref, refusal
from gateway.store.engine.batch import Bulk
from gateway.store.engine.encrypted_rows import EventKey, body_if_readable, open_event
from gateway.store.outbox import erasures, recording_joins
from gateway.store.records import Refusal
from gateway.store.sqlite import scrub

ERASED: Final = "erased"
Ids = Callable[[Refusal], Collection[str]]

_ALL: Final = "SELECT seq FROM events WHERE id = :id AND source = :source"
_FOLLOWING: Final = """SELECT c.seq FROM events e JOIN events c ON c.source = e.source AND c.cause IS NOT NULL
  AND c.cause = :ref WHERE e.seq = :seq"""
# What a watch rule said behind an event: it names that one in `extra`, and all that the event is called.
_BEHIND: Final = f"""SELECT c.seq, c.body, c.source, c.id, c.variant FROM events e JOIN events c ON c.source = e.source AND c.seq > e.seq
  AND c.type IN ('{RECORDING_OVERDUE}', '{RECORDING_RECOVERED}') WHERE e.seq = :seq"""  # noqa: S608  constants of ours
_REMEMBERED: Final = "SELECT DISTINCT source FROM remembered WHERE id = :id ORDER BY source"
_LEFT_OF_IT: Final = "SELECT seq FROM events WHERE cause IS NOT NULL AND cause = :ref AND source = :source"
_CONTENT: Final = "SELECT id, variant, source, subject, raw, body FROM events WHERE seq {ids}"
_REMEMBER: Final = """INSERT INTO remembered (id, source, fingerprint, trust, held, seal, seen_at)
  SELECT e.id, e.source, e.fingerprint, e.trust, CASE WHEN e.held IS NULL THEN 0 ELSE 1 END, e.seal, :now FROM events e
  WHERE e.seq = :seq ON CONFLICT (id, source, fingerprint, trust, held) DO UPDATE SET seen_at = excluded.seen_at"""
_REFUSED: Final = "SELECT id FROM refused WHERE source = :source"


class SameCallbacks:
    """The refused callbacks that say the same as an event: byte for byte, or by the id their source gives them.

    `ids` reads a callback without verifying it; None: nobody here knows the sources. Each is read once.
    """

    def __init__(self, ids: Ids | None) -> None:
        self._ids = ids
        self._read: dict[int, tuple[bytes, frozenset[str]]] = {}

    def refusals_of(self, session: Bulk, source: str, id: str, raw: bytes) -> list[int]:
        """Which refused callbacks of this source go with this event."""
        same = []
        for (row,) in session.rows(_REFUSED, {"source": source}):
            body, ids = self._compare(session, int(row))
            if (raw and body == raw) or id in ids:
                same.append(int(row))
        return same

    def _compare(self, session: Bulk, row: int) -> tuple[bytes, frozenset[str]]:
        if row not in self._read:
            kept = refusal(session, row)
            assert kept is not None  # of this transaction's snapshot
            ids = frozenset(self._ids(kept.refusal)) if self._ids is not None else frozenset()
            self._read[row] = kept.refusal.body, ids
        return self._read[row]


def erase(session: Bulk, ref: str, same: SameCallbacks) -> str:
    """Delete what a person named with all that was kept of it; the reference it had. Raises NotFound.

    A plain id takes every content under it along, `id~variant` only that one; and both what follows on it, because that
    says the same of it. Ids and fingerprints stay remembered, so that the vendor's repeat, or the sink's, does not bring
    it back. What sinks may still hold is noted for them, also of what retention deleted before.
    """
    recording_joins.lock(session)
    try:
        row = row_of(session, seq_of(session, ref))
    except Ambiguous:
        raise
    except NotFound:
        if (deleted := _deleted_before(session, ref)) is None:
            raise
        name, seqs = deleted
    else:
        name, seqs = row.ref, [row.seq]
        if "~" not in row.ref.removeprefix(row.id):
            seqs = [seq for (seq,) in session.rows(_ALL, {"id": row.id, "source": row.source})]
    if seqs := _with_what_follows(session, seqs):
        _delete(session, seqs, same)
    return name


def _deleted_before(session: Bulk, ref: str) -> tuple[str, list[int]] | None:
    """What retention deleted, of which only the id is remembered, may be held by sinks all the same: they are told. Its name,
    and the rows of what follows on it; None: nobody knows it. Raises Ambiguous where its source has to be said."""
    for source, name in readings_of(ref):
        for id in filter(None, (name, name.rpartition("~")[0])):
            of_it = [known for (known,) in session.rows(_REMEMBERED, {"id": id}) if source in (None, known)]
            if len(of_it) > 1:
                raise Ambiguous(ref, [f"{known}:{name}" for known in of_it])
            if of_it:
                erasures.note(session, of_it[0], name)
                children = session.rows(_LEFT_OF_IT, {"source": of_it[0], "ref": name})
                return name, [seq for (seq,) in children]
    return None


def _last_part(subject: str) -> str:
    """The shortest end of it that a filter can have asked for."""
    return subject[subject.rstrip("/").rfind("/") + 1 :]


def _delete(session: Bulk, seqs: Sequence[int], same: SameCallbacks) -> None:
    condition, ids = among(session, seqs)
    of_them = f"FROM deliveries WHERE event {condition} AND state IN ('waiting','sending') ORDER BY id"
    names = session.rows(f"SELECT sink, order_key {of_them}", {"ids": ids})
    session.lock({f"{sink} {key}" for sink, key in names if key is not None})
    for (delivery,) in session.rows(f"SELECT id {of_them}", {"ids": ids}):
        end_delivery(session, delivery, ERASED)
    contents = session.rows(_CONTENT.format(ids=condition), {"ids": ids})
    for id_, variant, source, _, raw, body in contents:
        erasures.note(session, source, event_ref(id_, bytes(variant)))
        for refused in same.refusals_of(
            session, source, id_, _raw(session, EventKey(source, id_, bytes(variant)), body, raw)
        ):
            session.change("DELETE FROM refused WHERE id = :id", {"id": refused})
    subjects = {subject for _, _, _, subject, _, _ in contents}
    streams = {part for one in subjects for part in (one, stream_of(one), _last_part(one))}
    audit.hide(session, streams)
    erased_mentions.silence(session, seqs, {id_ for id_, *_ in contents}, streams)
    scrub.request(session)
    of_recordings = {recording for seq in seqs if (recording := recording_joins.of_event(session, seq)) is not None}
    for seq in seqs:
        session.change(_REMEMBER, {"seq": seq})
        session.change("DELETE FROM events WHERE seq = :seq", {"seq": seq})
    recording_joins.rebuild(session, of_recordings)


def _with_what_follows(session: Bulk, seqs: Sequence[int]) -> list[int]:
    """These events and everything behind them."""
    all_ = list(seqs)
    for seq in all_:  # grows meanwhile
        ref = row_of(session, seq).ref
        following = session.rows(_FOLLOWING, {"seq": seq, "ref": ref})
        all_ += [child for (child,) in following if child not in all_]
        behind = session.rows(_BEHIND, {"seq": seq})
        all_ += [
            child
            for child, body, *key in behind
            if child not in all_ and _stands_behind(body_if_readable(session, EventKey(*key), body), ref)
        ]
    return all_


def _raw(session: Bulk, key: EventKey, body: str, raw: bytes) -> bytes:
    """The vendor's bytes; none where nobody can open them, because what cannot be read must go all the same."""
    try:
        return open_event(session, key, body, raw)[1]
    except ValueUnreadable:
        return b""


def _stands_behind(body: str | None, ref: str) -> bool:
    return body is not None and ref in body and json.loads(body)["data"]["extra"].get("behind") == ref
