"""The sink `archive`: copies the files of an event into a folder or an object store, and says where they are now."""

from __future__ import annotations

import asyncio
import functools
import math
from collections.abc import Sequence
from functools import partial
from ipaddress import ip_network
from typing import Final

from gateway import (
    AddressGuard,
    Delivery,
    DeliveryFailed,
    Done,
    File,
    Refused,
    Retry,
    Sink,
    Trust,
    Unavailable,
    Via,
    redact,
)
from plugins.sinks.archive.archived_event import done_of, kept_of, memo_of
from plugins.sinks.archive.copy_progress import CopyProgress, cancelled
from plugins.sinks.archive.fetch import Fetcher, FileLink
from plugins.sinks.archive.hls.copy_run import archive_hls
from plugins.sinks.archive.hls.structure import not_installed
from plugins.sinks.archive.job import Copied, FileJob, Shop
from plugins.sinks.archive.key import PLAYLISTS, KeyTemplate, format_of, is_playlist, names_of
from plugins.sinks.archive.one_file import archive_file
from plugins.sinks.archive.options import EXTRA, ArchiveOptions
from plugins.sinks.archive.private_bucket import private_object, signed_address
from plugins.sinks.archive.spool import Spool
from plugins.sinks.archive.turns import Bandwidth, Turns
from plugins.sinks.holders import ADDRESSES
from plugins.sinks.min_trust import too_little_trust
from plugins.sinks.storage.disk import Disk
from plugins.sinks.storage.local_folder import SPOOL, Folder
from plugins.sinks.storage.object_store import ObjectStore
from plugins.sinks.storage.options import StorageOptions
from plugins.sinks.storage.storage import FileStorage

FILES_MAX: Final = 100  # of one event, because the memo and the event that follows have room for so many
CUT_ATTEMPTS_MAX: Final = (
    3  # that wait for more where an answer may have been cut; then the callback is taken to be wrong
)


class Archive(Sink):
    """Copies the files of an event into a folder or an object store, and says where they are then. Nothing is in memory
    whole; every address goes through the guard, and no redirect is followed."""

    type = "archive"
    Options = ArchiveOptions
    options: ArchiveOptions

    async def open(self) -> None:
        """Raises Unavailable where the folder is not there, or the spool cannot be written."""
        if self.options.kind == "folder":
            await self._storage.reach()
        await self._shop.spool.tidy()

    async def close(self) -> None:
        await self._storage.close()

    async def deliver(self, delivery: Delivery) -> str | Done:
        """What was archived. A file that failed is tried again alone; raises Retry for it when the others are done."""
        self._check(delivery)
        if not (jobs := self._jobs(delivery, progress := CopyProgress(delivery, self.http, 0))):
            return "nothing to archive: no file with an address" + " of these formats" * bool(self.options.only)
        progress.files = len(jobs)
        await self._shop.spool.tidy()
        results = await progress.beside(_all(jobs))
        if failed := [one for one in results if isinstance(one, Retry | Unavailable)]:
            raise _again(failed, progress)
        if refused := [one for one in results if isinstance(one, Refused)]:
            if len(refused) == len(results):
                raise refused[0]
            self.log.warning("not_all_archived", event_id=delivery.event.ref, detail=refused[0].detail)
        return done_of(jobs, results)

    async def preview(self, delivery: Delivery) -> str:
        """What would be fetched, without what is secret in an address, and where it would be kept."""
        self._check(delivery)
        jobs = self._jobs(delivery, CopyProgress(delivery, self.http, 0))
        lines = [f"GET {redact(job.link.url)}\n-> {job.shop.storage.url(job.key)}" for job in jobs]
        return "\n".join(lines) or "nothing to archive"

    async def connect(self) -> str:
        return await self._storage.reach()

    def missing(self) -> Sequence[str]:
        only = {name.lower() for name in self.options.only}
        hls = () if only and only.isdisjoint(PLAYLISTS) else not_installed()
        # asked while a configuration is judged, when there is no client yet
        return [*self._storage.missing(), *hls]

    @property
    def wanted_fields(self) -> Sequence[str]:
        return ADDRESSES

    @property
    def wanted_trust(self) -> Trust:
        return self.options.min_trust

    def _check(self, delivery: Delivery) -> None:
        event = delivery.event
        if refusal := too_little_trust(delivery, self.options.min_trust, f"the sink {self.name} fetches files"):
            raise refusal
        if len(event.files) > FILES_MAX:
            raise Refused(f"the event has {len(event.files)} files, and an archive takes {FILES_MAX} of one event")

    def _jobs(self, delivery: Delivery, progress: CopyProgress) -> Sequence[FileJob]:
        """The files to copy, the one whose link ends first at the front."""
        event = delivery.event
        only = {name.lower() for name in self.options.only}
        jobs = [
            FileJob(
                self._shop,
                progress,
                event,
                file,
                number,
                name,
                self._link(file, url, delivery),
                progress.memo_of(number),
            )
            for number, (file, name) in enumerate(
                zip(event.files, names_of(self._template, event, event.files), strict=True)
            )
            if (url := file.address) and (not only or format_of(event, file) in only)
        ]
        return sorted(jobs, key=lambda job: math.inf if job.link.ends is None else job.link.ends.timestamp())

    def _link(self, file: File, url: str, delivery: Delivery) -> FileLink:
        patient = self.options.verify == "size" and delivery.attempt <= CUT_ATTEMPTS_MAX
        least = file.size_bytes if patient else None
        private = private_object(file.download_url or "", delivery.event.trust, self.options.private)
        if private is None:
            return FileLink(url, file.expires_at, least=least)
        return FileLink(url, None, partial(signed_address, *private), least)

    @functools.cached_property
    def _template(self) -> KeyTemplate:
        return KeyTemplate(self.options.key)

    @functools.cached_property
    def _disk(self) -> Disk:
        return Disk(f"archive {self.name}", self.options.parallel + 2)

    @functools.cached_property
    def _storage(self) -> FileStorage:
        return open_storage(self.options, extra=EXTRA, disk=self._disk)

    @functools.cached_property
    def _shop(self) -> Shop:
        options = self.options
        folder = options.folder / SPOOL if options.kind == "folder" else options.spool.folder
        via = Via(guard=AddressGuard(tuple(map(ip_network, options.allow))))
        return Shop(
            name=self.name,
            options=options,
            http=self.http,
            via=via,
            storage=self._storage,
            fetcher=Fetcher(self.http, via, Bandwidth(options.bandwidth, self.http), options.max_size),
            spool=Spool(folder, None if options.kind == "folder" else options.spool.limit, self._disk),
            turns=Turns(options.parallel),
        )


async def _all(jobs: Sequence[FileJob]) -> Sequence[Copied | DeliveryFailed]:
    """What came of each. Raises Stopping, and what nobody expected."""
    tasks = [asyncio.ensure_future(_one(job)) for job in jobs]
    try:
        return await asyncio.gather(*tasks)
    finally:
        await cancelled(*tasks)


async def _one(job: FileJob) -> Copied | DeliveryFailed:
    if (kept := kept_of(job.memo)) is not None:
        job.show(kept.size_bytes, kept.size_bytes)
        return kept
    try:
        kept = await (archive_hls(job) if is_playlist(job.event, job.file) else archive_file(job))
    except DeliveryFailed as failure:
        return failure
    job.show(kept.size_bytes, kept.size_bytes, job.key)
    job.memo.clear()
    job.memo.update(memo_of(kept, job.now))
    await job.keep()
    return kept


def _again(failed: Sequence[Retry | Unavailable], progress: CopyProgress) -> DeliveryFailed:
    """The whole storage's trouble before that of one file; what is done stays in the memo."""
    for failure in failed:
        if isinstance(failure, Unavailable):
            return failure
    first = failed[0]
    assert isinstance(first, Retry)
    return Retry(first.detail, first.after, progress.memo, status=first.status, service=first.service)


def open_storage(options: StorageOptions, *, extra: str, disk: Disk | None = None) -> FileStorage:
    """Not reached yet. `extra` is what brings obstore, for the text where it is not installed; `disk` has its threads."""
    return Folder(options.folder, disk) if options.kind == "folder" else ObjectStore(options, extra, disk)
