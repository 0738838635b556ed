"""What is said of files that were archived: their places, sizes and hashes, and what was not as the callback said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from gateway import (
    RECORDING_ARCHIVED,
    RECORDING_MISSING,
    Archived,
    DeliveryFailed,
    Done,
    File,
    FollowUp,
    Measured,
    format_time,
    parse_time,
)
from plugins.sinks.archive.job import Copied, FileJob
from plugins.sinks.archive.mismatch import mismatches
from plugins.sinks.holders import holders_of

TOGETHER_MAX: Final = 20  # files that one event tells of, because an event has an end
_DETAIL_CHARS_MAX: Final = 300


def memo_of(kept: Copied, at: datetime) -> Mapping[str, object]:
    """What is remembered of a file that is done."""
    return {"done": [*kept], "at": format_time(at)}


def kept_of(memo: Mapping[str, object]) -> Copied | None:
    """The file that a memo says is done."""
    done = memo.get("done")
    if not isinstance(done, list) or len(done) != len(Copied._fields) or not isinstance(done[0], str):
        return None
    return Copied(*done)


def done_of(jobs: Sequence[FileJob], results: Sequence[Copied | DeliveryFailed]) -> Done:
    """The receipt, an event of what is archived, and one of what could not be."""
    archived = [(job, kept) for job, kept in zip(jobs, results, strict=True) if isinstance(kept, Copied)]
    lost = [(job, why) for job, why in zip(jobs, results, strict=True) if isinstance(why, DeliveryFailed)]
    archived.sort(key=lambda pair: pair[0].number)
    groups = [archived[n : n + TOGETHER_MAX] for n in range(0, len(archived), TOGETHER_MAX)]
    events = [_archived(group, number) for number, group in enumerate(groups)]
    if lost:
        first = lost[0][1]
        error = {"code": "not_archived", "message": first.detail[:_DETAIL_CHARS_MAX]}
        events.append(FollowUp(RECORDING_MISSING, files=[job.file for job, _ in lost], data={"error": error}))
    return Done(_receipt(archived, lost), events)


def _archived(group: Sequence[tuple[FileJob, Copied]], number: int) -> FollowUp:
    differing = [
        {"file": place, **difference}
        for place, (job, kept) in enumerate(group)
        for difference in mismatches(job.file, kept)
        if job.shop.options.verify != "none"
    ]
    lengths = [
        {"file": place, "seconds": kept.seconds} for place, (_, kept) in enumerate(group) if kept.seconds is not None
    ]
    return FollowUp(
        RECORDING_ARCHIVED,
        files=[_archived_file(job, kept) for job, kept in group],
        data={**({"mismatch": differing} if differing else {}), **({"hls": lengths} if lengths else {})},
        identity=(number,) if number else (),
    )


def _archived_file(job: FileJob, kept: Copied) -> File:
    """The file with its new place; what the vendor said of it stays. `confirmed` only where the operator answers for who
    holds it, because the holder of a weak signature can name a host of his own."""
    at = parse_time(job.memo["at"])
    measured = Measured(at=at, by=job.shop.name, size_bytes=kept.size_bytes, etag=kept.etag, media_type=kept.media_type)
    answered_for = not holders_of(job.link.url).isdisjoint(job.shop.options.confirm.allow)
    unsaid: dict[str, object] = {}
    if job.file.size_bytes is None:
        unsaid["size_bytes"] = kept.size_bytes
    if job.file.duration_seconds is None and kept.seconds is not None:
        unsaid["duration_seconds"] = kept.seconds
    return job.file.replace(
        archived=Archived(url=job.shop.storage.url(kept.key), at=at),
        sha256=kept.sha256,
        measured=measured,
        confirmed=measured if answered_for else None,
        **unsaid,
    )


def _receipt(archived: Sequence[tuple[FileJob, Copied]], lost: Sequence[tuple[FileJob, DeliveryFailed]]) -> str:
    size = sum(kept.size_bytes for _, kept in archived)
    texts = [f"{archived[0][1].key}, {size} bytes" if len(archived) == 1 else f"{len(archived)} files, {size} bytes"]
    if differing := sum(
        bool(mismatches(job.file, kept)) for job, kept in archived if job.shop.options.verify != "none"
    ):
        texts.append(f"{differing} not as the callback says")
    if lost:
        texts.append(f"{len(lost)} not archived: {lost[0][1].detail}")
    return "; ".join(texts)
