"""One sink of every kind, each with its real counterpart, and what arrived there: a room's name for each message."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from gateway.testing import ScriptedServer
from plugins.sinks.chat.chat_service import NAMES
from tests.sinks.apprised import OK, ntfy
from tests.sinks.archive.conftest import HERE, place
from tests.sinks.archive.media_server import Media, MediaServer
from tests.sinks.chat.conftest import YES, options
from tests.sinks.database.conftest import Place
from tests.sinks.email.conftest import USUAL, serving
from tests.sinks.streams.brokers import BROKERS

ROOM = re.compile(rb"room-\d{4}")
Arrived = Callable[[], Awaitable[Sequence[str]]]


class Target(NamedTuple):
    """A sink's options, and what it delivered. `once`: however often it is delivered, it is there once."""

    options: Mapping[str, Any]
    arrived: Arrived
    once: bool = False


def rooms(messages: Sequence[bytes]) -> list[str]:
    """The room that each of these speaks of; one that was cut off speaks of none."""
    return [found[0].decode() for one in messages if (found := ROOM.search(one)) is not None]


def media(count: int) -> MediaServer:
    """The files of so many rooms."""
    return MediaServer({f"/{room(number)}.mp4": Media(4096 + number, seed=number) for number in range(count)})


def room(number: int) -> str:
    return f"room-{number:04d}"


@asynccontextmanager
async def targets(
    folder: Path, databases: Sequence[Place], endpoint: str, bucket: Any, log: Callable[[], str]
) -> AsyncIterator[dict[str, Target]]:
    """All of them, but `pull`, from which consumers fetch. `log` is what the gateway's process wrote."""
    async with AsyncExitStack() as stack:
        yield {
            **{name: await _broker(stack, name) for name in BROKERS},
            **{f"chat-{name}": await _chat(stack, name) for name in NAMES},
            "forward": await _forward(stack),
            "apprise": await _apprise(stack),
            "email": await _email(stack),
            **{f"database-{one.kind}": _database(one) for one in databases},
            **_files(folder, log),
            "archive-s3": Target(
                {"type": "archive", **place(endpoint), "key": "{stream}.{format}", "allow": HERE, "spool": {"folder": str(folder / "spool")}},
                _sync(lambda: [one.key.encode() for one in bucket.objects.all()]),
                once=True,
            ),
        }  # fmt: skip


async def _broker(stack: AsyncExitStack, name: str) -> Target:
    broker = BROKERS[name]()
    await broker.open()
    stack.push_async_callback(broker.close)

    async def arrived() -> Sequence[str]:
        return rooms([got.body for got in await broker.read()])

    return Target({"type": name, **broker.options()}, arrived)


async def _chat(stack: AsyncExitStack, service: str) -> Target:
    server = await stack.enter_async_context(ScriptedServer(otherwise=YES[service]))
    return Target({"type": "chat", **options(service, server.url)}, _received(server))


async def _forward(stack: AsyncExitStack) -> Target:
    server = await stack.enter_async_context(ScriptedServer())
    return Target({"type": "forward", "url": server.url, "allow_private": True}, _received(server))


async def _apprise(stack: AsyncExitStack) -> Target:
    server = await stack.enter_async_context(ScriptedServer(otherwise=OK))
    return Target({"type": "apprise", "url": ntfy(server.url)}, _received(server))


def _received(server: ScriptedServer) -> Arrived:
    return _sync(lambda: [one.body for one in server.received])


async def _email(stack: AsyncExitStack) -> Target:
    server = await stack.enter_async_context(serving())
    arrived = _sync(lambda: [mail.part("plain").encode() for mail in server.mails])
    return Target({"type": "email", **USUAL, "port": server.port}, arrived)


def _database(one: Place) -> Target:
    rows = _sync(lambda: [str(row).encode() for row in one.run("SELECT * FROM recordings")])
    return Target({"type": "database", "url": one.url}, rows, once=True)


def _files(folder: Path, log: Callable[[], str]) -> dict[str, Target]:
    """What is on this machine: files, folders, a program, the process's own output."""
    lines, programs, copies, feed = folder / "lines.jsonl", folder / "programs", folder / "copies", folder / "feed"
    for one in (copies, feed):
        one.mkdir()
    command = ["sh", "-c", f"cat >> {shlex.quote(str(programs))}; echo >> {shlex.quote(str(programs))}"]
    served = {"below": str(copies), "at": "https://media.example.com/files/"}

    def items() -> list[bytes]:
        said = json.loads((feed / "feed.json").read_text())
        return [json.dumps(item).encode() for item in said["items"]]

    def written() -> list[bytes]:
        return [line.encode() for line in log().splitlines() if line.startswith('{"specversion"')]

    return {
        "console": Target({"type": "console", "format": "json"}, _sync(written)),
        "file": Target({"type": "file", "path": str(lines)}, _sync(lambda: lines.read_bytes().splitlines())),
        "exec": Target({"type": "exec", "command": command}, _sync(lambda: programs.read_bytes().splitlines())),
        "archive": Target(
            {"type": "archive", "to": str(copies), "key": "{stream}.{format}", "allow": HERE},
            _sync(lambda: [one.name.encode() for one in copies.glob("*.mp4")]),
            once=True,
        ),
        "feed": Target(
            {"type": "feed", "to": str(feed), "title": "All", "link": "https://media.example.com/", "items": 500, "public": [served]},
            _sync(items),
            once=True,
        ),
    }  # fmt: skip


def _sync(messages: Callable[[], Sequence[bytes]]) -> Arrived:
    async def arrived() -> Sequence[str]:
        return rooms(messages())

    return arrived
