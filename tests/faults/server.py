"""A PostgreSQL of a scenario's own, whose processes may be stopped, frozen and killed: all are children of ours."""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg

from tests.faults.link import NETWORK, Link
from tests.postgres import Postgres, database_url, folder_of, pg_ctl


class Server:
    """One server, with a database a scenario."""

    def __init__(self, place: Path | None = None) -> None:
        """`place`: its folder is made there."""
        folder = folder_of(f"{os.getpid()}-{secrets.token_hex(4)}")
        self._postgres = Postgres(folder if place is None else place / folder.name, owner=os.getpid())
        self.folder = self._postgres.folder
        self.data = self._postgres.data  # its socket is here too
        self._inside: Sequence[str] = ()
        self._address = ""

    def database(self, name: str) -> str:
        """The URL of a new database."""
        with psycopg.connect(self._postgres.url, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}")
        return database_url(self._postgres.url, name)

    def settle_transactions(self, name: str, level: str) -> None:
        """How strict every transaction of this database is."""
        with psycopg.connect(self._postgres.url, autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = '{level}'".encode())

    def move(self, link: Link) -> None:
        """From now on it runs on the other host of this link, and is reached at `link.address` too."""
        owner = self.data.stat()
        with (self.data / "pg_hba.conf").open("a") as file:
            file.write(f"host all all {NETWORK}.0.0/16 trust\n")
        self._inside = link.inside(user=owner.st_uid, group=owner.st_gid)
        self._address = link.address
        self.restart()

    def processes(self) -> list[psutil.Process]:
        """The server's own, the first of all first."""
        first = psutil.Process(int((self.data / "postmaster.pid").read_text().split()[0]))
        return [first, *first.children(recursive=True)]

    def restart(self) -> None:
        """In good order: transactions that run are ended."""
        pg_ctl(self.data, "-m", "fast", "stop")
        self._start()

    def stop_at_once(self, away: float) -> None:
        """As if it crashed, and back after so many seconds."""
        pg_ctl(self.data, "-m", "immediate", "stop")
        time.sleep(away)
        self._start()

    def _start(self) -> None:
        options = f'-h "{self._address}" -k {self.data}'
        pg_ctl(self.data, "-o", options, "-l", str(self.data / "log"), "start", inside=self._inside)

    def kill_backend(self, database: str) -> None:
        """kill -9 of one process that serves this database, at which the server restarts all."""
        with psycopg.connect(self._postgres.url, autocommit=True) as admin:
            found = admin.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s LIMIT 1", (database,)).fetchone()
        if found is not None:
            os.kill(found[0], signal.SIGKILL)

    def terminate_backends(self, database: str) -> None:
        """End every connection to this database."""
        with psycopg.connect(self._postgres.url, autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database,))

    def freeze(self, seconds: float) -> None:
        """No process of it runs for so long."""
        stopped = self.processes()
        for one in stopped:
            with suppress(psutil.NoSuchProcess):  # its caller went meanwhile
                one.suspend()
        try:
            time.sleep(seconds)
        finally:
            for one in stopped:
                with suppress(psutil.NoSuchProcess):
                    one.resume()

    def lock(self, database: str, seconds: float) -> None:
        """Somebody holds the tables for so long."""
        with psycopg.connect(database_url(self._postgres.url, database)) as other:
            other.execute("LOCK TABLE events, deliveries IN ACCESS EXCLUSIVE MODE")
            time.sleep(seconds)

    def keep_up(self) -> bool:
        """Start it again if it ended itself, as whoever runs it would; whether it had."""
        with suppress(OSError, ValueError, psutil.NoSuchProcess):
            if self.processes()[0].is_running():
                return False
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        self._start()
        return True

    def close(self) -> None:
        self._postgres.close()


@contextmanager
def serving(place: Path | None = None) -> Iterator[Server]:
    """A server until the block ends."""
    server = Server(place)
    try:
        yield server
    finally:
        server.close()
