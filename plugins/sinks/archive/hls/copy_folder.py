"""Which folder a copy is written into, and whether what lies in it is of this very copy."""

from __future__ import annotations

import hashlib
from collections.abc import MutableMapping
from typing import Any, Final

from gateway import Refused
from plugins.sinks.archive.hls.copy_names import INDEX
from plugins.sinks.archive.job import NUMBERS_MAX, FileJob

MARK: Final = "about.txt"
"""What says whose folder it is, before anything else lies in it: two recordings under one key never mix."""


async def claim_folder(job: FileJob, memo: MutableMapping[str, Any], digest: str) -> tuple[str, bool]:
    """The folder of this copy, and whether files of it may lie there already, from an attempt before this one.

    Raises Refused where too many others have the name, and what the storage raises. Keeps the folder in the memo.
    """
    text = _mark(job, digest)
    folder, before = memo.get("folder"), memo.get("digest")
    if isinstance(folder, str) and before == digest:
        return folder, True
    if isinstance(folder, str):  # the vendor has written the recording anew meanwhile
        again = False
        await _put_mark(job, folder, text)
    else:
        folder, again = await _free_folder(job, text)
    memo.clear()
    memo.update({"folder": folder, "digest": digest})
    await job.keep()
    return folder, again


async def _free_folder(job: FileJob, text: bytes) -> tuple[str, bool]:
    ours, storage = hashlib.sha256(text).hexdigest(), job.shop.storage
    for folder in job.candidates():
        async with job.lock(folder):
            mark = await storage.head(f"{folder}/{MARK}", hashed=True)
            if mark is not None and mark.sha256 == ours:
                return folder, True
            free = mark is None and await storage.head(f"{folder}/{INDEX}") is None
            if free or job.shop.options.overwrite:
                await _put_mark(job, folder, text)
                return folder, False
    raise Refused(f"{job.key}: {NUMBERS_MAX} other recordings have this name; put {{id}} into `key`")


async def _put_mark(job: FileJob, folder: str, text: bytes) -> None:
    sha256 = hashlib.sha256(text).hexdigest()
    await job.put(f"{folder}/{MARK}", text, size=len(text), media_type="text/plain; charset=utf-8", sha256=sha256)


def _mark(job: FileJob, digest: str) -> bytes:
    return (
        f"The copy of a recording: event {job.event.ref} of the source {job.event.source}, file {job.number + 1}.\n"
        f"It is whole when {INDEX} is there.\nPlan: {digest}\n"
    ).encode()
