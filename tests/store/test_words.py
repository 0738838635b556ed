"""What a person reads where a store cannot be opened: the place that stands in the way, whose it is, what to do."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import rmtree

import pytest
import structlog

from gateway.errors import StoreError, StoreInUse
from gateway.store.admin.admin import StoreAdmin
from gateway.store.sqlite.error_texts import explain
from gateway.store.sqlite.owner_lock import OwnerLock
from gateway.store.sqlite.session import SqliteSession, make_file
from gateway.store.store import Store
from tests.patience import PATIENCE_S

NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may enter, unlike pytest's."""
    made = Path(tempfile.mkdtemp(dir="/tmp"))
    made.chmod(0o777)
    yield made
    rmtree(made)


def as_nobody(work: Callable[[], object]) -> str:
    """What a store says to a user who owns nothing, in a process of its own."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, 0)
        os.setresuid(NOBODY, NOBODY, 0)
        try:
            work()
            text = "it opened"
        except StoreError as error:
            text = str(error)
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(write, text.encode())
        os.setresuid(0, 0, 0)  # because nobody may not write what coverage counted
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as said:
        return said.read()


def _closed_folder(file: Path) -> Path:
    file.parent.chmod(0o755)
    return file.parent


def _unreachable_folder(file: Path) -> Path:
    file.touch()
    file.parent.chmod(0o700)
    return file.parent


def _closed_folder_of_an_open_file(file: Path) -> Path:
    file.touch()
    file.chmod(0o666)
    file.parent.chmod(0o755)
    return file.parent


def _closed_file(file: Path) -> Path:
    file.touch()
    file.chmod(0o600)
    return file


def _closed_log(file: Path) -> Path:
    file.touch()
    file.chmod(0o666)
    beside = file.with_name("g.db-wal")
    beside.touch()
    beside.chmod(0o600)
    return beside


def _closed_lock(file: Path) -> Path:
    beside = file.with_name("g.db.lock")
    beside.touch()
    beside.chmod(0o600)
    return beside


@pytest.mark.parametrize(
    "close",
    [
        _closed_folder,
        _unreachable_folder,
        _closed_folder_of_an_open_file,
        _closed_file,
        _closed_log,
        _closed_lock,
    ],
)
def test_a_store_that_may_not_be_opened_says_which_place_whose_it_is_and_with_what_mode(
    folder: Path, close: Callable[[Path], Path]
) -> None:
    file = folder / "g.db"
    place = close(file)

    def opens() -> None:
        OwnerLock(file).try_now()
        make_file(file)
        SqliteSession(file, "writer")

    def looks() -> None:
        StoreAdmin(f"sqlite:///{file}").status()

    # who only looks makes no file, and takes no lock
    for tries in (opens, looks) if close in (_unreachable_folder, _closed_file) else (opens,):
        said = as_nobody(tries)
        assert f"{place}, which belongs to root:root with mode {place.stat().st_mode & 0o7777:04o}" in said
        assert "nobody may not" in said
        assert "chown nobody" in said
        assert "run the gateway as root" not in said


def test_an_owner_without_a_name_is_told_by_number(folder: Path) -> None:
    file = folder / "g.db"
    _closed_file(file)
    if os.geteuid() == 0:
        os.chown(file, 54321, 54322)
        assert "belongs to user 54321:group 54322" in as_nobody(lambda: make_file(file))


def test_what_the_system_says_of_a_name_is_passed_on(folder: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot be opened: File name too long"):
        make_file(folder / ("g" * 300))


@pytest.mark.parametrize("stands", [lambda path: path.symlink_to("elsewhere"), Path.mkdir], ids=["link", "folder"])
def test_what_stands_in_the_place_of_the_lock_is_not_followed(folder: Path, stands: Callable[[Path], None]) -> None:
    stands(folder / "g.db.lock")
    with pytest.raises(StoreError, match=r"g\.db\.lock cannot be opened: .*; remove what stands in its place"):
        OwnerLock(folder / "g.db").try_now()
    assert not (folder / "elsewhere").exists()


@pytest.mark.parametrize("missing", ["a/g.db", "a/b/c/g.db", "file/g.db"])
def test_a_missing_folder_is_named_and_not_the_file_in_it(folder: Path, missing: str) -> None:
    (folder / "file").touch()
    what = f"the folder {folder / missing.split('/', maxsplit=1)[0]} is not"
    for opens in (
        lambda: make_file(folder / missing),
        lambda: SqliteSession(folder / missing, "admin"),
        lambda: OwnerLock(folder / missing).try_now(),
    ):
        with pytest.raises(StoreError, match=what):
            opens()


def test_a_folder_in_place_of_the_store_is_called_that(folder: Path) -> None:
    with pytest.raises(StoreError, match="it is a folder"):
        make_file(folder)


def test_a_damaged_file_is_called_damaged_and_the_way_out_is_named(folder: Path) -> None:
    file = folder / "g.db"
    file.write_bytes(b"no database at all, but long enough to be one" * 100)
    with pytest.raises(StoreError, match=r"damaged.*recover"):
        SqliteSession(file, "writer")
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorname = "SQLITE_CORRUPT_INDEX"
    assert explain(error).startswith("a page of the file is damaged")
    error.sqlite_errorname = "SQLITE_CONSTRAINT"
    assert explain(error) == "SQLITE_CONSTRAINT"  # and not its text, which may hold a value


def test_what_was_restored_and_is_no_store_is_called_what_it_is(folder: Path) -> None:
    file = folder / "g.db"
    file.write_bytes(b'{"recording_gateway_export":1,"schema":1}\n' * 100)
    with pytest.raises(StoreError, match=r"it is an export: .*gateway store import"):
        SqliteSession(file, "writer")
    file.write_bytes(b"\x1f\x8b a packed backup" * 100)
    with pytest.raises(StoreError, match="it is no SQLite file"):
        SqliteSession(file, "reader")


async def test_a_second_gateway_says_at_once_that_it_waits_and_for_whom(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/g.db"
    first = Store(url)
    await first.open()
    with structlog.testing.capture_logs() as lines:
        opening = asyncio.create_task(Store(url).open(lock_wait=30))
        async with asyncio.timeout(PATIENCE_S):
            while not lines:
                await asyncio.sleep(0)
        opening.cancel()
    assert lines[0]["event"] == "waiting_for_store"
    assert f"pid {os.getpid()}" in lines[0]["held_by"]
    assert str(tmp_path / "g.db") in lines[0]["store"]
    with structlog.testing.capture_logs() as lines, pytest.raises(StoreInUse):
        await Store(url).open(lock_wait=0)
    assert not lines
    await first.close()


@pytest.mark.parametrize("ending", ["emptied", "deleted", "whole", "first"])
async def test_a_store_that_begins_anew_where_one_was_says_so(ending: str, tmp_path: Path) -> None:
    """All that was in it is gone, and nothing else would tell."""
    file = tmp_path / "g.db"
    if ending != "first":
        store = Store(f"sqlite:///{file}")
        await store.open()
        await store.close()
    if ending == "emptied":
        os.truncate(file, 0)
    elif ending == "deleted":
        file.unlink()
    store = Store(f"sqlite:///{file}")
    with structlog.testing.capture_logs() as lines:
        await store.open()
    await store.close()
    told = [line for line in lines if line["event"] == "store_made_anew"]
    assert len(told) == (ending in ("emptied", "deleted"))
    assert all("bring back a copy" in line["reason"] for line in told)
