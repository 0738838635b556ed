"""A path that cannot be used: the first of its folders that is not there is named, else the system has the word."""

from __future__ import annotations

from pathlib import Path

from gateway.text.file_trouble import missing_folder


def test_the_first_folder_that_stands_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert missing_folder(tmp_path / "a.db") is None
    assert missing_folder(tmp_path / "none/below/a.db") == f"the folder {tmp_path / 'none'} is not there"
    assert missing_folder(tmp_path / "file/a.db") == f"the folder {tmp_path / 'file'} is not a folder"


def test_of_a_folder_that_nobody_can_look_into_the_system_says_more(tmp_path: Path) -> None:
    assert missing_folder(tmp_path / ("x" * 300) / "a.db") is None
