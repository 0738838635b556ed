"""Which kind of lane a sink gets."""

from __future__ import annotations

from gateway.dispatch.lane import Lane
from gateway.dispatch.lane_context import Shared
from gateway.dispatch.policy import DeliveryPolicy
from gateway.plugin import Sink


def lane_of(sink: Sink, policy: DeliveryPolicy, shared: Shared) -> Lane:
    """A lane that calls the sink, or one that consumers fetch from."""
    if not sink.pulled:
        return Lane(sink, policy, shared)
    from gateway.dispatch.pulled_lane import PulledLane  # because most gateways have none

    return PulledLane(sink, policy, shared)
