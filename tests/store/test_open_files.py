"""The SQLite file goes away under the running gateway: nothing is acknowledged that the next start would not find."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from gateway.errors import StoreFileGone, StoreUnavailable
from gateway.store.admin.connections import StoreConnections
from gateway.store.sqlite.batch import SqliteBulk
from gateway.store.sqlite.open_file import OpenFiles
from gateway.store.store import Store
from gateway.text.store_address import parse_address
from tests.store.conftest import Opener
from tests.store.faults import on_writer
from tests.store.kit import LEASE, new, settlement, take


def _beside(ending: str) -> Callable[[Path], Path]:
    return lambda file: file.with_name(file.name + ending)


def _delete(path: Path) -> None:
    path.unlink()


def _rename(path: Path) -> None:
    path.rename(path.with_name("moved"))


def _replace(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    copy.rename(path)


def _swap_for_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _swap(path: Path, other: Path) -> None:
    _rename(path)
    other.rename(path)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _rename_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


FILES = {"database": _beside(""), "log": _beside("-wal"), "index": _beside("-shm"), "lock": _beside(".lock")}
HAPPENINGS = [
    *[(of, act) for of in FILES for act in (_delete, _rename, _replace, _swap_for_a_folder)],
    ("database", _empty),
    ("database", _rename_folder),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    return tmp_path / "store" / "gateway.db"


async def _ticked(store: Store, file: Path) -> None:
    """The writer looks as it does four times a second."""
    store._writer._next_tick = 0.0
    with pytest.raises(StoreUnavailable):
        await on_writer(store, lambda _: None)


@pytest.mark.parametrize(("of", "happens"), HAPPENINGS, ids=[f"{of}{act.__name__}" for of, act in HAPPENINGS])
async def test_nothing_is_acknowledged_into_a_file_that_the_next_start_would_not_open(
    file: Path, open_at: Opener, of: str, happens: Callable[[Path], None]
) -> None:
    store = await open_at(url=f"sqlite:///{file}")
    (answer,) = await take(store, new(1, "app", lease=LEASE))
    with structlog.testing.capture_logs() as lines:
        happens(FILES[of](file))
        for n in range(2, 5):
            with pytest.raises(StoreUnavailable, match="while it was open"):
                await store.accept([new(n)])
        with pytest.raises(StoreUnavailable):
            await store.settle([settlement(answer.leases[0])])
        with pytest.raises(StoreUnavailable):
            await store.ping()
        assert not store.healthy()
        await _ticked(store, file)
    errors = [line for line in lines if line["log_level"] in ("error", "warning")]
    assert [line["event"] for line in errors] == ["store_file_gone"]
    assert str(file) in errors[0]["error"]


@pytest.mark.parametrize("of", ["log", "index"])
async def test_the_log_of_a_restored_copy_is_watched_from_its_first_start_on(
    file: Path, open_at: Opener, of: str
) -> None:
    """A copy keeps no log until it is served: one that is made behind the look at the files would be lost unseen."""
    await (await open_at(url=f"sqlite:///{file}")).close()
    with contextlib.closing(sqlite3.connect(file)) as original:
        original.execute("VACUUM INTO ?", (str(file.with_name("copy.db")),))
    for one in ("database", "log", "index"):
        FILES[one](file).unlink(missing_ok=True)
    file.with_name("copy.db").rename(file)
    store = await open_at(url=f"sqlite:///{file}")
    _delete(FILES[of](file))
    with pytest.raises(StoreUnavailable, match="while it was open"):
        await store.accept([new(1)])


async def test_a_file_that_is_gone_is_noticed_without_any_callback(file: Path, open_at: Opener) -> None:
    store = await open_at(url=f"sqlite:///{file}")
    assert store.healthy()
    _rename(file)
    store._writer._next_tick = 0.0
    store._writer._maybe_tick()  # as the idle writer does by itself
    assert not store.healthy()


@pytest.mark.parametrize("of", ["database", "lock"])
async def test_a_file_that_is_put_back_is_used_again(file: Path, open_at: Opener, of: str) -> None:
    store = await open_at(url=f"sqlite:///{file}")
    path = FILES[of](file)
    path.rename(away := path.with_name("away"))
    with pytest.raises(StoreUnavailable):
        await store.accept([new(1)])
    away.rename(path)
    assert (await take(store, new(1)))[0].new
    assert store.healthy()


@pytest.mark.parametrize("ending", ["-wal", "-shm"])
async def test_what_was_acknowledged_outlives_the_loss_of_the_log_and_a_crash_after_it(
    file: Path, open_at: Opener, tmp_path: Path, ending: str
) -> None:
    store = await open_at(url=f"sqlite:///{file}")
    await take(store, *[new(n, "app") for n in range(1, 9)])
    _beside(ending)(file).unlink()
    await _ticked(store, file)
    store._writer._next_tick = 0.0
    with pytest.raises(StoreUnavailable):
        await store.accept([new(9)])
    await _ticked(store, file)
    shutil.copytree(file.parent, tmp_path / "crashed")  # the disk as a crash leaves it
    found = sqlite3.connect(tmp_path / "crashed" / "gateway.db")
    assert found.execute("SELECT count(*) FROM events").fetchone() == (8,)
    found.close()


async def test_a_lost_connection_is_not_made_again_to_another_file_of_the_name(file: Path, open_at: Opener) -> None:
    store = await open_at(url=f"sqlite:///{file}")
    other = await open_at(url=f"sqlite:///{file.with_name('other.db')}")
    await other.close()
    _swap(file, file.with_name("other.db"))
    store._writer._link.drop()  # as after an I/O error
    with pytest.raises(StoreUnavailable, match="replaced"):
        await store.accept([new(1)])


def test_the_command_line_writes_nothing_into_a_file_that_is_gone(file: Path, clock: object) -> None:
    address = parse_address(f"sqlite:///{file}")
    connections = StoreConnections(address, None)
    connections.migrate()
    change = "INSERT INTO meta (name, value) VALUES ('x', 'y')"
    file_moved = file.with_name("moved")

    def move_then_write(session: object) -> None:
        file.rename(file_moved)
        session.change(change)  # type: ignore[attr-defined]

    with pytest.raises(StoreFileGone):
        connections.change(move_then_write)
    connections.close()
    moved = sqlite3.connect(file_moved)
    assert moved.execute("SELECT count(*) FROM meta WHERE name = 'x'").fetchone() == (0,)
    moved.close()


def test_a_store_behind_a_link_is_watched_with_the_files_beside_its_target(tmp_path: Path, clock: object) -> None:
    real = tmp_path / "real.db"
    real.touch()
    link = tmp_path / "link.db"
    link.symlink_to(real)
    session = SqliteBulk(link, clock)  # type: ignore[arg-type]
    session.check()
    real.with_name("real.db-wal").unlink()
    with pytest.raises(StoreFileGone, match=r"real\.db-wal"):
        session.check()
    session.close()


def test_what_took_the_place_of_a_file_while_it_was_opened_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "g.db"
    file.write_bytes(b"x")
    files = OpenFiles(file)
    _replace(file)
    with pytest.raises(StoreFileGone):
        files.opened()


def test_a_long_command_reads_the_store_that_is_there_now(file: Path) -> None:
    address = parse_address(f"sqlite:///{file}")
    other = file.with_name("other.db")
    for name, path in (("old", file), ("new", other)):
        made = StoreConnections(parse_address(f"sqlite:///{path}"), None)
        made.migrate()
        made.change(lambda session, name=name: session.change(f"INSERT INTO meta VALUES ('which', '{name}')"))  # type: ignore[misc]
        made.close()
    connections = StoreConnections(address, None)
    which = "SELECT value FROM meta WHERE name = 'which'"
    assert connections.read(lambda session: session.rows(which)) == [("old",)]
    _swap(file, other)
    assert connections.read(lambda session: session.rows(which)) == [("new",)]
    connections.close()


def test_a_log_that_whoever_closed_last_took_along_just_now_is_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (store := tmp_path / "x.db").touch()
    files = OpenFiles(store)
    monkeypatch.setattr(Path, "exists", lambda _: True)  # as it was an instant ago
    files.opened()
    files.check()
