"""What the admin side does by itself while the gateway runs: it stores counters and news, and reads the news of others."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Sequence
from typing import Final, Protocol

from gateway.admin.stream import LiveHub
from gateway.errors import StoreError
from gateway.runtime.activity import Activity
from gateway.runtime.background import Bell, end_tasks
from gateway.runtime.clock import Clock
from gateway.runtime.duty import Duties
from gateway.store.admin import key_uses, live, minutes
from gateway.store.store import Store

NEWS_SECONDS: Final = 0.25  # between two looks while somebody watches
IDLE_SECONDS: Final = 1.0
COUNTS_SECONDS: Final = 2.0  # what a person sees after a first callback is no older
FOLD_SECONDS: Final = 600.0  # between two looks for minutes that are to be hours, or forgotten
FOLDED_HOURS_MAX: Final = 12  # at one look: one is due in an hour
WATCH_SECONDS: Final = 3.0  # between two words to the other gateways that somebody watches here


class Counting(Protocol):
    """The gateway's metrics, as far as they are looked at here."""

    @property
    def activity(self) -> Activity: ...


class NewsExchange:
    """`start` and `close` once each. Nothing that goes wrong here stops a delivery."""

    def __init__(
        self, store: Store, metrics: Counting, hub: LiveHub, clock: Clock, duties: Duties | None = None
    ) -> None:
        self._store = store
        self._activity = metrics.activity
        self._hub = hub
        self._clock = clock
        self._duties = duties or Duties(clock)
        self._tasks: list[asyncio.Task[None]] = []
        self._machine = Clock()  # because other gateways' news do not follow ours
        self._news_bell, self._watched_bell = Bell(self._machine), Bell(self._machine)

    def start(self) -> None:
        """Begin."""
        begin = functools.partial(self._duties.run_every, clock=self._machine)
        self._tasks = [
            begin("news", self.turn, IDLE_SECONDS, bell=self._news_bell),
            begin("who watches", self._who_watches, WATCH_SECONDS, bell=self._watched_bell),
            begin("counts", self._store_counts, COUNTS_SECONDS),
            begin("old counts", self._fold, FOLD_SECONDS),
        ]

    def hurry(self) -> None:
        """Somebody begins to watch: look at once."""
        self._activity.watched = True
        self._watched_bell.ring()
        self._news_bell.ring()

    async def close(self) -> None:
        """Store what was counted, and end."""
        if self._tasks:
            await end_tasks(*self._tasks)
            with contextlib.suppress(StoreError, TimeoutError):
                async with asyncio.timeout(2.0):
                    await self._store_counts()

    async def turn(self) -> float:
        """Store what was told, and hear what others told; the seconds until the next time."""
        news, missed = self._activity.fetch_news()
        told: Sequence[live.LiveRow] = ()
        if news:
            told = await self._store.write(lambda session: live.write_news(session, news, missed))
        if told and self._hub.streams and told[0].id == self._hub.at + 1:  # nobody else told something meanwhile
            self._hub.feed(told)
        elif self._hub.streams and (news or self._store.shared):
            await self.publish_changes()
        return NEWS_SECONDS if self._activity.watched else IDLE_SECONDS

    async def _who_watches(self) -> None:
        if self._hub.streams and self._store.shared:
            await self._store.write(live.watch)
        watched = bool(self._hub.streams)
        if not watched:  # another gateway's stream, or a command that reads the news beside this one
            watched = await self._store.ask(live.watched)
        self._activity.watched = watched

    async def publish_changes(self) -> None:
        """Take in what was stored since the last time, by whichever gateway."""
        at = self._hub.at
        self._hub.feed(await self._store.ask(lambda session: live.after(session, at)))

    async def stand_at_newest(self) -> None:
        """Stand at the newest news: what came before is read by those who ask for it."""
        if self._hub.streams <= 1:  # the caller's, which has its place already
            newest, _ = await self._store.ask(live.ends)
            self._hub.skip_to(newest)

    async def _store_counts(self) -> None:
        counted = self._activity.fetch_counts()
        if counted:
            owner = self._store.owner
            try:
                await self._store.write(lambda session: minutes.write_minutes(session, counted, owner))
            except StoreError:
                self._activity.not_stored(counted)
                raise
        if uses := self._activity.fetch_key_uses():
            try:
                await self._store.write(lambda session: key_uses.write_uses(session, uses))
            except StoreError:
                self._activity.key_uses_not_stored(uses)
                raise
        self._activity.forget_old()

    async def _fold(self) -> None:
        minute = self._clock.ms() // 60_000
        await self._store.write(lambda session: minutes.forget(session, minute))
        for _ in range(FOLDED_HOURS_MAX):
            if not await self._store.write(lambda session: minutes.fold(session, minute)):
                break
