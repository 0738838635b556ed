"""The brokers of this machine, one after another."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.sinks.streams.brokers import BROKERS, Broker


@pytest.fixture(params=BROKERS)
async def broker(request: pytest.FixtureRequest) -> AsyncIterator[Broker]:
    """Each in turn, with an empty place of its own."""
    broker = BROKERS[request.param]()
    await broker.open()
    try:
        yield broker
    finally:
        await broker.close()
