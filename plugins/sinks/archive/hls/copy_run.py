"""Copies an HLS recording: its files first, several at once, and its playlists last, so that it appears when it is whole."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import MutableMapping
from typing import Any, Final

from gateway import DeliveryFailed, Refused, Retry
from plugins.sinks.archive.copy_progress import cancelled
from plugins.sinks.archive.hls.bounds import DATA_BYTES_MAX, KEY_BYTES_MAX
from plugins.sinks.archive.hls.copied_files import CopiedFiles
from plugins.sinks.archive.hls.copy_folder import reserve_folder
from plugins.sinks.archive.hls.copy_names import INDEX, media_type_of
from plugins.sinks.archive.hls.file_copy import copy_file
from plugins.sinks.archive.hls.gather import forget_playlists, plan_for
from plugins.sinks.archive.hls.plan import Plan, PlannedFile
from plugins.sinks.archive.hls.tags import Role
from plugins.sinks.archive.job import Copied, FileJob
from plugins.sinks.archive.mismatch import check_seconds

FAILURES_IN_A_ROW_MAX: Final = 8  # of files, without one that came; then the server is left alone for a while
FAILED_MAX: Final = 64  # of files in one go; their numbers are in the memo, which has an end
PARTS_MAX: Final = 8  # of long files whose halves the memo knows
KEEP_SECONDS: Final = 1.0  # between two memos
UNKEPT_MAX: Final = 64  # files that came since the last memo
UNREMEMBERED_MAX: Final = 160  # files behind the last of a memo that may be there: these, and those on their way
RESUMED_BYTES_MIN: Final = 16 * 2**20  # of a file that goes on after a crash where it was; a shorter one begins anew


async def archive_hls(job: FileJob) -> Copied:
    """The recording in the storage; the key is that of `index.m3u8`. Raises Retry, Refused, Unavailable, Stopping.

    Its memo has the folder and which files are there, so that nothing is fetched twice.
    """
    memo: MutableMapping[str, Any] = job.memo.setdefault("hls", {})
    plan = await plan_for(job, memo.get("digest"))
    if plan.seconds is not None:
        check_seconds(job, plan.seconds)
    remembered = memo.get("digest") == plan.digest
    folder, again = await reserve_folder(job, memo, plan.digest)
    run = _CopyRun(job, plan, folder, memo)
    if again:
        run.expect_files(remembered)
    await run.copy_files()
    size = run.copied.size_bytes
    sha256 = ""
    for name, content in plan.playlists:
        sha256 = hashlib.sha256(content).hexdigest()
        await job.put(f"{folder}/{name}", content, size=len(content), media_type=media_type_of(name), sha256=sha256)
        size += len(content)
    await forget_playlists(job)
    text = f"{len(plan.items)} files" if run.fetched else "there already"
    return Copied(f"{folder}/{INDEX}", size, sha256, None, media_type_of(INDEX), plan.seconds, text)


class _CopyRun:
    """One attempt at the files of a plan."""

    def __init__(self, job: FileJob, plan: Plan, folder: str, memo: MutableMapping[str, Any]) -> None:
        self.copied = CopiedFiles(memo, len(plan.items))
        self.fetched = 0
        self._job = job
        self._plan = plan
        self._folder = folder
        self._expected_below = 0
        self._parts: MutableMapping[str, Any] = memo.setdefault("parts", {})
        self._failures_in_a_row = 0
        self._unkept = 0
        self._kept_at = job.shop.http.clock.monotonic()

    def expect_files(self, remembered: bool) -> None:
        """An attempt before this one may have put some. `remembered`: its memo is here, which only misses the last ones."""
        self._expected_below = self.copied.last + 1 + UNREMEMBERED_MAX if remembered else len(self._plan.items)

    async def copy_files(self) -> None:
        """All that are not there yet. What fails is tried again after the others, as long as something comes."""
        waiting = deque(number for number in range(len(self._plan.items)) if number not in self.copied)
        while waiting:
            failed: list[tuple[int, Retry]] = []
            came = len(self.copied)
            tasks = [asyncio.ensure_future(self._work(waiting, failed)) for _ in range(self._job.shop.options.parallel)]
            try:
                await asyncio.gather(*tasks)
            finally:
                await cancelled(*tasks)
            if failed and (len(self.copied) == came or self._is_enough(failed)):
                raise failed[0][1]
            waiting.extendleft(number for number, _ in reversed(failed))

    async def _work(self, waiting: deque[int], failed: list[tuple[int, Retry]]) -> None:
        while waiting and not self._is_enough(failed):
            number = waiting.popleft()
            item = self._plan.items[number]
            try:
                size = await self._copy(number, item)
            except Retry as failure:
                self._failures_in_a_row += 1
                failed.append((number, Retry(self._words(item, failure), failure.after, status=failure.status)))
                continue
            except Refused as failure:
                raise Refused(self._words(item, failure), status=failure.status) from None
            self._failures_in_a_row = 0
            self._parts.pop(str(number), None)
            self.copied.add(number, size)
            if self.copied.size_bytes > self._job.shop.options.max_size:
                raise Refused(
                    f"{self._folder}: its files have more than {self._job.shop.options.max_size} bytes together"
                )
            count = f"{len(self.copied)} of {len(self._plan.items)} files"
            self._job.show(self.copied.size_bytes, None, f"{self._folder}: {count}")
            await self._keep_now_and_then()

    def _is_enough(self, failed: list[tuple[int, Retry]]) -> bool:
        return self._failures_in_a_row >= FAILURES_IN_A_ROW_MAX or len(failed) >= FAILED_MAX

    async def _keep_now_and_then(self) -> None:
        """Not each file by itself: what a memo misses of them is looked for after a kill."""
        self._unkept += 1
        now = self._job.shop.http.clock.monotonic()
        if self._unkept >= UNKEPT_MAX or now - self._kept_at >= KEEP_SECONDS:
            self._unkept, self._kept_at = 0, now
            await self._job.keep()

    def _words(self, item: PlannedFile, failure: DeliveryFailed) -> str:
        return f"{item.name}: {failure.detail}; {len(self.copied)} of {len(self._plan.items)} files are there"

    async def _copy(self, number: int, item: PlannedFile) -> int:
        """Its bytes. What lies there from an attempt before this one is whole: it would not be there otherwise."""
        key = f"{self._folder}/{item.name}"
        if number < self._expected_below:
            there = await self._job.shop.storage.head(key)
            self._job.progress.moved()
            if there is not None and there.size_bytes >= item.reach:
                return there.size_bytes
        self.fetched += 1
        memo = self._part(number) if item.reach >= RESUMED_BYTES_MIN else None
        return await copy_file(self._job, item, key, self._bytes_max(item), memo)

    def _part(self, number: int) -> MutableMapping[str, object]:
        """What is known of half a file."""
        if str(number) not in self._parts and len(self._parts) >= PARTS_MAX:
            del self._parts[next(iter(self._parts))]
        part: MutableMapping[str, object] = self._parts.setdefault(str(number), {})
        return part

    def _bytes_max(self, item: PlannedFile) -> int:
        options = self._job.shop.options
        left = max(0, options.max_size - self.copied.size_bytes)
        if item.role is Role.KEY:
            return min(KEY_BYTES_MAX, left)
        if item.role is Role.DATA:
            return min(DATA_BYTES_MAX, left)
        return left if item.reach else min(options.hls.max_segment, left)
