"""`store doctor` finds each thing that a server or a file's place lacks, and leaves both as they were."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gateway.errors import StoreUnavailable
from gateway.store.doctor import sqlite_file
from gateway.store.doctor.diagnosis import Diagnosis, Finding
from gateway.store.doctor.examination import examine
from gateway.store.doctor.trials import TRIALS
from gateway.store.doctor.two_sessions import Server
from gateway.text.store_address import parse_address
from tests.postgres import database_url
from tests.ready_stores import file_at
from tests.store.pooler import Pooler

pytestmark = pytest.mark.whole_server


def findings(diagnosis: Diagnosis) -> dict[str, Finding]:
    return {one.name: one for one in diagnosis.findings}


def grades(diagnosis: Diagnosis, *but: str) -> dict[str, str]:
    return {one.name: one.grade for one in diagnosis.findings if one.grade not in ("ok", *but)}


def left_behind(url: str) -> list[Any]:
    with psycopg.connect(url) as there:
        tables = "SELECT relname FROM pg_class WHERE relname LIKE 'gateway_doctor%'"
        functions = "SELECT proname FROM pg_proc WHERE proname LIKE 'gateway_doctor%'"
        return there.execute(f"{tables} UNION ALL {functions}").fetchall()


def test_a_postgresql_has_all_of_it_and_is_left_as_it_was(postgres_store_url: str) -> None:
    diagnosis = examine(parse_address(postgres_store_url))
    assert (diagnosis.fits, diagnosis.mode) == (True, "full")
    assert grades(diagnosis) == {"standbys": "noted"}
    assert {trial.name for trial in TRIALS} <= findings(diagnosis).keys()
    assert left_behind(postgres_store_url) == []


# What a server may be that only speaks like PostgreSQL: what it makes of a statement, which trial sees it, and how bad it is.
OTHERS = [
    (r"^BEGIN.*", "SELECT 1", "transactions", "missing"),
    (r"SELECT token FROM \{t\} WHERE id = 2", "SELECT 0", "transactions", "missing"),
    (r"REPEATABLE READ", "READ COMMITTED", "what is out of order", "missing"),
    (r"^UPDATE (.*) token \+ 1 WHERE id = 2", r"UPDATE \1 token / 0 WHERE id = 2", "what is out of order", "missing"),
    (r"^INSERT .*DO NOTHING RETURNING id$", "SELECT 3", "unique keys", "missing"),
    (r"WHERE o.state = 'dead'", "", "unique keys", "missing"),
    (r"CREATE UNIQUE INDEX", "CREATE INDEX", "unique keys", "missing"),
    (r"AND token = %s", "AND %s IS NOT NULL", "fencing", "missing"),
    (r"FOR UPDATE SKIP LOCKED", "", "SKIP LOCKED", "noted"),
    (r"FOR UPDATE SKIP LOCKED", "FOR NOBODY", "SKIP LOCKED", "missing"),
    (r"WITH ORDINALITY", "WITH ORDER", "statements", "missing"),
    (r"gone AS \(UPDATE (.*) RETURNING g.id\)", "gone AS (SELECT 1 WHERE false)", "statements", "missing"),
    (r"bytea", "text", "values", "missing"),
    (r"WHERE id > 99", "WHERE id = 1", "values", "missing"),
    (r"COLLATE \"C\" >", 'COLLATE "und-x-icu" >', "values", "missing"),
    (r"REFERENCES \{t\} \(id\) ON DELETE CASCADE", "", "foreign keys", "missing"),
    (r"SELECT pg_advisory_xact_lock", "SELECT pg_notify('x', 'y') WHERE 0 <>", "advisory locks", "noted"),
    (r"READ COMMITTED", "REPEATABLE READ", "fresh snapshots", "missing"),
    (r"AS IDENTITY PRIMARY", "AS IDENTITY (CACHE 50) PRIMARY", "sequences", "missing"),
    (r"LANGUAGE sql", "LANGUAGE none", "functions", "noted"),
    (r"SELECT \{t\}_next\('one'\)", "SELECT 7", "functions", "noted"),
    (r"^LISTEN", "UNLISTEN", "LISTEN", "noted"),
    (r"LOCK TABLE", "LOCK NOTHING", "moving", "noted"),
]


@pytest.fixture
def becomes(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """`becomes(pattern, other)`: from now on the server takes statements so."""
    real = Server.rows

    def put(pattern: str, other: str) -> None:
        def rows(self: Server, text: str, *arguments: Any) -> Any:
            return real(self, re.sub(pattern, other, text), *arguments)

        monkeypatch.setattr(Server, "rows", rows)

    return put


@pytest.fixture(scope="module")
def shared_url(postgres_server: str, _postgres_admin: Any) -> Iterator[str]:
    """An empty database for all of these, because each leaves it as it was."""
    name = f"doctor_{os.getpid()}"
    _postgres_admin.execute(f"CREATE DATABASE {name} STRATEGY file_copy")
    yield database_url(postgres_server, name)
    _postgres_admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize(("pattern", "other", "trial", "grade"), OTHERS)
def test_what_a_server_does_otherwise_is_found_named_and_explained(
    shared_url: str,
    pattern: str,
    other: str,
    trial: str,
    grade: str,
    becomes: Callable[[str, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.store.doctor.trials.NOTICE_SECONDS", 0.05)
    becomes(pattern, other)
    diagnosis = examine(parse_address(shared_url))
    finding = findings(diagnosis)[trial]
    assert (finding.grade, bool(finding.seen), bool(finding.meaning)) == (grade, True, True)
    assert diagnosis.fits == (grade != "missing")
    assert left_behind(shared_url) == []


def test_the_reduced_mode_asks_for_less_and_for_a_function(
    shared_url: str, becomes: Callable[[str, str], None]
) -> None:
    reduced = parse_address(f"{shared_url}&mode=reduced")
    becomes(r"READ COMMITTED|GENERATED BY DEFAULT AS IDENTITY|SELECT pg_advisory_xact_lock", "NOTHING")
    diagnosis = examine(reduced)
    assert (diagnosis.fits, diagnosis.mode) == (True, "reduced")
    assert grades(diagnosis).keys() >= {"fresh snapshots", "sequences", "advisory locks"}
    becomes(r"LANGUAGE sql", "LANGUAGE none")
    assert findings(examine(reduced))["functions"].grade == "missing"


def test_the_settings_that_matter_are_told(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as there:
        ((name,),) = there.execute("SELECT current_database()").fetchall()
        for setting in ("synchronous_commit = off", "default_transaction_isolation = 'serializable'"):
            there.execute(f"ALTER DATABASE {name} SET {setting}")
        diagnosis = examine(parse_address(postgres_url))
        assert grades(diagnosis) == {
            "durability": "missing",
            "isolation": "noted",
            "standbys": "noted",
            "store": "noted",
        }
        there.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        diagnosis = examine(parse_address(postgres_url))
        assert grades(diagnosis).items() >= {"writable": "missing", "tables": "missing"}.items()


def test_what_a_server_does_not_tell_is_not_asked_again(shared_url: str, becomes: Callable[[str, str], None]) -> None:
    becomes(r"pg_stat_activity", "no_such_view")
    diagnosis = examine(parse_address(shared_url))
    assert diagnosis.fits
    assert "connections" not in findings(diagnosis)


def test_a_server_that_is_kept_badly_is_told(shared_url: str, becomes: Callable[[str, str], None]) -> None:
    for pattern, other, name in (
        ("SELECT coalesce.*pg_backend_pid..", "SELECT 4000", "old transaction"),
        (r"current_setting\('autovacuum', true\)", "'off'", "autovacuum"),
        (r"current_setting\('full_page_writes', true\)", "'off'", "full_page_writes"),
        (r"current_setting\('synchronous_standby_names', true\)", "'two'", "standbys"),
    ):
        becomes(f"(?s){pattern}", other)
        assert findings(examine(parse_address(shared_url)))[name].grade == ("ok" if name == "standbys" else "unwise")


def test_a_pooler_that_lends_connections_is_named(postgres_url: str) -> None:
    with Pooler(psycopg.conninfo.conninfo_to_dict(postgres_url)["host"], "transaction") as pooler:  # type: ignore[arg-type]
        diagnosis = examine(parse_address(pooler.url_of(postgres_url)))
    assert grades(diagnosis).items() >= {"pooler": "noted", "LISTEN": "noted"}.items()
    assert diagnosis.fits


def test_nobody_at_the_address_is_told_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be reached") as error:
        examine(parse_address(f"postgresql://u@/d?host={tmp_path}", "a-secret-word"))
    assert "a-secret-word" not in str(error.value)


# -- SQLite


def test_a_local_disk_has_all_of_it_and_is_left_as_it_was(tmp_path: Path) -> None:
    url = file_at(tmp_path / "gateway.db")
    diagnosis = examine(parse_address(url))
    assert (diagnosis.fits, diagnosis.mode) == (True, None)
    assert findings(diagnosis).keys() >= {"journal", "commit", "owner lock", "owner", "store"}
    assert os.listdir(tmp_path) == ["gateway.db"]


@pytest.mark.parametrize(
    ("kind", "grade"), [("nfs4", "missing"), ("tmpfs", "unwise"), ("overlay", "unwise"), ("xfs", "ok")]
)
def test_the_file_system_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, grade: str) -> None:
    device = os.stat(tmp_path).st_dev
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        f"22 1 0:999 / /other rw - ext3 none rw\n36 35 {os.major(device)}:{os.minor(device)} / /mnt rw,noatime shared:1 - {kind} server:/x rw\n"
    )
    monkeypatch.setattr(sqlite_file, "MOUNTS", mounts)
    assert findings(examine(parse_address(f"sqlite:///{tmp_path}/x.db")))["file system"].grade == grade


def test_a_file_system_that_is_not_listed_is_no_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mountinfo").write_text("22 1 0:999 / /other rw - ext3 none rw\n")
    for mounts in ("mountinfo", "absent"):
        monkeypatch.setattr(sqlite_file, "MOUNTS", tmp_path / mounts)
        assert examine(parse_address(f"sqlite:///{tmp_path}/x.db")).fits


@pytest.mark.parametrize(
    ("version", "grade"), [((3, 36, 0), "missing"), ((3, 37, 0), "noted"), ((3, 51, 2), "noted"), ((3, 51, 3), "ok")]
)
def test_the_library_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int], grade: str
) -> None:
    monkeypatch.setattr("sqlite3.sqlite_version_info", version)
    assert findings(examine(parse_address(f"sqlite:///{tmp_path}/x.db")))["library"].grade == grade


def test_a_database_of_another_program_is_no_store(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE t (n INTEGER)")
    found = findings(examine(parse_address(f"sqlite:///{tmp_path}/other.db")))["store"]
    assert (found.grade, found.seen) == ("missing", "a file of another program")


def test_a_pipe_in_the_place_of_a_store_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gateway.db")
    found = findings(examine(parse_address(f"sqlite:///{tmp_path}/gateway.db")))["store"]
    assert (found.grade, found.seen) == ("missing", "a named pipe")


def test_of_a_file_its_kind_its_mode_and_its_owner_are_told(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    other.write_bytes(b"not a database at all, but long enough to be read as one" * 20)
    assert findings(examine(parse_address(f"sqlite:///{other}")))["store"].grade == "missing"
    url = file_at(tmp_path / "gateway.db")
    os.chmod(tmp_path / "gateway.db", 0o644)
    assert findings(examine(parse_address(url)))["permissions"].grade == "unwise"
    assert stat.S_IMODE((tmp_path / "gateway.db").stat().st_mode) == 0o644


def test_a_place_where_nothing_can_be_written_or_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert findings(examine(parse_address("sqlite:////proc/self/gateway.db")))["writable"].grade == "missing"
    with pytest.raises(StoreUnavailable, match="no store at"):
        examine(parse_address(f"sqlite:///{tmp_path}/nowhere/gateway.db"))
