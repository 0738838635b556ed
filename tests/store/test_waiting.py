"""A PostgreSQL that is only starting is waited for; one that will never let us in is not."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from gateway.errors import StoreUnavailable
from gateway.store.store import Store
from tests.patience import PATIENCE_S
from tests.ports import free_port


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def test_a_server_that_comes_up_later_is_waited_for(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as there:
        info = there.info
        socket, user, database = f"{info.host}/.s.PGSQL.{info.port}", info.user, info.dbname
    port = free_port()
    store = Store(f"postgresql://{user}@127.0.0.1:{port}/{database}?sslmode=disable")
    opening = asyncio.create_task(store.open(lock_wait=2 * PATIENCE_S))
    refused = asyncio.get_running_loop().time() + PATIENCE_S

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(socket)
        await asyncio.gather(_copy(reader, to_server), _copy(from_server, writer))

    await asyncio.sleep(0.05)
    assert not opening.done(), "nobody listens there yet"
    async with await asyncio.start_server(pipe, "127.0.0.1", port):
        await opening
        assert asyncio.get_running_loop().time() < refused
        await store.close()


async def test_a_server_that_is_not_there_in_time_is_named() -> None:
    store = Store(f"postgresql://somebody@127.0.0.1:{free_port()}/gateway", password="a-password-that-stays-inside")
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1.*cannot be reached") as caught:
        await store.open(lock_wait=0)
    assert "stays-inside" not in str(caught.value)


async def test_a_database_that_does_not_exist_is_not_waited_for(postgres_url: str) -> None:
    url = urlsplit(postgres_url)
    assert parse_qs(url.query) or url.hostname
    store = Store(url._replace(path="/no_such_database").geturl())
    began = asyncio.get_running_loop().time()
    with pytest.raises(StoreUnavailable, match="does not exist"):
        await store.open(lock_wait=2 * PATIENCE_S)
    assert asyncio.get_running_loop().time() - began < PATIENCE_S
