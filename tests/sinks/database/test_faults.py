"""What a database's errors mean: by code, against real servers where one can be brought to say it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pymysql  # type: ignore[import-untyped]
import pytest
from psycopg import errors as pg
from sqlalchemy import exc

from gateway import DeliveryFailed, Refused, Retry, Unavailable
from gateway.testing import delivery, event
from plugins.sinks.database.faults import judge
from tests.patience import PATIENCE_S
from tests.ports import free_port
from tests.sinks.database.conftest import Place, making


def _kind(failure: DeliveryFailed) -> str:
    if isinstance(failure, Retry):
        return ("service" if failure.service else "retry") + (" later" if failure.after else "")
    return type(failure).__name__.lower()


def wrapped(orig: BaseException, **more: Any) -> exc.DBAPIError:
    error = exc.OperationalError("INSERT …", {"url": "SECRET"}, orig, hide_parameters=True)
    for name, value in more.items():
        setattr(error, name, value)
    return error


STATES = {
    "08006": "service", "40001": "retry", "40P01": "retry", "53300": "service", "53100": "service later", "55P03": "retry",
    "57014": "retry", "57P01": "service", "57P03": "service", "25006": "service later", "58030": "service",
    "22001": "refused", "22003": "refused", "22021": "refused", "22P02": "refused", "23502": "refused", "23503": "refused",
    "23505": "refused", "23514": "refused", "54000": "refused",
    "28P01": "unavailable", "3D000": "unavailable", "42P01": "unavailable", "42703": "unavailable", "42501": "unavailable",
    "42P10": "unavailable", "0A000": "unavailable",
    "P0001": "refused", "40002": "refused", "25P02": "retry", "55006": "retry", "26000": "retry", "XX000": "service",
}  # fmt: skip


@pytest.mark.parametrize("state", STATES)
def test_sqlstate_decides(state: str) -> None:
    error = pg.lookup(state)("the value SECRET")
    failure = judge(wrapped(error), "PostgreSQL h/d")
    assert _kind(failure) == STATES[state]
    assert state in failure.detail
    assert "SECRET" not in failure.detail


NUMBERS = {
    1040: "service", 1205: "retry", 1213: "retry", 2003: "service", 2006: "service", 2013: "service", 1927: "service",
    1290: "service later", 1021: "service later", 1053: "service",
    1062: "refused", 1048: "refused", 1264: "refused", 1366: "refused", 1406: "refused", 1452: "refused", 4025: "refused",
    1044: "unavailable", 1045: "unavailable", 1049: "unavailable", 1054: "unavailable", 1142: "unavailable",
    1146: "unavailable", 1064: "unavailable", 2026: "unavailable", 1644: "refused", 1999: "retry", 1317: "service",
}  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
def test_mysqls_number_decides(number: int) -> None:
    error = pymysql.err.OperationalError(number, "Duplicate entry 'x' for key 'PRIMARY'")
    failure = judge(wrapped(error), "MySQL h/d")
    assert _kind(failure) == NUMBERS[number]
    assert str(number) in failure.detail


def test_mysqls_text_gives_names_of_columns_and_no_values() -> None:
    said = "Incorrect string value: '\\xF0\\x9F' for column `gateway`.`media`.`title` at row 1"
    failure = judge(wrapped(pymysql.err.DataError(1366, said)), "MySQL h/d")
    assert failure.detail == "MySQL h/d: 1366 DataError (title)"
    failure = judge(wrapped(pymysql.err.IntegrityError(1062, "Duplicate entry 'SECRET' for key 'by_url'")), "MySQL h/d")
    assert failure.detail == "MySQL h/d: 1062 IntegrityError (by_url)"


NAMES = {
    "SQLITE_BUSY": "service", "SQLITE_BUSY_SNAPSHOT": "service", "SQLITE_LOCKED": "retry", "SQLITE_IOERR_WRITE": "service later",
    "SQLITE_FULL": "service later", "SQLITE_CONSTRAINT_UNIQUE": "refused", "SQLITE_CONSTRAINT_DATATYPE": "refused",
    "SQLITE_TOOBIG": "refused", "SQLITE_ERROR": "unavailable", "SQLITE_READONLY": "unavailable",
    "SQLITE_CANTOPEN": "unavailable", "SQLITE_CORRUPT": "unavailable", "SQLITE_NOTADB": "unavailable",
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_sqlites_name_decides(name: str) -> None:
    error = sqlite3.OperationalError("no such table: recordings")
    error.sqlite_errorname = name
    assert _kind(judge(wrapped(error), "SQLite x.db")) == NAMES[name]


OTHERS: list[tuple[BaseException, str]] = [
    (ConnectionRefusedError(111, "Connection refused"), "service"),
    (TimeoutError(), "service"),
    (exc.TimeoutError("QueuePool limit of size 4 overflow 0 reached"), "service"),
    (wrapped(OSError(104, "reset")), "service"),
    (wrapped(pymysql.err.InterfaceError("Not connected")), "service"),
    (wrapped(sqlite3.ProgrammingError("closed"), connection_invalidated=True), "service"),
    (wrapped(pg.OperationalError("connection failed: Connection refused")), "service"),
    (wrapped(pg.OperationalError('FATAL:  password authentication failed for user "x"')), "unavailable"),
    (wrapped(OverflowError("Python int too large")), "refused"),
    (RuntimeError("SECRET"), "retry"),
]


@pytest.mark.parametrize(("error", "expected"), OTHERS, ids=lambda value: str(value)[:30])
def test_what_has_no_code_is_told_by_its_kind(error: BaseException, expected: str) -> None:
    failure = judge(error, "somewhere")
    assert _kind(failure) == expected
    assert "SECRET" not in failure.detail


# --- against real servers ----------------------------------------------------------------------------------------------


async def _opening(url: str, **options: Any) -> DeliveryFailed:
    async with making(url, opened=False, **options) as sink:
        with pytest.raises(DeliveryFailed) as failed:
            await sink.open()
    return failed.value


async def test_nobody_listening_is_tried_again_and_counts_towards_the_circuit() -> None:
    for kind in ("postgresql", "mysql"):
        failure = await _opening(f"{kind}://x@127.0.0.1:{free_port()}/d", password="canary-password")
        assert _kind(failure) == "service"
        assert "canary" not in failure.detail


async def test_a_database_or_user_that_is_not_there_is_unavailable(postgres: Place) -> None:
    failure = await _opening(postgres.url.replace("/gateway_", "/nowhere_"))
    assert _kind(failure) == "unavailable"
    assert "does not exist" in failure.detail


async def test_mysql_says_no_without_the_password(mysql: Place) -> None:
    failure = await _opening(mysql.url.replace("root@", "stranger@"), password="canary-password")
    assert _kind(failure) == "unavailable"
    assert "canary" not in failure.detail
    assert _kind(await _opening(mysql.url + "_not")) == "unavailable"


async def test_mysql_without_tls_is_left_before_anything_is_said_where_tls_is_asked_for(mysql: Place) -> None:
    if mysql.run("SHOW VARIABLES LIKE 'have_ssl'")[0]["Value"] == "YES":
        pytest.skip("this MariaDB offers TLS")
    failure = await _opening(mysql.url + "?ssl_mode=required", password="canary-password")
    assert _kind(failure) == "unavailable"
    assert "the server offers no TLS" in failure.detail


@pytest.mark.parametrize("switched", [False, True])
async def test_no_server_is_told_the_password_in_clear(switched: bool) -> None:
    heard: list[bytes] = []
    done = asyncio.Event()

    def packet(number: int, payload: bytes) -> bytes:
        return len(payload).to_bytes(3, "little") + bytes([number]) + payload

    async def rogue(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        plugin = b"mysql_native_password" if switched else b"mysql_clear_password"
        capabilities = 0x00FFF7FF  # everything but TLS
        writer.write(
            packet(
                0,
                b"\x0a8.0.0\0" + bytes(4) + b"saltsalt\0" + capabilities.to_bytes(4, "little")[:2] + b"\x21\x02\0"
                + capabilities.to_bytes(4, "little")[2:] + b"\x15" + bytes(10) + b"saltsaltsalt\0" + plugin + b"\0",
            )
        )  # fmt: skip
        if switched:
            heard.append(await reader.read(4096))
            writer.write(packet(2, b"\xfemysql_clear_password\0\0"))
        heard.append(await reader.read(4096))
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        done.set()

    async with await asyncio.start_server(rogue, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        failure = await _opening(f"mysql://me@127.0.0.1:{port}/d", password="canary-password")
        await done.wait()
    assert _kind(failure) == "unavailable"
    assert "wants the password in clear" in failure.detail
    assert b"canary" not in b"".join(heard)


async def test_certificates_that_are_not_there_are_said_to_be(tmp_path: Path) -> None:
    failure = await _opening(f"mysql://x@127.0.0.1/d?ssl_ca={tmp_path}/no.pem")
    assert _kind(failure) == "unavailable"
    assert "No such file" in failure.detail


async def test_a_file_that_cannot_be_opened_or_is_none_of_sqlites_is_unavailable(tmp_path: Path) -> None:
    said = (await _opening(f"sqlite:///{tmp_path}/no/where.db")).detail
    assert "SQLITE_CANTOPEN: its folder 'no' is not there: make it" in said
    (tmp_path / "junk.db").write_bytes(b"junk" * 1000)
    assert "NOTADB" in (await _opening(f"sqlite:///{tmp_path}/junk.db")).detail


async def test_a_table_that_goes_away_is_unavailable_and_nothing_is_lost(place: Place) -> None:
    async with making(place.url) as sink:
        await sink.deliver(delivery())
        place.run("ALTER TABLE recordings RENAME TO elsewhere")
        results = await sink.deliver_batch([delivery(event(number=number)) for number in range(3)])
        assert [type(result) for result in results] == [Unavailable] * 3
        place.run("ALTER TABLE elsewhere RENAME TO recordings")
        assert await sink.deliver(delivery()) == "1 row"


async def test_a_right_that_is_missing_is_unavailable(postgres: Place) -> None:
    async with making(postgres.url):
        pass
    postgres.run("DROP ROLE IF EXISTS reader", "CREATE ROLE reader LOGIN", "GRANT SELECT ON recordings TO reader")
    try:
        async with making(postgres.url.replace("postgres:@", "reader@").replace("postgres@", "reader@")) as sink:
            with pytest.raises(Unavailable, match="42501"):
                await sink.deliver(delivery())
    finally:
        postgres.run("DROP OWNED BY reader", "DROP ROLE reader")


async def test_a_file_that_another_program_writes_is_waited_for_and_then_tried_again(
    sqlite: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugins.sinks.database.engine._BUSY_SECONDS", 0.05)
    async with making(sqlite.url) as sink:
        other = sqlite._connect()
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Retry, match="SQLITE_BUSY"):
            await sink.deliver(delivery())
        other.execute("ROLLBACK")
        other.close()
        assert await sink.deliver(delivery()) == "1 row"


async def test_a_delivery_that_is_cut_off_leaves_no_transaction_behind(place: Place) -> None:
    if place.kind == "sqlite":
        pytest.skip("it waits in a thread of its own")
    async with making(place.url, connections=1) as sink:
        await sink.deliver(delivery())
        other = place._connect()
        cursor = other.cursor()
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM recordings FOR UPDATE")
        cursor.fetchall()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await sink.deliver(delivery())
        other.rollback()
        other.close()
        async with asyncio.timeout(PATIENCE_S):
            assert await sink.deliver(delivery()) == "1 row"


async def test_a_sqlite_file_that_was_deleted_is_made_again(sqlite: Place, tmp_path: Path) -> None:
    first, second = delivery(), delivery(event("recording.failed"))
    async with making(sqlite.url) as sink:
        await sink.deliver(first)
        (tmp_path / "events.db").unlink()
        with pytest.raises(Unavailable):
            await sink.deliver(second)
        await sink.deliver(second)
    assert [row["event_id"] for row in sqlite.run("SELECT event_id FROM recordings")] == [second.event.id]


async def test_an_error_after_close_is_a_retry(sqlite: Place) -> None:
    async with making(sqlite.url) as sink:
        ready = sink._ready
        await sink.close()
        sink._ready = ready
        with pytest.raises(Retry, match="the sink is closed"):
            await sink.deliver(delivery())


def test_what_is_not_installed_is_said_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from plugins.sinks.database import Database

    read = Database.Options.model_validate({"url": "mysql://localhost/d"})
    sink = Database("db", read, http=SimpleNamespace(), log=None)  # type: ignore[arg-type]
    assert sink.advice() == []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install '.[database]'" in sink.missing()[0]


async def test_a_library_that_is_missing_is_unavailable(sqlite: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(dialect: str) -> None:
        raise ModuleNotFoundError(name="sqlalchemy")

    monkeypatch.setattr("plugins.sinks.database.sink._import", missing)
    failure = await _opening(sqlite.url)
    assert "sqlalchemy is not installed" in failure.detail
    assert isinstance(failure, Unavailable)
    assert not isinstance(failure, Refused)
