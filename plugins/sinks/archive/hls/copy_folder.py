"""Which folder a copy is written into, and whether what lies in it is of this very copy."""

from __future__ import annotations

import hashlib
from collections.abc import MutableMapping
from typing import Any, Final

from gateway import Refused
from plugins.sinks.archive.hls.copy_names import INDEX, media_type_of
from plugins.sinks.archive.job import NUMBERS_MAX, FileJob

MARK: Final = "about.txt"
"""What says whose folder it is, before anything else lies in it: two recordings under one key never mix."""


IN_WORK: Final = b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n"
"""What is played in place of another recording while this one is written over it: nothing yet, and no mixture."""


async def reserve_folder(job: FileJob, memo: MutableMapping[str, Any], digest: str) -> tuple[str, bool]:
    """The folder of this copy, and whether files that lie in it are ours, from an attempt before this one.

    Raises Refused where too many others have the name, and what the storage raises. Keeps the folder in the memo.
    """
    if isinstance(memo.get("folder"), str) and memo.get("digest") == digest:
        return memo["folder"], not memo.get("over")
    folder, again, over = await _free_folder(job, digest)  # a new one too where the vendor wrote the recording anew
    memo.clear()
    memo.update({"folder": folder, "digest": digest, "over": over})
    await job.keep()
    return folder, again


async def _free_folder(job: FileJob, digest: str) -> tuple[str, bool, bool]:
    """The folder, whether what lies there is ours, and whether it may be of another recording, which is written over."""
    storage, marks = job.shop.storage, {over: _mark(job, digest, over) for over in (False, True)}
    for folder in job.candidates():
        async with job.lock(folder):
            mark = await storage.head(f"{folder}/{MARK}", hashed=True)
            for over, text in marks.items():
                if mark is not None and mark.sha256 == hashlib.sha256(text).hexdigest():
                    return folder, not over, over
            there = mark is not None or await storage.head(f"{folder}/{INDEX}") is not None
            if there and job.shop.options.overwrite:
                await _store_object(job, f"{folder}/{INDEX}", IN_WORK)
                await _store_object(job, f"{folder}/{MARK}", marks[True])
                return folder, False, True
            if not there and await storage.head(folder) is None:  # a file of that name leaves no room for a folder
                await _store_object(job, f"{folder}/{MARK}", marks[False])
                return folder, False, False
    raise Refused(f"{job.key}: {NUMBERS_MAX} other recordings have this name; put {{id}} into `key`")


async def _store_object(job: FileJob, key: str, content: bytes) -> None:
    sha256 = hashlib.sha256(content).hexdigest()
    await job.put(key, content, size=len(content), media_type=media_type_of(key), sha256=sha256)


def _mark(job: FileJob, digest: str, over: bool) -> bytes:
    return (
        f"The copy of a recording: event {job.event.ref} of the source {job.event.source}, file {job.number + 1}.\n"
        f"It is whole when {INDEX} names its segments.\n"
        + "Other files here may be of another recording.\n" * over
        + f"Plan: {digest}\n"
    ).encode()
