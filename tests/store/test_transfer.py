"""A store taken elsewhere: every table, both ways between the databases, whatever ends it in between."""

from __future__ import annotations

import io
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import SchemaMismatch, StoreError, StoreInUse
from gateway.runtime.clock import Clock
from gateway.store.engine.numbers import go_on_after
from gateway.store.engine.tables import StoreTable, schema
from gateway.store.store import Store
from gateway.store.transfer import transfers
from gateway.store.transfer.dump_lines import LEFT_OUT, OWN_NOTES
from gateway.store.transfer.two_ends import snapshot
from gateway.text.store_address import parse_address
from tests.ready_stores import file_at
from tests.store.kit import LEASE, beside, new, take

# What a column may hold where a made-up value would be refused, and what a start would act upon.
WORDS = {("state", "text"): "waiting", ("held", "text"): None, ("reason", "text"): None, ("rank", "int"): 1}
NASTY = 'ü "\\ \x7f\u2028 漢字'
ROWS = 3
AUDITED = "audit"  # has one row more: of the act


def silent(_steps: int) -> Callable[[int], object]:
    return lambda _more: None


def value(table: StoreTable, column: str, kind: str, number: int) -> Any:
    """A value of its own for each row; where another table is referred to, the key of its row of that number."""
    if (column, kind) in WORDS:
        return WORDS[column, kind]
    if kind == "int":
        return number if column in table.key or any(one.column == column for one in table.references) else number % 2
    return bytes([number, 0, 255]) if kind == "blob" else f"{column} {number} {NASTY}"


def fill_every_table(url: str) -> None:
    """Rows in every column of every table of the schema, so that no new one can be forgotten."""
    with beside(url) as session, session.atomic():
        for table in schema().tables.values():
            made = [
                [value(table, column, kind, number) for column, kind in zip(table.columns, table.kinds, strict=True)]
                for number in range(1, ROWS + 1)
            ]
            session.put_rows(table.name, table.columns, made)  # type: ignore[attr-defined]
        for table in schema().tables.values():
            if table.numbered:
                go_on_after(session, table, ROWS)


def content(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table that goes along, by its key."""
    with beside(url) as session:
        return {
            name: sorted(map(tuple, session.rows(f"SELECT * FROM {name}")), key=repr)
            for name in schema().tables
            if name not in LEFT_OUT
        }


def same(one: str, other: str) -> None:
    """Both hold the same, but for the row of who did it and what each says of its own tables."""
    mine, theirs = content(one), content(other)
    for rows in (mine, theirs):
        rows["meta"] = [row for row in rows["meta"] if row[0] not in OWN_NOTES]
        rows[AUDITED] = [row for row in rows[AUDITED] if not str(row[4]).startswith("store ")]
    for name in mine:
        assert mine[name] == theirs[name], name
    assert all(rows for rows in mine.values())


@pytest.fixture
def full(tmp_path: Path) -> str:
    url = file_at(tmp_path / "full.db")
    fill_every_table(url)
    return url


def exported(url: str) -> bytes:
    lines = io.BytesIO()
    transfers.export_to(parse_address(url), lines.write, silent)
    return lines.getvalue()


def imported(url: str, lines: bytes) -> tuple[int, int]:
    return transfers.import_from(parse_address(url), io.BytesIO(lines), "the file", silent)


def test_the_tables_that_go_along_are_all_that_the_database_has(full: str, postgres_store_url: str) -> None:
    with beside(full) as file, beside(postgres_store_url) as server:
        there = {
            name
            for (name,) in file.rows("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        }
        of_server = (
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = CAST(current_schema() AS regnamespace)"
        )
        beside_them = {"locks", "numbers"} if server.reduced else set()
        assert there == {name for (name,) in server.rows(of_server)} - beside_them == schema().tables.keys()
        for table in schema().tables.values():
            assert [row[1] for row in file.rows(f"PRAGMA table_info({table.name})")] == list(table.columns)


def test_there_and_back_everything_is_as_it_was(full: str, postgres_store_url: str, tmp_path: Path) -> None:
    back = f"sqlite:///{tmp_path}/back.db"
    transfers.copy(parse_address(full), parse_address(postgres_store_url), silent)
    same(full, postgres_store_url)
    transfers.copy(parse_address(postgres_store_url), parse_address(back), silent)
    same(full, back)


def test_an_export_fills_the_other_kind_of_store_too(full: str, postgres_store_url: str, tmp_path: Path) -> None:
    imported(postgres_store_url, exported(full))
    same(full, postgres_store_url)
    back = f"sqlite:///{tmp_path}/back.db"
    imported(back, exported(postgres_store_url))
    same(full, back)
    head, *_, end = [json.loads(line) for line in exported(back).splitlines()]
    assert head["tables"].keys() == end["end"].keys() == head["rows"].keys()


class Killed(BaseException):
    pass


def killed_after(after: int) -> transfers.BeginPart:
    """Progress that ends the process after so many rows, as far as the code can tell."""
    left = after

    def more(steps: int) -> None:
        nonlocal left
        left -= steps
        if left <= 0:
            raise Killed

    return lambda _steps: more


@pytest.mark.parametrize("after", [1, 20])
def test_ended_in_between_nobody_serves_it_and_the_same_command_goes_on(full: str, url: str, after: int) -> None:
    target, lines = parse_address(url), exported(full)
    with pytest.raises(Killed):
        transfers.import_from(target, io.BytesIO(lines), "the file", killed_after(after))
    with pytest.raises(SchemaMismatch, match="not filled to its end"), snapshot(target):
        pass
    with pytest.raises(StoreError, match="begun to be filled from something else"):
        transfers.copy(parse_address(full), target, silent)
    before, rows = imported(url, lines)
    assert 0 < before < rows
    same(full, url)
    with pytest.raises(StoreError, match="is not empty"):
        imported(url, lines)


def test_a_copy_of_what_changed_in_between_is_not_taken_for_whole(full: str, url: str) -> None:
    source, target = parse_address(full), parse_address(url)
    with pytest.raises(Killed):
        transfers.copy(source, target, killed_after(20))
    with beside(full) as session:
        session.change("UPDATE events SET subject = 'another' WHERE seq = 1")
    with pytest.raises(StoreError, match="changed meanwhile"):
        transfers.copy(source, target, silent)
    with pytest.raises(SchemaMismatch, match="not filled to its end"), snapshot(target):
        pass


def broken(lines: bytes) -> Iterator[tuple[bytes, str]]:
    parts = lines.splitlines(keepends=True)
    yield b"", "line 1: the file ends here"
    yield b"hello\n", "line 1: it is not the head"
    yield b"[" * 100_000 + b"\n", "line 1: it is not the head"
    yield b"SQLite format 3\0" + bytes(100) + b"\n", "line 1: it is a SQLite file"
    yield b"\x1f\x8b" + bytes(100) + b"\n", "line 1: it is packed"
    yield b"".join(parts[:-1]), "was cut off"
    yield lines[:-20], "was cut off"
    yield b"".join([*parts[:5], *parts[6:]]), "changed or damaged"
    yield b"".join([*parts[:5], parts[5], *parts[5:]]), "changed or damaged"
    yield lines.replace(b"subject 1", b"subject 9"), "changed or damaged"
    yield b"".join([parts[0], b'["nothing",1]\n', *parts[1:]]), "no row of a table"
    yield b"".join([parts[0], b'{"x":1}\n', *parts[1:]]), "line 2: it cannot be read"
    yield b"".join([parts[0], b"\xff\xff\n", *parts[1:]]), "line 2: it cannot be read"
    yield b"".join([parts[0], b"[" * 100_000 + b"\n", *parts[1:]]), "line 2: it cannot be read"
    yield b"".join([parts[0], b'{"end":' * 100_000 + b"\n", *parts[1:]]), "line 2: it is not the end"
    yield lines.replace(b'_export":1', b'_export":2', 1), "another state of it"
    yield lines.replace(b'"seq int"', b'"seq text"', 1), r"its tables are not this program's \(events\)"


def test_of_a_file_that_is_cut_off_changed_or_another_programs_nothing_is_put_in(full: str, tmp_path: Path) -> None:
    target = f"sqlite:///{tmp_path}/new.db"
    lines = exported(full)
    for text, why in broken(lines):
        with pytest.raises(StoreError, match=why):
            imported(target, text)
    imported(target, lines)
    same(full, target)


async def test_a_store_that_is_served_or_has_something_in_it_is_refused(
    opened: Any, url: str, full: str, tmp_path: Path
) -> None:
    store: Store = await opened(clock=Clock())  # because a sign of life is measured by the server's clock
    await store.serving(("app",))
    served, other = parse_address(url), parse_address(f"sqlite:///{tmp_path}/other.db")
    with pytest.raises(StoreInUse, match="stop it first"):
        transfers.copy(served, other, silent)
    with pytest.raises(StoreInUse, match="stop it first"):
        transfers.copy(parse_address(full), served, silent)
    await take(store, new(1, "app"))
    assert transfers.export_to(served, io.BytesIO().write, silent) > 2  # beside it, an export may be made
    await store.disown()
    await store.close()
    with pytest.raises(StoreError, match="is not empty"):
        transfers.copy(parse_address(full), served, silent)
    nothing = parse_address(f"sqlite:///{tmp_path}/nothing.db")
    with pytest.raises(StoreError, match="there is no store"):
        transfers.copy(nothing, other, silent)
    assert [name for name in os.listdir(tmp_path) if "nothing" in name] == []
    with pytest.raises(StoreError, match="onto itself"):
        transfers.copy(served, served, silent)
    (tmp_path / "beside.db").symlink_to(parse_address(full).path)
    with pytest.raises(StoreError, match="onto itself"):
        transfers.copy(parse_address(full), parse_address(f"sqlite:///{tmp_path}/beside.db"), silent)


async def test_no_number_comes_twice_and_what_was_in_flight_is_due_at_once(
    store: Store, url: str, open_at: Any, postgres_url: str, tmp_path: Path
) -> None:
    await take(store, *(new(n, "app") for n in range(1, 4)))
    await store.claim("app", 2, LEASE)
    with beside(url) as session:
        session.change("DELETE FROM events WHERE id LIKE '%3'")  # the newest number of each table is free again
        last = session.rows("SELECT max(id) FROM deliveries")
    await store.close()
    target = postgres_url if url.startswith("sqlite") else f"sqlite:///{tmp_path}/target.db"
    transfers.copy(parse_address(url), parse_address(target), silent)
    moved = await open_at(url=target)
    await take(moved, new(4, "app"))
    with beside(target) as session:
        assert session.rows("SELECT max(id) FROM deliveries")[0][0] > last[0][0] + 1
        owners = session.rows(
            "SELECT count(*) FROM deliveries WHERE state = 'sending' AND due_at > :later", {"later": 10**14}
        )
        assert owners == [(0,)]


async def test_a_backup_made_while_it_is_written_to_is_a_store_of_one_moment(
    store: Store, url: str, tmp_path: Path, open_at: Any
) -> None:
    await take(store, *(new(n, "app") for n in range(1, 200)))
    number = 200

    def writing(_steps: int) -> Callable[[int], object]:
        def write(_more: int) -> None:
            nonlocal number
            if url.startswith("sqlite") and number < 205:
                number += 1
                with closing(sqlite3.connect(parse_address(url).path)) as other:
                    other.execute(
                        "INSERT INTO live (at, kind, source, sink, type, event, body) VALUES (1, '', '', '', '', '', '')"
                    )
                    other.commit()

        return write

    path = tmp_path / "backup"
    assert "to restore" in transfers.backup(parse_address(url), path, writing)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [name for name in os.listdir(tmp_path) if ".part" in name] == []
    with pytest.raises(StoreError, match="is there already"):
        transfers.backup(parse_address(url), path, silent)
    await store.close()
    restored = f"sqlite:///{path}"
    if not url.startswith("sqlite"):
        restored = f"sqlite:///{tmp_path}/restored.db"
        imported(restored, path.read_bytes())
    with beside(restored) as session:
        assert session.rows("SELECT count(*) FROM events") == [(199,)]
        assert session.rows("SELECT count(*) FROM live") == [(0,)]
    again = await open_at(url=restored)
    assert len(await again.claim("app", 5, LEASE)) == 5
