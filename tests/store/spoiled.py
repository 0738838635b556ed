"""A PostgreSQL store with a page that the server cannot read.

The page is spoiled in a copy of the database, before anybody has looked at it: a server that has a page in memory does
not read it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from tests.postgres import database_url
from tests.store.kit import beside

PAGE = 8192
_KEYS = {"events": "seq", "deliveries": "id"}


@contextmanager
def spoiled(url: str, table: Literal["events", "deliveries"], page: int) -> Iterator[tuple[str, set[int]]]:
    """The URL of the copy, and the keys of the rows on this page of the table."""
    template = url.partition("?")[0].rpartition("/")[2]
    name = f"{template}_damaged"
    with beside(database_url(url, "postgres")) as server:
        server.change(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        ((folder, oid),) = server.rows(
            f"SELECT current_setting('data_directory'), oid FROM pg_database WHERE datname = '{name}'"
        )
    with beside(url) as original:
        ((path,),) = original.rows(f"SELECT pg_relation_filenode('{table}')")
        keys = original.rows(f"SELECT {_KEYS[table]} FROM {table} WHERE CAST(ctid AS text) LIKE '({page},%'")
    with (Path(folder) / "base" / str(oid) / str(path)).open("r+b") as file:
        file.seek(page * PAGE)
        file.write(b"\xff" * 64)
    try:
        yield database_url(url, name), {key for (key,) in keys}
    finally:
        with beside(database_url(url, "postgres")) as server:
            server.change(f'DROP DATABASE "{name}" WITH (FORCE)')
