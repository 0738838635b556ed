"""What a callback says before repair: the signature fits that, and two originals never share an id or a fingerprint."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from typing import Final

from gateway.errors import Malformed, Untrusted
from gateway.events.cloudevents import fingerprint
from gateway.events.event_annotations import amend, keep_original, original_of
from gateway.model import Event, EventId, Verified
from gateway.plugin import Callback, Source
from gateway.text.json_tree import twice

_READING: Final = (
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    Malformed,
)  # of a form that a source does not expect


def verify(source: Source, callback: Callback) -> Verified:
    """`source.verify`, asked with the callback as it came. Raises what it raises, and Malformed."""
    callback.doubt()
    callback.read_as("escaped")
    try:
        return source.verify(callback)
    except Untrusted as error:
        document = callback.decoded
        if document is None or document.plain_alone:
            raise
        if (key := document.doubled_among(source.key_fields)) is not None:
            raise Malformed(twice(key)) from None
        if error.code == "signature_mismatch":
            # the vendor may have signed the bytes as they are; where they are none at all (half of a surrogate pair)
            # that fails, and the first refusal holds
            callback.read_as("raw")
            with contextlib.suppress(Untrusted, *_READING):
                return source.verify(callback)
        raise
    except UnicodeError:
        raise Malformed("a text that the signature covers is no Unicode") from None
    finally:
        callback.read_as("plain")


def name(source: Source, callback: Callback, verified: Verified, events: Sequence[Event]) -> None:
    """Give the events of a repaired body ids and fingerprints of what it said before, and name what was repaired.

    What an id is made of is found by asking: the source reads the body again in a form that no other body has. Where
    that gives other ids, these count. Where it depends on which value of a doubled key is read, nobody can name the
    event: Malformed.
    """
    document = callback.document
    firsts = _read_again(source, callback, verified, "first")
    lasts = _read_again(source, callback, verified, "last") if document.doubled else firsts
    if [event.id for event in firsts] != [event.id for event in lasts]:
        raise Malformed(twice(document.doubled[0]))
    if len(firsts) != len(events):
        firsts = lasts = ()
    for n, event in enumerate(events):
        original = firsts[n] if firsts else None
        id, content = event.id, callback.body
        if original is None:
            id = _named(event.id, callback.body)
        else:
            content = fingerprint(original) + fingerprint(lasts[n])
            if original.id != event.id:
                id = _named(original.id, b"")
        problems = event.problems + tuple(one for one in document.problems if one not in event.problems)
        amend(event, id=id, problems=problems)
        keep_original(event, hashlib.sha256(original_of(event) + content).digest()[:16])


def _read_again(source: Source, callback: Callback, verified: Verified, view: str) -> Sequence[Event]:
    callback.read_as("first" if view == "first" else "last")
    try:
        found = source.normalise(callback, verified)
        return found if all(isinstance(event, Event) for event in found) else ()
    except _READING:
        return ()
    finally:
        callback.read_as("plain")


def _named(id: str, more: bytes) -> str:
    made = hashlib.sha256(b"before repair\0" + id.encode() + b"\0" + more).hexdigest()[:32]
    return EventId(made) if isinstance(id, EventId) else made  # whether it came from outside is not changed by repair
