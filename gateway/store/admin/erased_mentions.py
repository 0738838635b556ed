"""What the gateway said of itself may repeat what is being erased: reasons of circuits, alarms, news, kept answers."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from gateway.compact_json import encode_json
from gateway.model import ALARM_SOURCE, ALARM_TYPES
from gateway.store.admin.pages import among
from gateway.store.engine.encrypted_rows import EventKey, body_if_readable
from gateway.store.engine.session import Session
from gateway.store.outbox.key_change import rewrite_event

ERASED: Final = "erased"
KEPT_CHARS: Final = 300  # of an error by which it is known again where it stands cut, with words before it

_SINKS: Final = "SELECT DISTINCT d.sink FROM deliveries d WHERE d.event {ids}"
_SAID: Final = """SELECT a.detail FROM attempts a JOIN deliveries d ON d.id = a.delivery
    WHERE d.event {ids} AND a.outcome <> 'delivered'
  UNION SELECT d.last_error FROM deliveries d WHERE d.event {ids} AND d.last_error IS NOT NULL
  UNION SELECT s.reason FROM sinks s JOIN deliveries d ON d.sink = s.name WHERE d.event {ids} AND s.reason IS NOT NULL"""
_REASON: Final = "UPDATE sinks SET reason = 'erased' WHERE reason IS NOT NULL AND name = :sink"
_ALARM: Final = "UPDATE alarms SET detail = 'erased' WHERE detail <> '' AND about = :sink"
_NEWS: Final = "DELETE FROM live WHERE kind = 'sink' AND sink = :sink"
_ALARM_EVENTS: Final = """SELECT seq, id, variant, body, raw, routing FROM events WHERE type = :type AND source = :source AND seq > :since"""
_NEWS_OF: Final = "DELETE FROM live WHERE event = :event"
_ANSWERS: Final = "SELECT token, name, body FROM requests WHERE status <> 0"
_TAKE_BACK: Final = "UPDATE requests SET status = 410, body = :body WHERE token = :token AND name = :name"
_GONE: Final = json.dumps(
    {
        "type": "about:blank",
        "title": "Gone",
        "status": 410,
        "detail": "it was done, and its answer held what has been erased since",
        "code": "erased",
    }
).encode()


def silence(session: Session, seqs: Sequence[int], ids: Collection[str], streams: Collection[str]) -> None:
    """Take what repeats these events, which are still there, out of everything else. `ids`, `streams`: what they are
    called."""
    condition, values = among(session, seqs)
    sinks = [sink for (sink,) in session.rows(_SINKS.format(ids=condition), {"ids": values})]
    said = {text for (text,) in session.rows(_SAID.format(ids=condition), {"ids": values}) if text not in ("", ERASED)}
    _silence_alarms(session, min(seqs), said)
    for sink in sinks:
        for statement in (_REASON, _ALARM, _NEWS):
            session.change(statement, {"sink": sink})
    for event in ids:
        session.change(_NEWS_OF, {"event": event})
    _take_answers_back(session, [stream for stream in streams if stream])


def _silence_alarms(session: Session, since: int, said: Iterable[str]) -> None:
    """An alarm's event stays, because something happened; its cause goes, where that is what a delivery's error said."""
    looked_for = [text[:KEPT_CHARS] for text in said]
    if not looked_for:
        return
    for type in ALARM_TYPES:
        for seq, id_, variant, body, raw, routing in session.rows(
            _ALARM_EVENTS, {"type": type, "source": ALARM_SOURCE, "since": since}
        ):
            key = EventKey(ALARM_SOURCE, id_, bytes(variant))
            readable = body_if_readable(session, key, body)
            if readable is None:
                continue
            document = json.loads(readable)
            detail = document["data"]["detail"]
            if detail and any(text in detail for text in looked_for):
                document["data"] |= {"detail": ERASED, "text": document["data"]["text"].replace(detail, ERASED)}
                rewrite_event(session, seq, key, body, raw, routing, encode_json(document))
                session.change(_NEWS_OF, {"event": id_})


def _take_answers_back(session: Session, streams: Sequence[str]) -> None:
    """Who asks again with an Idempotency-Key must not be told what is erased, nor may it be done twice."""
    if not streams:
        return
    spelt = {write(stream)[1:-1].encode() for stream in streams for write in (encode_json, json.dumps)}
    for token, name, body in session.rows(_ANSWERS):
        if any(form in bytes(body) for form in spelt):
            session.change(_TAKE_BACK, {"token": token, "name": name, "body": _GONE})
