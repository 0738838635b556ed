"""A sink that copies something long, step by step, and what is kept of it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from gateway import Done, FollowUp, Progress
from gateway.model import RECORDING_ARCHIVED, Delivery
from tests.dispatch.conftest import House, Scripted
from tests.patience import eventually

LONG = {"timeout": "1h", "retry": {"initial": "10s"}}


class CopySink(Scripted):
    """Counts up in steps, keeping how far it is; the test lets it make each step."""

    def __init__(self, name: str = "app", steps: int = 10) -> None:
        super().__init__(name)
        self.steps = steps
        self.may_go = asyncio.Semaphore(0)
        self.offsets: list[int] = []
        self.ended: list[BaseException | None] = []

    async def deliver(self, delivery: Delivery) -> Any:
        self.seen.append(delivery)
        offset = int(delivery.memo.get("offset", 0))
        try:
            while offset < self.steps:
                await self.may_go.acquire()
                await delivery.alive({"offset": offset + 1}, Progress(offset + 1, self.steps, f"step {offset + 1}"))
                offset += 1
                self.offsets.append(offset)
        except BaseException as error:
            self.ended.append(error)
            raise
        return Done(f"{offset} steps", [FollowUp(RECORDING_ARCHIVED)])

    async def step(self, count: int = 1) -> None:
        """Let it go on, and wait until what it keeps is kept."""
        wanted = len(self.offsets) + count
        for _ in range(count):
            self.may_go.release()
        await eventually(lambda: len(self.offsets) >= wanted)


def kept(house: House) -> Any:
    (memo,) = house.rows("memo")
    return memo and json.loads(memo)
