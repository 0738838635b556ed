from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.egress.client import Http


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    client = Http(timeout=5)
    yield client
    await client.close()
