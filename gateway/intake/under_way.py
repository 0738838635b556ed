"""One callback between its bytes and its answer: what is known of it so far, and who waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Final

import msgspec

from gateway.model import Event, Trust, Verified
from gateway.plugin import Callback, Source
from gateway.routing import RoutingDecision

if TYPE_CHECKING:
    from gateway.events.redacted_event import Redaction


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceEndpoint:
    """One configured source at its path."""

    name: str
    path: str
    source: Source
    min_trust: Trust = Trust.NONE
    hold_conflicts: bool = True
    keep_ids: bool = False
    reconciles: bool = False  # its vendor's own list is asked for, or may be: where its files lie is kept
    redaction: Redaction | None = None  # what is taken out of its events
    allow_from: Sequence[IPv4Network | IPv6Network] = ()  # the web looks at it, before it reads a body
    max_body: int | None = None  # bytes, and at this too; None: `server.max_body`

    @property
    def media_types(self) -> Sequence[str]:
        return self.source.media_types


class CallbackAnswer(msgspec.Struct, frozen=True):
    """The answer to a callback that was taken."""

    status: int
    body: bytes
    media_type: str = "application/json"


_NOT_YET: Final = Verified(trust=Trust.NONE, scheme="")
Answered = Callable[[CallbackAnswer | BaseException], None]
"""Hears once what became of a callback: its answer, a `Problem` that was counted and kept, or a mistake of ours."""


class CallbackUnderWay(msgspec.Struct, eq=False):
    """A callback on its way through the stages; each fills in what it found."""

    endpoint: SourceEndpoint
    callback: Callback
    answered: Answered
    verified: Verified = _NOT_YET
    events: Sequence[Event] = ()
    decisions: Sequence[RoutingDecision] = ()
    reserved: list[str] = msgspec.field(default_factory=list)  # sinks of which a slot is held for it
    queued: bool = False  # for the store, which answers it
    is_answered: bool = False

    def answer(self, given: CallbackAnswer | BaseException) -> None:
        """Tell whoever waits, once."""
        if not self.is_answered:
            self.is_answered = True
            self.answered(given)
