"""Stores as `gateway store migrate` leaves them, copied: making the tables costs a PostgreSQL 40 ms of work each time, a file 7."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory


def make(url: str) -> None:
    """Make the tables, as `gateway store migrate` does; but for the row of who did it."""
    from gateway.runtime.clock import (
        FrozenClock,
    )  # of the first store: these are a third of what a run imports to begin
    from gateway.store.admin.admin import StoreAdmin

    with StoreAdmin(url, clock=FrozenClock()) as admin:
        admin._connections.migrate()


def file_at(path: Path) -> str:
    """The URL of a SQLite store that stands at `path`; the file is only its owner's, as the gateway makes it."""
    path.touch(mode=0o600)
    path.write_bytes(_file())
    return f"sqlite:///{path}"


@cache
def _file() -> bytes:
    with TemporaryDirectory() as folder:
        make(f"sqlite:///{folder}/gateway.db")
        return Path(folder, "gateway.db").read_bytes()
