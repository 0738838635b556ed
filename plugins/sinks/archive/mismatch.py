"""What was kept, compared with what the callback said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from gateway import File, Refused
from plugins.sinks.archive.hls.copy_names import INDEX
from plugins.sinks.archive.job import Copied, FileJob

SECONDS_APART_MAX: Final = 2.0  # of two lengths that are the same
SHARE_APART_MAX: Final = 0.01  # of a long one


def check_size(job: FileJob, size: int) -> None:
    """Raises Refused for a size that is not the one that was said, where the options say that this fails."""
    options, said = job.shop.options, job.file.size_bytes
    if options.verify == "size" and options.on_mismatch == "fail" and said is not None and said != size:
        raise Refused(
            f"{job.key}: {size} bytes came, and the callback says {said} (on_mismatch: fail); nothing was kept"
        )


def check_seconds(job: FileJob, seconds: float) -> None:
    """The same for the length of HLS, before its first playlist is there."""
    options, said = job.shop.options, job.file.duration_seconds
    if options.verify == "size" and options.on_mismatch == "fail" and said is not None and not _same(said, seconds):
        raise Refused(
            f"{job.key}: its segments are {seconds:g} s long, and the callback says {said:g} s (on_mismatch: fail)"
        )


def mismatches(file: File, kept: Copied) -> Sequence[Mapping[str, object]]:
    """What differs: `what`, as it was `said` and as it was `measured`. Of HLS the size says nothing, of others the length."""
    differences: list[Mapping[str, object]] = []
    if not kept.key.endswith(f"/{INDEX}") and file.size_bytes is not None and file.size_bytes != kept.size_bytes:
        differences.append({"what": "size_bytes", "said": file.size_bytes, "measured": kept.size_bytes})
    said = file.duration_seconds
    if kept.seconds is not None and said is not None and not _same(said, kept.seconds):
        differences.append({"what": "duration_seconds", "said": said, "measured": kept.seconds})
    return differences


def _same(said: float, measured: float) -> bool:
    return abs(said - measured) <= max(SECONDS_APART_MAX, SHARE_APART_MAX * said)
