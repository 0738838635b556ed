"""The archive sink, into a folder: whole or not there, resumed and never mixed, and said as it is."""

from __future__ import annotations

from pathlib import Path

from gateway import RECORDING_ARCHIVED
from tests.sinks.archive.conftest import Opening, archived, of
from tests.sinks.archive.media_server import Media, MediaServer


async def test_a_finished_file_is_copied_and_told_with_what_was_measured(
    archive: Opening, server: MediaServer, tmp_path: Path
) -> None:
    media = server.files["/a.mp4"] = Media(3_000_000)
    async with archive() as sink:
        follow_up = archived(await sink.deliver(of(server.url + "/a.mp4?sig=x", size=3_000_000)))
    [file] = follow_up.files
    kept = tmp_path / "kept/main/job.mp4"
    assert (follow_up.type, kept.stat().st_size) == (RECORDING_ARCHIVED, 3_000_000)
    assert file.archived is not None
    assert file.measured is not None
    assert (file.archived.url, file.sha256) == (f"file://{kept}", media.sha256)
    assert (file.measured.size_bytes, file.measured.etag, file.confirmed) == (3_000_000, '"first"', None)
    assert kept.read_bytes() == b"".join(media.pieces())
    assert list((tmp_path / "kept/.spool").iterdir()) == []
