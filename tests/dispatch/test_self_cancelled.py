"""A sink that cancels the task that carries for it has failed: it is counted, ends one day, and holds up nobody else."""

from __future__ import annotations

import asyncio

from gateway.model import Delivery
from gateway.plugin import Sink
from gateway.testing import running


class Cancelling(Sink):
    """Does to itself what is done to tasks that are to end."""

    type = "cancelling"

    async def deliver(self, delivery: Delivery) -> str:
        if delivery.event.stream == "bad":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)
        return "ok"


async def test_it_is_an_attempt_that_failed() -> None:
    config = {
        "sources": {"live": {"type": "huawei-live", "keys": ["demo-0123456789abcdef0123456789abcdef"]}},
        "sinks": {"app": {"type": "cancelling", "delivery": {"concurrency": 1, "retry": {"give_up_after": "1h"}}}},
        "routes": [{"to": ["app"]}],
    }
    async with running(config, plugins=[Cancelling]) as gateway:
        await gateway.send(fields={"stream": "bad"})
        [row] = gateway.deliveries("app")
        assert (row.state, row.attempts) == ("waiting", 1)
        assert row.last_error is not None
        assert "the sink app cancelled the task that carries for it" in row.last_error
        await gateway.send(fields={"stream": "good"})  # at once, while the clock stands: the one worker was replaced
        assert [row.state for row in gateway.deliveries("app", state="delivered")] == ["delivered"]
        await gateway.advance(7200)
        assert [row.reason for row in gateway.deliveries("app", state="dead")] == ["expired"]
