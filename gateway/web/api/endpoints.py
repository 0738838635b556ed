"""Every operation of the API, in the order in which its document tells them."""

from __future__ import annotations

from typing import Final

from gateway.admin import overview_results, queries
from gateway.web.api.delivery_endpoints import DELIVERY_ENDPOINTS
from gateway.web.api.endpoint import reading
from gateway.web.api.event_endpoints import EVENT_ENDPOINTS
from gateway.web.api.gateway_endpoints import GATEWAY_ENDPOINTS
from gateway.web.api.pull_endpoints import PULL_ENDPOINTS
from gateway.web.api.recording_endpoints import RECORDING_ENDPOINTS
from gateway.web.api.sink_endpoints import SINK_ENDPOINTS

ENDPOINTS: Final = (
    reading(
        "/overview",
        "overview",
        "What there is now, what happened, and what needs a person.",
        lambda call: call.service.overview(call.asked.window, whole=call.whole),
        overview_results.Overview,
        query=queries.OverviewQuery,
    ),
    *EVENT_ENDPOINTS,
    *DELIVERY_ENDPOINTS,
    *RECORDING_ENDPOINTS,
    *SINK_ENDPOINTS,
    *PULL_ENDPOINTS,
    *GATEWAY_ENDPOINTS,
)
