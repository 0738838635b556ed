"""A sweep may take as long as it likes: meanwhile the store hears each minute that its sinks are served."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import Retry
from gateway.model import Delivery
from gateway.plugin import Sink
from gateway.store.store import Store
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


async def test_clocks_are_repaired_and_keys_changed_while_a_sweep_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    async def sweep(_: Store) -> int:
        done.append("sweep")
        await asyncio.Event().wait()
        return 0

    async def repair(_: Store) -> None:
        done.append("repair")

    async def reencrypt(_: Store) -> None:
        done.append("reencrypt")

    monkeypatch.setattr(Store, "sweep", sweep)
    monkeypatch.setattr(Store, "repair_clocks", repair)
    monkeypatch.setattr(Store, "reencrypt", reencrypt)
    monkeypatch.setattr(Store, "encrypted", property(lambda _: True))
    async with running(CONFIG, plugins=[Failing]) as gateway:
        await gateway.advance(2 * 3600 + 20)
        late = gateway.gateway.duties.late()
    assert (done.count("sweep"), done.count("repair")) == (1, 2)
    assert done.count("reencrypt") > 50
    assert late["retention"] > 7000
    assert max(seconds for name, seconds in late.items() if name != "retention") < 60
