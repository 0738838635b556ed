"""A pgbouncer of a test's own, before a PostgreSQL server on a unix socket."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

import pytest

from tests.patience import PATIENCE_S

PORT = 6432
SERVER_CONNECTIONS = {"session": 7, "transaction": 2, "statement": 2}  # as docs/operations.md has them


class Pooler:
    """`server`: the folder of the server's socket. Skips in words where there is no pgbouncer."""

    def __init__(self, server: str, mode: str) -> None:
        found = shutil.which("pgbouncer") or ("/usr/sbin/pgbouncer" if os.path.exists("/usr/sbin/pgbouncer") else None)
        if found is None:
            pytest.skip("pgbouncer is not installed (Debian: apt-get install pgbouncer)")
        self._program, self._server = found, server
        self._place = tempfile.TemporaryDirectory(prefix="gw-pgb-", dir="/tmp")  # short: a socket's name has 107 bytes
        self._folder = Path(self._place.name)
        self._owner = pwd.getpwuid(os.stat(f"{server}/.s.PGSQL.5432").st_uid)
        self._config = self._folder / "pgbouncer.ini"
        self._config.write_text(
            f"""[databases]
* = host={server} port=5432 user=postgres
[pgbouncer]
listen_addr =
listen_port = {PORT}
unix_socket_dir = {self._folder}
auth_type = any
pool_mode = {mode}
default_pool_size = {SERVER_CONNECTIONS[mode]}
logfile = {self._folder}/log
pidfile = {self._folder}/pid
"""
        )
        for path in (self._folder, self._config):
            os.chown(path, self._owner.pw_uid, self._owner.pw_gid)
        self._running: subprocess.Popen[bytes] | None = None

    def url_of(self, url: str) -> str:
        """The same database, behind this pooler."""
        return url.replace(self._server, str(self._folder)) + f"&port={PORT}"

    def start(self) -> None:
        become = ["-u", self._owner.pw_name] if os.geteuid() == 0 else []
        nothing = subprocess.DEVNULL
        socket = self._folder / f".s.PGSQL.{PORT}"
        for left in (socket, Path(f"{socket}.lock"), self._folder / "pid"):
            left.unlink(missing_ok=True)
        self._running = subprocess.Popen(
            [self._program, *become, str(self._config)], stdin=nothing, stdout=nothing, stderr=nothing
        )
        until = time.monotonic() + PATIENCE_S
        while not socket.exists():
            if self._running.poll() is not None or time.monotonic() > until:
                self.kill()
                log = self._folder / "log"
                pytest.skip(f"pgbouncer did not start: {log.read_text()[-300:] if log.exists() else 'no log'}")
            time.sleep(0.02)

    def kill(self) -> None:
        """kill -9."""
        if self._running is not None:
            self._running.kill()
            self._running.wait(PATIENCE_S)
            self._running = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()
        self._place.cleanup()
