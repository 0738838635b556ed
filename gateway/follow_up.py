"""What a sink returns that has more to say than a receipt: what became of the event is an event of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from gateway.model import File, Value

_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})


class FollowUp(Value, frozen=True):
    """One event that follows on the one that was delivered.

    `type` is one of EVENT_TYPES. `files` are what it says of files; begin with the delivered event's own. `data` may have
    `error` ({code, message}), `format`, `vendor_type`, `time` and `problems`, by the names of the event's `data`;
    whatever else is in it goes into `extra`. Source, trust and stream are those of the cause. `identity` tells several
    of one type apart: the same values give the same event, and a second one of them is dropped.
    """

    type: str
    files: Sequence[File] = ()
    data: Mapping[str, Any] = _NOTHING
    identity: Sequence[Any] = ()


class Done(Value, frozen=True):
    """Delivered, with a short receipt, and with the events that follow: they are stored with the outcome, or not at all."""

    receipt: str | None = None
    events: Sequence[FollowUp] = ()


DeliveryResult = str | Done | None | Exception
"""What a sink has to say of one delivery: a receipt, Done, None, or what it would have raised; one each in a batch's list."""
