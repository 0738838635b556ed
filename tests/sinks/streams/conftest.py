"""The brokers of this machine, one after another."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from plugins.sinks.kafka import sink as kafka
from tests.sinks.streams.brokers import BROKERS, Broker


@pytest.fixture(params=BROKERS)
async def broker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Broker]:
    """Each in turn, with an empty place of its own."""
    monkeypatch.setattr(kafka, "CONFIRM_SECONDS", 1.0)  # of its producer, which is more patient than a test
    broker = BROKERS[request.param]()
    await broker.open()
    try:
        yield broker
    finally:
        await broker.close()
