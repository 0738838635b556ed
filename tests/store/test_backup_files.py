"""The file of a backup stands under its name whole, or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.errors import StoreError
from gateway.store.store import Store
from gateway.store.transfer import transfers
from gateway.text.store_address import parse_address
from tests.store.test_transfer import silent


@pytest.mark.parametrize("full", ["part", "name"])
async def test_a_backup_that_cannot_be_written_to_its_end_leaves_nothing(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: str
) -> None:
    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    place, name = (transfers, "sync_path") if full == "part" else (Path, "rename")
    monkeypatch.setattr(place, name, no_room)
    with pytest.raises(StoreError, match=r"backup cannot be written: No space left on device"):
        transfers.backup(parse_address(url), tmp_path / "backup", silent)
    assert [name for name in os.listdir(tmp_path) if name.startswith("backup")] == []
    with pytest.raises(StoreError, match="cannot be written"):
        transfers.backup(parse_address(url), tmp_path / "no folder" / "backup", silent)


async def test_a_backup_that_is_being_written_is_not_begun_by_a_second_command(
    store: Store, url: str, tmp_path: Path
) -> None:
    path = tmp_path / "backup"
    tried: list[str] = []

    def while_it_is_written(_steps: int) -> Callable[[int], object]:
        with pytest.raises(StoreError, match="being written by another command"):
            transfers.backup(parse_address(url), path, silent)
        tried.append("a second")
        return silent(0)

    (tmp_path / "backup.part").write_text("what one that was killed has left")
    transfers.backup(parse_address(url), path, while_it_is_written)
    assert tried
    assert [name for name in os.listdir(tmp_path) if name.startswith("backup")] == ["backup"]
    assert path.stat().st_size > 1000
