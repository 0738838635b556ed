"""What a sink's answer says follows on a delivery, as the gateway would store it."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.dispatch.follow_ups import FollowUpMaker
from gateway.follow_up import Done
from gateway.model import Delivery, Event
from gateway.runtime.clock import FrozenClock


def follow_ups(delivery: Delivery, answer: object) -> Sequence[Event]:
    """The events of what `deliver` returned; none of a receipt or None.

    Raises AssertionError for what is no answer, and for a follow-up that the gateway would not store: it says why.
    """
    assert answer is None or isinstance(answer, str | Done), f"deliver returned a {type(answer).__name__}"
    if not isinstance(answer, Done):
        return ()
    assert answer.receipt is None or isinstance(answer.receipt, str), "the receipt of a Done is a text or None"
    made = FollowUpMaker(decide=None, keeps_order=lambda _sink: False).make(delivery, answer, FrozenClock().now())
    assert not made.problems, "; ".join(made.problems)
    return tuple(new.event for new in made.events)
