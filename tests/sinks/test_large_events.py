"""One large event makes no other wait: what a sink makes of 1,900 files is made in a thread."""

from __future__ import annotations

import contextlib
import importlib
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from gateway import File, Http, Refused, Retry, Sink, computed
from gateway.egress.worker import LARGE_EVENT_FILES
from gateway.testing import Reply, ScriptedServer, delivery, event
from gateway.testing.sinks import _log
from plugins.sinks.chat import Chat
from plugins.sinks.console import Console
from plugins.sinks.database import Database
from plugins.sinks.email import Email
from plugins.sinks.exec import Exec
from plugins.sinks.file import JsonLines
from plugins.sinks.forward import Forward
from tests.patience import PATIENCE_S

LARGE = event(
    files=tuple(File(format="hls", download_url=f"https://d.example.com/{n}", size_bytes=n) for n in range(1900))
)
TEMPLATE = "{% for file in event.data.files %}{{ file.format }}{% endfor %}"
HOOK = {"service": "slack", "url": "http://127.0.0.1:9/services/T0/B0/xxxxxxxxxxxxxxxx"}
MAIL = {"host": "127.0.0.1", "port": 9, "tls": "none", "from": "a@example.com", "to": "b@example.com"}
SINKS: dict[str, tuple[type[Sink], dict[str, Any], str]] = {
    # what is made of the event, and where it is made
    "forward event": (Forward, {"url": "http://127.0.0.1:9/"}, "plugins.sinks.forward.bodies:to_json"),
    "forward binary": (Forward, {"url": "http://127.0.0.1:9/", "body": "binary"}, "plugins.sinks.forward.bodies:to_binary"),
    "database": (Database, {"url": "sqlite:///large.db"}, "plugins.sinks.database.table_fit:fit"),
    "chat": (Chat, HOOK, "plugins.sinks.cards.card:plain"),
    "chat template": (Chat, {**HOOK, "template": TEMPLATE}, "plugins.sinks.cards.template:to_document"),
    "chat digest": (Chat, HOOK, "plugins.sinks.chat.digest:cut"),
    "email": (Email, MAIL, "plugins.sinks.cards.card:plain"),
    "email template": (Email, {**MAIL, "subject": "{{ event.data.stream }}"}, "plugins.sinks.cards.template:to_document"),
    "file": (JsonLines, {"path": "large.jsonl"}, "plugins.sinks.file:to_document"),
    "console": (Console, {"format": "json"}, "plugins.sinks.console:to_document"),
    "exec": (Exec, {"command": ["true"]}, "plugins.sinks.exec.sink:to_json"),
}  # fmt: skip


@asynccontextmanager
async def opened(cls: type[Sink], options: dict[str, Any]) -> AsyncIterator[Sink]:
    http = Http(timeout=PATIENCE_S)
    sink = cls("large", cls.Options.model_validate(options), http=http, log=_log([]))
    await sink.open()
    try:
        yield sink
    finally:
        await sink.close()
        await http.close()


@pytest.mark.parametrize("name", SINKS)
async def test_what_is_made_of_a_large_event_is_made_off_the_loop(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cls, options, watched = SINKS[name]
    module, _, attribute = watched.partition(":")
    made = importlib.import_module(module)
    usual: Callable[..., Any] = getattr(made, attribute)
    threads: set[int] = set()

    def watch(*args: Any, **more: Any) -> Any:
        threads.add(threading.get_ident())
        return usual(*args, **more)

    async with opened(cls, options) as sink:
        monkeypatch.setattr(made, attribute, watch)
        with contextlib.suppress(Retry):  # nobody listens at the other end, which comes after what is watched
            if name == "chat digest":
                await sink.deliver_batch([delivery(LARGE, id=1), delivery(event(number=2), id=2)])
            else:
                await sink.deliver(delivery(LARGE))
        monkeypatch.setattr(made, attribute, usual)
    assert threads
    assert threading.get_ident() not in threads


async def test_a_small_event_is_not_handed_to_a_thread() -> None:
    here = threading.get_ident()
    assert await computed(threading.get_ident, [event()]) == here
    assert await computed(threading.get_ident, [event(files=(File(),) * LARGE_EVENT_FILES)]) == here
    assert await computed(threading.get_ident, [event(files=(File(),) * (LARGE_EVENT_FILES + 1))]) != here
    assert await computed(threading.get_ident, [event(raw=b"x" * 40_000)]) != here
    assert await computed(threading.get_ident, [event(raw=b"x" * 20_000)] * 2) != here


def asked(place: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(place)) as connection:
        return connection.execute(statement).fetchall()


async def test_a_large_event_mapped_to_rows_is_written_whole(tmp_path: Path) -> None:
    place = tmp_path / "rows.db"
    asked(place, "CREATE TABLE f (e TEXT, n INTEGER, u TEXT, c INTEGER, PRIMARY KEY (e, n))")
    columns = {
        "e": "event.id",
        "n": "index",
        "u": "has(file.download_url) ? file.download_url : ''",
        "c": "size(event.data.files)",
    }
    async with opened(Database, {"url": f"sqlite:///{place}", "table": "f", "columns": columns}) as sink:
        assert await sink.deliver(delivery(LARGE)) == "1900 rows"
    rows = asked(place, "SELECT n, u, c FROM f ORDER BY n")
    assert rows == [(n, f"https://d.example.com/{n}", 1900) for n in range(1900)]


async def test_a_forward_of_a_large_event_arrives_whole() -> None:
    async with ScriptedServer(otherwise=Reply()) as server, opened(Forward, {"url": server.url}) as sink:
        await sink.deliver(delivery(LARGE))
        assert server.received[0].body.count(b"https://d.example.com/") == 1900


async def test_rows_go_into_the_driver_few_at_a_time_and_in_one_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.ext.asyncio import AsyncConnection

    place = tmp_path / "rows.db"
    asked(place, "CREATE TABLE f (e TEXT, n INTEGER CHECK (n <> 1899), PRIMARY KEY (e, n))")
    sizes: list[int] = []
    usual = AsyncConnection.execute

    async def counted(self: AsyncConnection, statement: Any, rows: Any = None, **more: Any) -> Any:
        if isinstance(rows, list):
            sizes.append(len(rows))
        return await usual(self, statement, rows, **more)

    options = {"url": f"sqlite:///{place}", "table": "f", "columns": {"e": "event.id", "n": "index"}}
    async with opened(Database, options) as sink:
        monkeypatch.setattr(AsyncConnection, "execute", counted)
        with pytest.raises(Refused):
            await sink.deliver(delivery(LARGE))
        assert asked(place, "SELECT count(*) FROM f") == [(0,)]
        sizes.clear()
        few = event(files=LARGE.files[:450])
        assert await sink.deliver(delivery(few)) == "450 rows"
    assert sizes == [200, 200, 50]


async def test_a_mail_is_composed_off_the_loop_also_for_a_small_event(monkeypatch: pytest.MonkeyPatch) -> None:
    from plugins.sinks.email import message

    threads: set[int] = set()
    usual = message.compose

    def watch(*args: Any, **more: Any) -> bytes:
        threads.add(threading.get_ident())
        return usual(*args, **more)

    monkeypatch.setattr(message, "compose", watch)
    async with opened(Email, MAIL) as sink:
        with contextlib.suppress(Retry):
            await sink.deliver(delivery(event()))
        await sink.preview(delivery(event()))
    assert len(threads) >= 1
    assert threading.get_ident() not in threads
