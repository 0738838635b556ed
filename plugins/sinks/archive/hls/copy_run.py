"""Copies an HLS recording: its files first, several at once, and its playlists last, so that it appears when it is whole."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncGenerator, MutableMapping
from contextlib import aclosing
from dataclasses import dataclass, fields
from typing import Any, Final

from gateway import DeliveryFailed, Refused, Retry, Unavailable
from plugins.sinks.archive.copy_progress import cancelled
from plugins.sinks.archive.fetch import Changed, Position
from plugins.sinks.archive.hls.bounds import DATA_BYTES_MAX, KEY_BYTES_MAX
from plugins.sinks.archive.hls.copied_files import CopiedFiles
from plugins.sinks.archive.hls.copy_folder import claim_folder
from plugins.sinks.archive.hls.copy_names import INDEX, media_type_of
from plugins.sinks.archive.hls.gather import forget_playlists, link_to, plan_for
from plugins.sinks.archive.hls.plan import Plan, PlannedFile
from plugins.sinks.archive.hls.tags import Role
from plugins.sinks.archive.job import Copied, FileJob, NoRoom
from plugins.sinks.archive.mismatch import check_seconds

FAILURES_IN_A_ROW_MAX: Final = 8  # of files, without one that came; then the server is left alone for a while
FAILED_MAX: Final = 64  # of files in one go; their numbers are in the memo, which has an end
PARTS_MAX: Final = 8  # of long files whose halves the memo knows
KEEP_SECONDS: Final = 1.0  # between two memos
UNKEPT_MAX: Final = 64  # files that came since the last memo
UNREMEMBERED_MAX: Final = (
    160  # files after the last that a memo knows, which may be there: these, and those on their way
)
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
    folder, again = await claim_folder(job, memo, plan.digest)
    run = _Run(job, plan, folder, memo)
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


@dataclass(frozen=True)
class _PartOfJob(FileJob):
    """One file of a recording, with a memo of its own; how far it is is shown by the recording's job."""

    def show(self, done: int, total: int | None, text: str = "") -> None:
        self.progress.moved()


class _Run:
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
        is_long = item.reach >= RESUMED_BYTES_MIN
        values = {one.name: getattr(self._job, one.name) for one in fields(FileJob)}
        job = _PartOfJob(**{**values, "memo": self._part(number) if is_long else {}})
        spool, name = job.shop.spool, job.spool_name(item.name)
        if await spool.promise(name, item.reach or 1):
            try:
                return await self._fetch(job, item, key, is_long)
            except NoRoom:
                pass
        return await self._straight(job, item, key)

    def _part(self, number: int) -> MutableMapping[str, Any]:
        """What is known of half a file."""
        if str(number) not in self._parts and len(self._parts) >= PARTS_MAX:
            del self._parts[next(iter(self._parts))]
        part: MutableMapping[str, Any] = self._parts.setdefault(str(number), {})
        return part

    async def _fetch(self, job: FileJob, item: PlannedFile, key: str, is_long: bool) -> int:
        spooled = job.shop.spool.file(job.spool_name(item.name))
        try:
            fetched = await job.fetch(
                link_to(job, item.url), item.name, bytes_max=self._bytes_max(item), remembered=is_long
            )
            spooled = fetched.spooled
            _check_reach(item, fetched.size_bytes)
            await job.put(
                key,
                fetched.path,
                size=fetched.size_bytes,
                media_type=media_type_of(item.name),
                sha256=fetched.sha256,
            )
        except (Retry, Unavailable):
            if not is_long:
                await spooled.remove()
            raise
        except (Refused, NoRoom):
            await spooled.remove()
            raise
        finally:
            spooled.close()
        await spooled.remove()
        return fetched.size_bytes

    async def _straight(self, job: FileJob, item: PlannedFile, key: str) -> int:
        """Where the spool has no room: as it comes it goes."""
        place = Position()
        async with aclosing(self._pieces(job, item, place)) as pieces:
            await job.put(key, pieces, size=place.total, media_type=media_type_of(item.name))
        return place.offset

    async def _pieces(self, job: FileJob, item: PlannedFile, place: Position) -> AsyncGenerator[bytes]:
        link = link_to(job, item.url)
        try:
            async with aclosing(job.shop.fetcher.pieces(link, place, bytes_max=self._bytes_max(item))) as pieces:
                async for piece in pieces:
                    job.progress.moved()
                    yield piece
        except Changed:
            raise Retry("the file changed while it was copied") from None
        _check_reach(item, place.offset)

    def _bytes_max(self, item: PlannedFile) -> int:
        options = self._job.shop.options
        left = max(0, options.max_size - self.copied.size_bytes)
        if item.role is Role.KEY:
            return min(KEY_BYTES_MAX, left)
        if item.role is Role.DATA:
            return min(DATA_BYTES_MAX, left)
        return left if item.reach else min(options.hls.max_segment, left)


def _check_reach(item: PlannedFile, size: int) -> None:
    if size < item.reach:
        raise Retry(f"it has {size} bytes, and a byte range of it goes up to {item.reach}")
