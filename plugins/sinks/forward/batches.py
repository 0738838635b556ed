"""Many events in one request: CloudEvents' batched content mode, and an answer that may speak of each of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final, TypeGuard

from gateway import SOURCE_PREFIX, Answer, Delivery, DeliveryResult, Event, Refused, Retry

BATCHED: Final = "application/cloudevents-batch+json"
ID_PREFIX: Final = "batch_"
FRAME_BYTES: Final = len(b"[]")
ANSWER_BYTES_EACH: Final = 1024  # of an answer, for each event in the request
_LIST: Final = b'"results"'
DETAIL_CHARS_MAX: Final = 200  # characters of what the receiver says of one


def parts(
    deliveries: Sequence[Delivery], documents: Sequence[bytes], bytes_max: int
) -> Iterator[tuple[list[int], bytes]]:
    """Positions and bodies of the requests that hold them all: in order, none over `bytes_max` but one that holds a single
    larger event. Replays go in requests of their own, because a header says that a request is one."""
    taken: list[int] = []
    size = FRAME_BYTES
    for position, document in enumerate(documents):
        replay = deliveries[position].replay
        if taken and (size + len(document) + 1 > bytes_max or replay != deliveries[taken[0]].replay):
            yield taken, _framed(documents, taken)
            taken, size = [], FRAME_BYTES
        taken.append(position)
        size += len(document) + 1
    if taken:
        yield taken, _framed(documents, taken)


def _framed(documents: Sequence[bytes], positions: Sequence[int]) -> bytes:
    return b"[%b]" % b",".join([documents[position] for position in positions])


def batch_id(events: Sequence[Event]) -> str:
    """A hash of the members' names, so that the same batch sent again has the same id, whatever its order."""
    names = sorted(f"{event.source} {event.ref}" for event in events)
    return ID_PREFIX + hashlib.sha256("\n".join(names).encode()).hexdigest()[:32]


def results_of(answer: Answer, deliveries: Sequence[Delivery], receipt: str) -> list[DeliveryResult]:
    """What a 2xx says: `{"results": [{"source": …, "id": …, "outcome": "delivered" | "retry" | "refused"}]}` speaks of each,
    everything else of all of them together. Whoever is not in the list, or in it with two outcomes, is tried again; who is
    not in the batch is ignored.
    """
    listed = _listed(answer)
    if listed is None:
        return [receipt] * len(deliveries)
    entries_of: dict[tuple[str, object], list[dict[str, object]]] = {}
    for entry in listed:
        if _names(entry):
            entries_of.setdefault((_source(entry.get("source")), entry.get("id")), []).append(entry)
    return [_result(entries_of.get((one.event.source, one.event.ref), []), answer, receipt) for one in deliveries]


def _listed(answer: Answer) -> list[object] | None:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        return None
    if answer.truncated:
        raise Retry(
            f"HTTP {answer.status} from {answer.origin}, but its list is longer than is read", status=answer.status
        )
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        if _LIST in answer.body:  # it spoke of each, and nobody knows what it said
            raise Retry(
                f"HTTP {answer.status} from {answer.origin}, but its list cannot be read", status=answer.status
            ) from None
        return None
    listed = document.get("results") if isinstance(document, dict) else None
    return listed if isinstance(listed, list) else None


def _names(entry: object) -> TypeGuard[dict[str, object]]:
    return isinstance(entry, dict) and isinstance(entry.get("source"), str) and isinstance(entry.get("id"), str)


def _source(text: object) -> str:
    return str(text).removeprefix(SOURCE_PREFIX)


def _result(entries: Sequence[dict[str, object]], answer: Answer, receipt: str) -> DeliveryResult:
    where, status = f"HTTP {answer.status} from {answer.origin}", answer.status
    if not entries:
        return Retry(f"{where}: its list does not name this event", status=status)
    entry = entries[0]
    outcome, said = entry.get("outcome"), entry.get("detail")
    if any(other.get("outcome") != outcome for other in entries):
        return Retry(f"{where}: its list has several outcomes for this event", status=status)
    detail = f"{where}: {said[:DETAIL_CHARS_MAX] if isinstance(said, str) and said else 'its list says so'}"
    if outcome == "delivered":
        return receipt
    if outcome == "refused":
        return Refused(detail, status=status)
    if outcome == "retry":
        return Retry(detail, _after(entry), status=status)
    return Retry(f"{where}: its list has no outcome for this event that is known", status=status)


def _after(entry: dict[str, object]) -> timedelta | None:
    seconds = entry.get("retry_after")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= 86_400:
        return None
    return timedelta(seconds=seconds)
