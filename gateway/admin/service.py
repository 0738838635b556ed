"""What pages, the admin API and remote commands do with a running gateway: every act, once, beside every question."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final, TypeVar

from gateway.admin import acts, bulk, configuration, reads
from gateway.admin.act_results import BulkPreview, JobItem, JobStarted, ManyDone, OneDone
from gateway.admin.allowance import Allowance
from gateway.admin.bulk import BulkCommand
from gateway.admin.consumers import Consumers
from gateway.admin.duties import AdminDuties
from gateway.admin.jobs import holder_of
from gateway.admin.overview_results import ReloadAnswer, RouteAnswer
from gateway.admin.own_command import run_own_command
from gateway.admin.reading_service import ReadingService, Whole
from gateway.admin.requests import ReplayCommand
from gateway.admin.results import EventDetail
from gateway.admin.sink_results import PreviewAnswer, RefusedDetail, TestAnswer
from gateway.admin.stream import Message, NewsFilter
from gateway.store.admin import live
from gateway.store.admin.admin import StoreAdmin
from gateway.store.admin.audit import Actor
from gateway.store.admin.shown_rows import EventFull
from gateway.store.engine.batch import Bulk

T = TypeVar("T")

__all__ = ["Actor", "AdminService"]

COSTLY_PER_MINUTE_MAX: Final = (
    20  # route trials, previews and tests of one token: each costs a process or a budget of time
)


@dataclass(frozen=True, slots=True)
class RawBytes:
    """The vendor's bytes as they came."""

    name: str
    content: bytes


class AdminService(ReadingService):
    """`whole` means with credentials and URL queries: only for those who may operate. Everything raises GatewayError:
    NotFound, Ambiguous, UnknownValue (a filter), Problem (a cursor, a limit), StoreUnavailable."""

    def __init__(self, gateway: Whole, duties: AdminDuties) -> None:
        super().__init__(gateway, duties)
        self._hub, self._teller, self._jobs, self._reconciler = (
            duties.hub,
            duties.teller,
            duties.jobs,
            duties.reconciler,
        )
        self._costly = Allowance(COSTLY_PER_MINUTE_MAX, gateway.clock)
        self.pull = Consumers(gateway.dispatcher)

    async def once(self, work: Callable[[Bulk], T]) -> T:
        """Something small of the API's own, in a transaction."""
        return await self._access.change(lambda admin: admin.once(work))

    # -- the gateway

    async def reload(self, actor: Actor) -> ReloadAnswer:
        """Run what the configuration file says now, or raise and change nothing."""
        reloaded = await self._gateway.reload(actor)
        return ReloadAnswer(
            status="unchanged" if reloaded.nothing else "reloaded",
            sources=dict(reloaded.sources),
            sinks=dict(reloaded.sinks),
            routes=reloaded.routes,
            settings=list(reloaded.settings),
        )

    async def route(self, event: dict[str, object], config: str | None, actor: Actor) -> RouteAnswer:
        """Where an event would go, by the routes that run or by these. Nothing is saved."""
        self._costly.spend(actor.name)
        return await self._access.read(lambda _: configuration.route(self._gateway.loaded, event, config))

    # -- events and deliveries

    async def event(self, ref: str, *, whole: bool, actor: Actor) -> EventDetail:
        """One event with everything; that somebody saw its credentials is written down."""
        if whole:
            await self._access.change(lambda admin: _revealed(admin, ref, actor))
        return await self._access.read(partial(reads.event, ref, whole))

    async def raw(self, ref: str, actor: Actor) -> RawBytes:
        """The vendor's bytes; that somebody took them is written down."""
        full = await self._access.change(lambda admin: _revealed(admin, ref, actor))
        return RawBytes(full.row.ref, full.raw)

    async def replay(self, refs: Sequence[str], asked: ReplayCommand, actor: Actor) -> ManyDone:
        """Another round of each: to `asked.to`, by today's routes, or as the first time."""
        return await self._access.change(partial(acts.replay, self._gateway, refs, asked, actor))

    async def release(self, refs: Sequence[str], actor: Actor) -> ManyDone:
        """End the hold of each, and deliver it by today's routes."""
        return await self._access.change(partial(acts.release, self._gateway, refs, actor))

    async def erase(self, refs: Sequence[str], actor: Actor) -> ManyDone:
        """Delete each with everything that was kept of it."""
        return await self._access.change(partial(acts.erase, self._gateway, refs, actor))

    async def retry(self, ids: Sequence[int], actor: Actor) -> ManyDone:
        """A new round of each, or now."""
        return await self._access.change(partial(acts.retry, ids, actor))

    async def cancel(self, ids: Sequence[int], actor: Actor) -> ManyDone:
        """An end to each."""
        return await self._access.change(partial(acts.cancel, ids, actor))

    # -- sinks, sources and what was refused

    async def refusal(self, id: int, *, whole: bool, actor: Actor) -> RefusedDetail:
        """One refused callback; that somebody saw its credentials is written down."""
        if whole:
            await self._access.change(lambda admin: _refusal_revealed(admin, id, actor))
        return await self._access.read(partial(reads.refusal, id, whole))

    async def pause(self, sink: str, actor: Actor) -> OneDone:
        """Hold everything for a sink."""
        return await self._access.change(partial(acts.pause, self._gateway, sink, actor))

    async def resume(self, sink: str, actor: Actor) -> OneDone:
        """Let a sink go on."""
        return await self._access.change(partial(acts.resume, self._gateway, sink, actor))

    async def test(self, sink: str, type: str, actor: Actor, owner: str | None = None) -> TestAnswer:
        """Send one test message through a sink (to this owner), once, whether it is paused or not."""
        await self._access.read(lambda _: acts.must_be_configured(self._gateway, sink))
        self._costly.spend(actor.name)
        ran = await run_own_command(self._gateway.loaded.path, acts.test_command(sink, type, owner))
        if ran.code == 2:
            raise acts.usage(ran.error)
        answer = acts.test_answer(sink, ran)
        await self._access.change(lambda admin: admin.note("sinks test", sink, actor=actor, result=answer.outcome))
        return answer

    async def reconcile(self, source: str, since: timedelta | None, actor: Actor) -> OneDone:
        """Let a gateway ask this source's vendor now for what it lists."""
        text = await self._reconciler.ask_now(source, since)
        await self._access.change(lambda admin: admin.note("sources reconcile", source, actor=actor, result=text))
        return OneDone(target=source, done=True, text=text)

    async def preview(
        self,
        sink: str,
        event: dict[str, object] | str | None,
        type: str | None,
        actor: Actor,
        owner: str | None = None,
    ) -> PreviewAnswer:
        """What a sink would send (to this owner) for an event (described, or the name of a stored one), or for a sample of this
        type."""
        await self._access.read(lambda _: acts.must_be_configured(self._gateway, sink))
        if isinstance(event, str):
            ref = event
            event = await self._access.read(lambda admin: acts.document(admin, ref))
        self._costly.spend(actor.name)
        arguments, content = acts.preview_command(sink, event, type, owner)
        return acts.preview_answer(sink, await run_own_command(self._gateway.loaded.path, arguments, input=content))

    async def retry_refused(self, ids: Sequence[int], actor: Actor) -> ManyDone:
        """Verify refused callbacks again, and take those that pass."""
        return await self._access.change(partial(acts.retry_refused, self._gateway, ids, actor))

    # -- bulk acts

    async def bulk(self, asked: BulkCommand, actor: Actor, token: str) -> BulkPreview | JobStarted:
        """How many it would be done to, or a job that does it. `token`: with which it was asked."""
        if asked.preview:
            return await self._access.read(partial(bulk.preview, self._gateway, asked))
        job = await self._access.change(partial(bulk.start, self._gateway, asked, actor, holder_of(token)))
        self._jobs.hurry()
        return job

    async def cancel_job(self, id: int, actor: Actor) -> JobItem:
        """End a bulk act before its next step; what was done stays done."""
        await self._access.change(lambda admin: admin.cancel_job(id, actor=actor))
        return await self.job(id)

    # -- live

    async def stream(
        self, news_filter: NewsFilter, since: int | None, *, session: str | None, may: Callable[[], bool]
    ) -> AsyncIterator[Message]:
        """News as they come. Raises Problem 429 where too many watch."""
        with self._hub.place(session):
            await self._teller.stand_at_newest()
            self._teller.hurry()
            async for message in self._hub.follow(news_filter, since, earlier=self._earlier, may=may):
                yield message

    async def _earlier(self, id: int) -> tuple[Sequence[live.LiveRow], int]:
        rows = await self._gateway.store.ask(lambda session: live.after(session, id))
        return rows, rows[0].id if rows else 0


def _revealed(admin: StoreAdmin, ref: str, actor: Actor) -> EventFull:
    full = admin.event(ref)
    admin.note("events reveal", full.row.name, actor=actor)
    return full


def _refusal_revealed(admin: StoreAdmin, id: int, actor: Actor) -> None:
    row = admin.refusal(id)
    admin.note("refused reveal", f"{row.id} of {row.refusal.source or 'no source'}", actor=actor)
