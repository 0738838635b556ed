"""What a gateway elsewhere answers becomes rows, also where it is newer and says more than this one knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gateway.admin.results import DeliveryItem, EventItem
from gateway.admin.sink_results import RefusedItem, SinkItem, SourceItem
from gateway.cli.remote_rows import delivery_row, event_row, refused_row, sink_row, source_row
from tests.web.pages.fixed import filled

ROWS: Mapping[str, tuple[type, Callable[[Mapping[str, Any]], object]]] = {
    "event": (EventItem, event_row),
    "delivery": (DeliveryItem, delivery_row),
    "refused": (RefusedItem, refused_row),
    "sink": (SinkItem, sink_row),
    "source": (SourceItem, source_row),
}


@pytest.mark.parametrize("name", ROWS)
def test_what_a_newer_gateway_says_besides_is_left_out(name: str) -> None:
    model, row_of = ROWS[name]
    item = filled(model, "2026-01-01T12:00:00Z", 0).model_dump(mode="json", by_alias=True)
    assert row_of({**item, "of_a_newer_one": {"a": [1]}}) == row_of(item)
