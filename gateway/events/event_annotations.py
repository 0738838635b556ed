"""What the core keeps beside an event: it is made once, is no part of what the event says, and goes into no copy."""

from __future__ import annotations

from typing import Final, NamedTuple

from msgspec.structs import force_setattr

from gateway.model import Event

_SUBJECT: Final = frozenset({"domain", "app", "stream", "alarm"})  # the fields that an event's subject is made of


def keep_json(event: Event, text: str) -> str:
    """Let `to_json` answer with this text from now on, because it was made or stored already."""
    event.__dict__["json"] = text
    return text


def kept_json(event: Event) -> str | None:
    """Its JSON, once somebody asked for it: the same text is stored and sent to every sink."""
    return event.__dict__.get("json")


def keep_original(event: Event, digest: bytes) -> None:
    """Remember a digest of what it said before something in it was repaired, so that two originals never pass for one
    content."""
    event.__dict__["original"] = digest


def original_of(event: Event) -> bytes:
    """That digest; empty where nothing was repaired."""
    kept: bytes = event.__dict__.get("original", b"")
    return kept


class Unredacted(NamedTuple):
    """What an event was compared by before something was taken out of it: its fingerprint, and where its files lie."""

    fingerprint: bytes
    places: tuple[bytes, ...]


def keep_unredacted(event: Event, before: Unredacted) -> None:
    """Remember that, of an event that goes on without what `redact` names."""
    event.__dict__["unredacted"] = before


def unredacted_of(event: Event) -> Unredacted | None:
    """That; None: nothing is taken out of the events of its source."""
    kept: Unredacted | None = event.__dict__.get("unredacted")
    return kept


def amend(event: Event, **fields: object) -> None:
    """For the core, before anybody else has the event: other values in place, because a copy would leave out what is kept
    beside it. Nothing of its JSON may have been made, but where no field of that is changed."""
    if not _SUBJECT.isdisjoint(fields):
        event.__dict__.pop("subject", None)
    for name, value in fields.items():
        force_setattr(event, name, value)
