"""The vendor, in a process of its own: `python -m tests.faults.vendor JSON`. It repeats what was not acknowledged.

It ends when its callbacks are used up, or at the end of its standard input when what is under way is acknowledged.
Callbacks of one stream follow each other: the next is sent when the last was acknowledged, so their order is known.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from itertools import count
from pathlib import Path
from typing import NamedTuple

import aiohttp

from tests.faults.ledger import Ledger
from tests.running import Player

ANSWER_S = 8  # longer than a gateway waits for its store
PAUSE_MAX_S = 0.25  # between two tries


class Plan(NamedTuple):
    """What it is told."""

    ledger: str
    ports: list[int]  # of the gateways; each try goes to another
    streams: int
    callbacks: int  # in all; 0: until it is stopped
    rate: float  # callbacks a second, all streams together; 0: as fast as they are taken
    forgets: float  # share of callbacks that it does not send again whatever comes
    seed: int
    first: int = 0  # the first number, a multiple of `streams`
    fresh: float = 0.0  # share of requests that come on a connection of their own


class Vendor:
    """All streams."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._ledger = Ledger(Path(plan.ledger))
        self._player = Player()
        self.stopping = asyncio.Event()

    async def run(self) -> None:
        plan = self._plan
        timeout = aiohttp.ClientTimeout(total=ANSWER_S, connect=2)
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector) as session,
            asyncio.TaskGroup() as streams,
        ):
            for stream in range(plan.streams):
                streams.create_task(self._stream(session, stream, random.Random(f"{plan.seed}/{stream}")))

    async def _stream(self, session: aiohttp.ClientSession, stream: int, rng: random.Random) -> None:
        plan, began = self._plan, asyncio.get_running_loop().time()
        for turn in count():
            number = plan.first + turn * plan.streams + stream
            if self.stopping.is_set() or (plan.callbacks and number >= plan.first + plan.callbacks):
                return
            if plan.rate:
                due = began + (turn + rng.random()) * plan.streams / plan.rate
                await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            await self._send(session, number, f"s{stream}", rng)

    async def _send(self, session: aiohttp.ClientSession, number: int, stream: str, rng: random.Random) -> None:
        plan = self._plan
        fields = {"stream": stream, "file_size": number, "record_format": "MP4"}
        body = self._player.body(number=number, fields=fields)
        forgetful = rng.random() < plan.forgets
        for attempt in count(rng.randrange(len(plan.ports))):
            port, fresh = plan.ports[attempt % len(plan.ports)], rng.random() < plan.fresh
            status, event = await self._post(session, port, body, fresh=fresh)
            self._ledger.note(number, status, event)
            if status == 200 or forgetful:
                return
            await asyncio.sleep(rng.uniform(0.01, PAUSE_MAX_S))

    @staticmethod
    async def _post(session: aiohttp.ClientSession, port: int, body: bytes, *, fresh: bool) -> tuple[int, str]:
        url = f"http://127.0.0.1:{port}/hooks/live"
        headers = {"content-type": "application/json"} | ({"connection": "close"} if fresh else {})
        try:
            async with session.post(url, data=body, headers=headers) as answer:
                said = await answer.read()
                if answer.status < 500 and answer.status != 200:  # it would not be sent again
                    raise AssertionError(f"answered {answer.status}: {said[:500]!r}")
                if answer.status != 200:
                    return answer.status, "-"
                return 200, str(json.loads(said)["events"][0])
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError):
            return 0, "-"


async def main(plan: Plan) -> None:
    vendor = Vendor(plan)
    loop = asyncio.get_running_loop()
    owner = os.getppid()

    def hear() -> None:
        if not sys.stdin.readline():
            if os.getppid() != owner:  # whoever started it was killed, and nobody will ever answer
                os._exit(1)
            vendor.stopping.set()
            loop.call_later(1, hear)

    loop.add_reader(sys.stdin.fileno(), hear)
    print("+", flush=True)
    await vendor.run()


if __name__ == "__main__":
    asyncio.run(main(Plan(**json.loads(sys.argv[1]))))
