"""A sweep may take as long as it likes: meanwhile the store hears each minute that its sinks are served."""

from __future__ import annotations

import pytest

from gateway.errors import Retry
from gateway.model import Delivery
from gateway.plugin import Sink
from gateway.testing import running

CONFIG = {
    "sources": {"live": {"type": "huawei-live", "keys": ["demo-0123456789abcdef0123456789abcdef"]}},
    "sinks": {"app": {"type": "failing", "delivery": {"retry": {"give_up_after": "1h"}}}},
    "routes": [{"to": ["app"]}],
}


class Failing(Sink):
    type = "failing"

    async def deliver(self, delivery: Delivery) -> str:
        raise Retry("not today")


async def test_a_delivery_grows_old_while_long_sweeps_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(CONFIG, plugins=[Failing]) as gateway:
        sweeps: list[int] = []

        async def sweep() -> int:
            sweeps.append(gateway.clock.ms())
            await gateway.clock.sleep(600)
            return 0

        monkeypatch.setattr(gateway.gateway.store, "sweep", sweep)
        await gateway.send()
        await gateway.advance(3700)
        [row] = gateway.deliveries("app")
        assert (row.state, row.reason) == ("dead", "expired")
        assert row.finished_at is not None
        assert row.finished_at - row.received_at <= 3_640_000
        assert len(sweeps) == 6
