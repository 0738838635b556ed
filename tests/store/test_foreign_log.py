"""A backup beside which the log of the store lies that was there before: refused; and never a store that is served itself."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gateway.errors import StoreUnavailable
from gateway.store.engine.migrations import migrate
from gateway.store.sqlite.foreign_log import has_foreign_log
from gateway.store.sqlite.session import SessionRole, SqliteSession, make_file
from gateway.store.transfer import transfers
from gateway.text.store_address import parse_address
from tests.patience import PATIENCE_S
from tests.store.test_transfer import silent

_SERVE = """
import os, sys
from pathlib import Path
from gateway.store.sqlite.session import SqliteSession
session = SqliteSession(Path(sys.argv[1]), "writer")
for n in range(4):
    with session.atomic():
        session.change("INSERT INTO t VALUES (:n, :pad)", {"n": n, "pad": "x" * 9000})
    os.write(1, b"%d\\n" % n)
    if n == 1:
        session.checkpoint()
os.kill(os.getpid(), 9) if sys.argv[2] == "kill" else session.close()
"""
_CALLS = "pwrite64,fsync,fdatasync,ftruncate,unlink"
traced = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")


def child(path: Path, end: str, *before: str) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, "-c", _SERVE, str(path), end]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """Of a store with one table; what was the store is gone."""
    made = tmp_path / "made.db"
    make_file(made)
    session = SqliteSession(made, "writer")
    migrate(session, "made")
    session.change("CREATE TABLE t (n INTEGER, pad TEXT)")
    transfers.backup(parse_address(f"sqlite:///{made}"), tmp_path / "backup.db", silent)
    session.close()
    return tmp_path / "backup.db"


@pytest.fixture
def store(tmp_path: Path, backup: Path) -> Path:
    """The backup's copy, served and killed: its log holds what was acknowledged."""
    path = tmp_path / "gateway.db"
    shutil.copy(backup, path)
    assert child(path, "kill").returncode == -9
    assert Path(f"{path}-wal").stat().st_size > 0
    return path


def numbers(path: Path) -> list[int]:
    session = SqliteSession(path, "writer")
    try:
        return [int(str(n)) for (n,) in session.rows("SELECT n FROM t ORDER BY n")]
    finally:
        session.close()


@pytest.mark.parametrize("role", ["writer", "reader", "admin"])
@pytest.mark.parametrize("made_by", ["backup", "VACUUM INTO"])
def test_a_backup_over_a_killed_store_is_refused_and_neither_is_touched(
    tmp_path: Path, backup: Path, store: Path, role: SessionRole, made_by: str
) -> None:
    if made_by != "backup":
        with closing(sqlite3.connect(backup)) as other:
            other.execute("VACUUM INTO ?", (str(tmp_path / "vacuumed.db"),))
        backup = tmp_path / "vacuumed.db"
    log = Path(f"{store}-wal")
    shutil.copy(backup, store)
    before = store.read_bytes(), log.read_bytes()
    (link := tmp_path / "link.db").symlink_to(store)
    for name in (store, link):
        with pytest.raises(StoreUnavailable, match=re.escape(f"move {log} and {store}-shm away, then start again")):
            SqliteSession(name, role)
    assert (store.read_bytes(), log.read_bytes()) == before
    log.unlink()
    Path(f"{store}-shm").unlink()
    assert numbers(store) == []


def test_a_killed_store_and_a_copy_of_all_its_files_go_on(tmp_path: Path, store: Path) -> None:
    for ending in ("", "-wal"):
        shutil.copy(f"{store}{ending}", tmp_path / f"copy.db{ending}")
    assert numbers(tmp_path / "copy.db") == numbers(store) == [0, 1, 2, 3]


@pytest.mark.parametrize("log", [b"", b"\0" * 4096, b"\x37\x7f\x06\x82" + b"\0" * 28])
def test_a_log_that_holds_nothing_refuses_nothing(tmp_path: Path, backup: Path, log: bytes) -> None:
    Path(f"{backup}-wal").write_bytes(log)
    assert numbers(backup) == []


def test_the_look_takes_no_lock_from_a_connection_of_the_same_process(tmp_path: Path, backup: Path) -> None:
    """Closing any handle of a file drops every lock that the process has on it: then whoever else closes takes the log away."""
    first = SqliteSession(backup, "writer")
    first.change("INSERT INTO t VALUES (0, '')")
    SqliteSession(backup, "reader").close()
    assert child(backup, "close").returncode == 0
    assert Path(f"{backup}-wal").exists()
    first.change("INSERT INTO t VALUES (9, '')")
    first.close()
    assert numbers(backup) == [0, 0, 1, 2, 3, 9]


@traced
@pytest.mark.slow
def test_killed_at_any_of_its_writes_it_is_never_refused_and_has_all_it_acknowledged(
    tmp_path: Path, backup: Path
) -> None:
    path = tmp_path / "gateway.db"
    for step in range(1, 1000):
        for ending in ("", "-wal", "-shm", "-journal"):
            Path(f"{path}{ending}").unlink(missing_ok=True)
        shutil.copy(backup, path)
        kill = f"inject={_CALLS}:signal=KILL:when={step}"
        ran = child(path, "close", "strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={_CALLS}", "-e", kill)
        assert not has_foreign_log(path), step
        acknowledged = [int(line) for line in ran.stdout.split()]
        assert numbers(path)[: len(acknowledged)] == acknowledged, step
        if ran.returncode == 0:
            break
    assert step > 20


@traced
def test_the_header_is_on_the_disk_before_there_is_a_log(tmp_path: Path, backup: Path) -> None:
    """And the name of the journal is gone for good, which would bring the old header back after a power cut."""
    written = tmp_path / "calls"
    ran = child(backup, "close", "strace", "-f", "-y", "-qq", "-o", str(written), "-e", f"trace={_CALLS}")
    assert ran.returncode == 0, ran.stderr
    calls = [
        f"{call} {Path(path.strip('<>')).name}"
        for call, path in re.findall(r"(\w+)\((?:\d+)?([<\"][^>\"]+)", written.read_text())
        if path.strip('<>"').startswith(str(tmp_path))
    ]
    calls = [call.replace('"', "") for call in calls]
    log = calls.index("pwrite64 backup.db-wal")
    header = calls.index("pwrite64 backup.db")
    unlinked = calls.index("unlink backup.db-journal")
    assert header < calls.index("fdatasync backup.db") < unlinked < log, calls
    assert f"fdatasync {tmp_path.name}" in calls[unlinked:log] or f"fsync {tmp_path.name}" in calls[unlinked:log], calls
