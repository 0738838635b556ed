"""A whole gateway and a whole mail server: a burst through greylisting and a server that goes away, and every mail comes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from itertools import count
from pathlib import Path

from tests.running import KEY, Player, Running
from tests.sinks.email.conftest import serving

CONFIG = """
sources:
  live: {{type: huawei-live, keys: ['{key}']}}
sinks:
  mail:
    type: email
    host: 127.0.0.1
    port: {port}
    tls: none
    from: gw@example.com
    to: [a@example.com, b@example.com]
    delivery: {{concurrency: 4, retry: {{initial: 100ms, max: 300ms}}{more}}}
routes:
  - {{name: all, to: [mail]}}
"""


async def until(condition: Callable[[], bool], seconds: float = 40) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


async def test_every_event_reaches_every_recipient_once_through_trouble(tmp_path: Path) -> None:
    async with serving() as server:
        asked = count()
        server.script["RCPT"] = lambda address: "451 4.7.1 greylisted" if next(asked) % 3 == 1 else None
        data = count()
        server.script["DATA"] = lambda content: "421 4.3.2 going down" if next(data) == 5 else None
        with Running(tmp_path, CONFIG.format(key=KEY, port=server.port, more="")) as running:
            player = Player()
            for _ in range(15):
                assert (await asyncio.to_thread(running.post, player.body()))[0] == 200

            def arrived() -> set[tuple[str, str]]:
                return {(mail.message["Message-ID"], address) for mail in server.mails for address in mail.recipients}

            await until(lambda: len(arrived()) == 30)
            assert sum(len(mail.recipients) for mail in server.mails) == 30, "nobody got anything twice"
            assert await asyncio.to_thread(running.stop) == 0
    assert "Traceback" not in running.log


async def test_a_burst_is_a_few_digests(tmp_path: Path) -> None:
    async with serving() as server:
        config = CONFIG.format(key=KEY, port=server.port, more=", batch: {max: 10, window: 2s}")
        with Running(tmp_path, config) as running:
            player = Player()
            for number in range(30):
                body = player.body(fields={"stream": f"room-{number:03d}"})
                assert (await asyncio.to_thread(running.post, body))[0] == 200

            def told() -> set[str]:
                return {room for mail in server.mails for room in re.findall(r"room-\d{3}", mail.part("plain"))}

            await until(lambda: len(told()) == 30)
            assert len(server.mails) <= 10
            assert await asyncio.to_thread(running.stop) == 0
