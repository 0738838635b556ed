"""`gateway store`: verified beside a gateway that may run; what is wrong is said with its row, in 80 columns."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gateway.store.store import Store
from tests.cli.conftest import ROOT, Cli, on_any_port
from tests.cli.stocked import accept, an_event, stock, wanted
from tests.patience import PATIENCE_S, until


async def three(store: Store) -> None:
    await accept(store, *(wanted(an_event(number=n)) for n in range(3)))


def test_a_sound_store_is_said_to_be_and_a_broken_promise_ends_with_1(cli: Cli, configured: Path) -> None:
    stock(configured, three)
    assert cli("store", "verify").stdout == "every promise of the outbox holds\n"
    with closing(sqlite3.connect(configured / "gateway.db", isolation_level=None)) as file:
        file.execute(
            "UPDATE deliveries SET state = 'dead', rank = 1, sink = sink || char(27) || hex(zeroblob(60)) WHERE id = 2"
        )
    told = cli("store", "verify", code=1).stdout
    assert told.startswith("reason: delivery 2 to lines")
    assert told.endswith("1 violation\n")
    assert "\x1b" not in told
    assert max(map(len, told.splitlines())) <= 80
    document = json.loads(cli("store", "verify", "--json", code=1).stdout)
    assert document["counts"] == {"reason": 1}
    assert [(one["rule"], one["row"]) for one in document["violations"]] == [("reason", "deliveries 2")]


def test_a_store_goes_to_a_file_and_another_store_and_each_step_says_what_comes_next(
    cli: Cli, configured: Path
) -> None:
    stock(configured, three)
    backup = cli("store", "backup", "backup.db")
    assert backup.stdout.startswith("backup.db: ")
    said = " ".join(backup.stderr.split())
    assert "delete gateway.db-wal and -shm" in said
    assert said.index("delete") < said.index("put it in place"), "else the old log is read into it"
    told = cli("store", "backup", "backup.db", code=1).stderr
    assert "is there already" in told
    assert "rows" in cli("store", "export", "export.ndjson").stderr
    assert "is not empty" in cli("store", "import", "export.ndjson", code=1).stderr
    copied = cli("store", "copy", "--to", "sqlite:///other.db")
    assert "only one may go on" in copied.stderr
    # whole, because store.url is read from where the configuration is, and this from where one stands
    assert f"(sqlite:///{configured}/other.db)" in copied.stderr
    assert "onto itself" in cli("store", "copy", "--to", "sqlite:///gateway.db", code=1).stderr
    assert "sqlite:///file" in cli("store", "copy", "--to", "sqlite:/other.db", code=2).stderr
    (configured / "gateway.db").rename("old.db")
    rows = cli("store", "import", "export.ndjson").stdout
    assert rows.endswith(" rows\n")
    assert cli("store", "verify").stdout == "every promise of the outbox holds\n"
    assert "store import" in cli("audit", "list").stdout
    for backed_up in ("backup.db", "other.db"):
        (configured / "gateway.db").unlink()
        (configured / backed_up).rename("gateway.db")
        assert cli("store", "verify").stdout == "every promise of the outbox holds\n"
        assert "6 waiting" in " ".join(cli("status", code=1).stdout.split())


def test_of_what_breaks_one_promise_many_times_the_rest_is_counted(cli: Cli, configured: Path) -> None:
    async def many(store: Store) -> None:
        await accept(store, *(wanted(an_event(number=n)) for n in range(12)))

    stock(configured, many)
    with closing(sqlite3.connect(configured / "gateway.db", isolation_level=None)) as file:
        file.execute("UPDATE deliveries SET state = 'dead', rank = 1")
    lines = cli("store", "verify", code=1).stdout.splitlines()
    assert lines[-2:] == ["reason: 4 more", "24 violations"]


def test_a_store_goes_through_a_pipe(configured: Path, cli: Cli) -> None:
    stock(configured, three)
    exported = cli("store", "export", "-")
    assert exported.stderr.endswith(" rows\n")
    (configured / "gateway.db").unlink()
    assert cli("store", "import", "-", input=exported.stdout).stdout.endswith(" rows\n")
    assert rows_in("gateway.db", "events") == 3


def test_a_file_that_is_not_there_or_cannot_be_read_is_said_with_its_name(configured: Path, cli: Cli) -> None:
    assert "'none.ndjson' does not exist" in cli("store", "import", "none.ndjson", code=2).stderr
    with closing(socket.socket(socket.AF_UNIX)) as special:
        special.bind("special")
        assert "special cannot be read: " in cli("store", "import", "special", code=1).stderr
        to = ["--to", "postgresql://x@127.0.0.1:1/y", "--to-password-file"]
        assert "No such device" in cli("store", "copy", *to, "special", code=2).stderr


def test_an_import_that_was_killed_goes_on(cli: Cli, configured: Path) -> None:
    stock(configured, three)
    cli("store", "export", "export.ndjson")
    (configured / "gateway.db").unlink()
    lines = Path("export.ndjson").read_bytes().splitlines(keepends=True)
    importing = subprocess.Popen(
        [sys.executable, "-m", "gateway", "store", "import", "-"],
        stdin=subprocess.PIPE,
        cwd=configured,
        env={**os.environ, "PYTHONPATH": ROOT},
    )
    assert importing.stdin is not None
    importing.stdin.write(b"".join(lines[:-2]))
    importing.stdin.flush()
    try:
        until(lambda: rows_in("gateway.db", "events") == 3)
    finally:
        importing.kill()
        importing.wait(PATIENCE_S)
        importing.stdin.close()
    assert "not filled to its end" in cli("store", "verify", code=1).stderr
    on_any_port(configured)
    assert "not filled to its end" in cli("serve", code=1).stderr
    assert "were there already" in cli("store", "import", "export.ndjson").stdout
    assert cli("store", "verify").stdout == "every promise of the outbox holds\n"


def rows_in(file: str, table: str) -> int:
    """As far as they are there."""
    if not Path(file).exists():
        return 0
    with closing(sqlite3.connect(file)) as beside:
        try:
            ((count,),) = beside.execute(f"SELECT count(*) FROM {table}").fetchall()
        except sqlite3.OperationalError:
            return 0
        return int(count)


@pytest.mark.parametrize(
    ("content", "said"), [(b"\xff\xfe\x00", "no text in UTF-8"), (b"x" * 70_000, "longer than any password")]
)
def test_a_file_that_holds_no_password_is_wrong_use(cli: Cli, content: bytes, said: str) -> None:
    Path("password").write_bytes(content)
    copied = cli("store", "copy", "--to", "postgresql://x@127.0.0.1:1/y", "--to-password-file", "password", code=2)
    assert "--to-password-file" in copied.stderr
    assert said in copied.stderr
