from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.egress.client import Http
from tests.patience import PATIENCE_S


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    client = Http(timeout=PATIENCE_S)
    yield client
    await client.close()
