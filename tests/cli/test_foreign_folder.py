"""A folder whose name is no UTF-8, as archives from elsewhere bring them: everything works in it that works elsewhere."""

from __future__ import annotations

import os
import urllib.request
from pathlib import Path

import pytest

from gateway.text.store_address import parse_address, sqlite_url
from tests.patience import PATIENCE_S, until
from tests.running import KEY, Player, Running

TOKEN = "0123456789abcdef0123456789abcdef"
CONFIG = f"""\
sources: {{live: {{type: huawei-live, keys: [{KEY}], domains: ["*"], apps: ["*"]}}}}
sinks:
  lines: {{type: file, path: recordings.jsonl}}
  rows: {{type: database, url: 'sqlite:///rows.db'}}
routes: [{{name: all, to: [lines, rows]}}]
"""


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    folder = tmp_path / os.fsdecode("录播".encode("gbk"))
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes names in UTF-8 alone")
    return folder


def test_the_url_of_a_store_says_such_a_name_and_reads_it_back(foreign: Path) -> None:
    assert parse_address(sqlite_url(foreign / "a b.db")).path == foreign / "a b.db"


@pytest.mark.slow
def test_a_gateway_serves_in_it_and_every_command_finds_its_store(foreign: Path) -> None:
    pytest.importorskip("sqlalchemy", reason="sqlalchemy (extra database) is not installed")
    gateway = Running(foreign, CONFIG)
    gateway.path.write_text(gateway.path.read_text().replace("admin: {", f"admin: {{token: {TOKEN}, "))
    with gateway:
        assert gateway.post(Player().body())[0] == 200
        until(lambda: {row["state"] for row in gateway.listing("deliveries", "list")} == {"delivered"})
        assert "backup.db" in gateway.cli("store", "backup", "backup.db")
        assert "every promise of the outbox holds" in gateway.cli("store", "verify")
        call = urllib.request.Request(f"http://127.0.0.1:{gateway.admin}/api/v1/config")
        call.add_header("Authorization", f"Bearer {TOKEN}")
        with urllib.request.urlopen(call, timeout=PATIENCE_S) as answer:
            assert r"\\udc" in answer.read().decode()
    assert (foreign / "rows.db").exists()
