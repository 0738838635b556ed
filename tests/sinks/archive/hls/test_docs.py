"""The bounds that docs/sinks.md promises are those of the code."""

from __future__ import annotations

from pathlib import Path

from plugins.sinks.archive.hls import bounds, copy_run
from plugins.sinks.archive.mismatch import SECONDS_APART_MAX, SHARE_APART_MAX

ROOT = Path(__file__).resolve().parents[4]
MIB = 2**20


def test_the_page_says_the_bounds_as_they_are() -> None:
    page = (ROOT / "docs/sinks.md").read_text().partition("\n### HLS\n")[2].partition("\n## ")[0]
    said = " ".join(page.split())
    for text in (
        f"| one playlist | {bounds.PLAYLIST_BYTES_MAX // MIB} MiB, {bounds.LINES_MAX:,} lines of "
        f"{bounds.LINE_CHARS_MAX:,} characters, {bounds.ADDRESSES_MAX:,} addresses |",
        f"| {bounds.PLAYLISTS_MAX}, together {bounds.PLAYLISTS_BYTES_MAX // MIB} MiB |",
        f"| {bounds.OBJECTS_MAX:,}, together `max_size` |",
        f"| {bounds.KEY_BYTES_MAX // 1024} KiB; {bounds.DATA_BYTES_MAX // MIB} MiB |",
        f"from {copy_run.RESUMED_BYTES_MIN // MIB} MiB on goes on where it was",
        f"When {copy_run.FAILURES_IN_A_ROW_MAX} in a row have failed",
        f"no more than {SECONDS_APART_MAX:g} s or {SHARE_APART_MAX * 100:g} % apart",
    ):
        assert text in said
