"""The live stream: news of every gateway of the store, read once for all who watch, each at its own place in them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Final, get_args

import msgspec

from gateway.errors import Problem
from gateway.runtime.activity import NewsKind
from gateway.store.admin.live import LiveRow

STREAMS_MAX: Final = 32
STREAMS_PER_SESSION_MAX: Final = 4
RING_ROWS: Final = 1000  # that are kept in memory, for all streams together
COMMENT_SECONDS: Final = 15.0
KINDS: Final = get_args(NewsKind)


class NewsFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which news are meant; empty: any. `types` are kinds of news, `source`, `sink` and `type` (of events) are globs."""

    types: Sequence[str] = ()
    source: Sequence[str] = ()
    sink: Sequence[str] = ()
    type: Sequence[str] = ()

    def keeps(self, row: LiveRow) -> bool:
        """Whether this is meant."""
        return (
            (not self.types or row.kind in self.types)
            and _fits(self.source, row.source)
            and _fits(self.sink, row.sink)
            and _fits(self.type, row.type)
        )


def _fits(globs: Sequence[str], value: str) -> bool:
    return not globs or any(fnmatchcase(value, glob) for glob in globs)


class Message(msgspec.Struct, frozen=True):
    """One message of the stream: news; `missed`, which says how many were not told; or None, a sign of life. `text` is a JSON
    object. `more`: the next one is there already, so that both may go out together."""

    id: int | None = None
    event: str | None = None
    text: str = ""
    more: bool = False

    @property
    def data(self) -> Mapping[str, object]:
        """What is said."""
        said: Mapping[str, object] = json.loads(self.text) if self.text else {}
        return said


class LiveHub:
    """`feed` is called with news as they are read. Streams hold a place and no news, so that 32 of them cost one ring."""

    def __init__(self) -> None:
        self._ring: deque[LiveRow] = deque(maxlen=RING_ROWS)
        self._fed = asyncio.Event()
        self._open: Counter[str] = Counter()
        self._closed = False
        self.at = 0  # the newest news that was read

    @property
    def streams(self) -> int:
        """How many are open."""
        return self._open.total()

    def feed(self, rows: Sequence[LiveRow]) -> None:
        """Take news in, oldest first."""
        if rows:
            self._ring.extend(rows)
            self.at = rows[-1].id
            self._wake()

    def skip_to(self, id: int) -> None:
        """Stand at this news: what was told while nobody watched is read from the store by who asks for it."""
        if id > self.at:
            self._ring.clear()  # because those in between are not in it
            self.at = id

    def close(self) -> None:
        """End every stream."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        self._fed.set()
        self._fed = asyncio.Event()

    @contextmanager
    def place(self, session: str | None) -> Iterator[None]:
        """A place among those who watch. Raises Problem 429 where there is none; `session`: of one session only some."""
        if self.streams >= STREAMS_MAX:
            raise Problem(429, "too_many_streams", f"{STREAMS_MAX} streams are open; close one", retry_after=15)
        name = session or ""
        if session is not None and self._open[session] >= STREAMS_PER_SESSION_MAX:
            raise Problem(
                429, "too_many_streams", f"{STREAMS_PER_SESSION_MAX} streams of this session are open", retry_after=15
            )
        self._open[name] += 1
        try:
            yield
        finally:
            self._open[name] -= 1
            if not self._open[name]:
                del self._open[name]

    async def follow(
        self,
        news_filter: NewsFilter,
        since: int | None,
        *,
        earlier: Callable[[int], Awaitable[tuple[Sequence[LiveRow], int]]],
        may: Callable[[], bool] = lambda: True,
        every: float = COMMENT_SECONDS,
    ) -> AsyncIterator[Message]:
        """News after `since` (None: from now on), without an end while `may` says so. `earlier(id)` reads what is no
        longer in memory: rows, and the oldest id that the store has."""
        at = self.at if since is None or since > self.at else since
        yield Message()  # so that the caller knows at once that it is connected
        while not self._closed and may():
            fed = self._fed
            if at < self.at:
                rows, oldest = self._since(at), 0
                if rows is None:
                    rows, oldest = await earlier(at)
                    if not rows:
                        at = self.at
                        continue
                if oldest > at + 1:
                    yield Message(rows[0].id - 1, "missed", json.dumps({"missed": oldest - at - 1}))
                kept = [row for row in rows if row.kind == "missed" or news_filter.keeps(row)]
                for left, row in zip(range(len(kept) - 1, -1, -1), kept, strict=True):
                    yield message_of(row, more=left > 0)
                at = rows[-1].id
                continue
            try:
                async with asyncio.timeout(every):
                    await fed.wait()
            except TimeoutError:
                yield Message()

    def _since(self, at: int) -> Sequence[LiveRow] | None:
        """The news after this one that are in memory; None: some of them are not."""
        if not self._ring or self._ring[0].id > at + 1:
            return None
        return [row for row in self._ring if row.id > at]


def message_of(row: LiveRow, *, more: bool = False) -> Message:
    """One piece of news as it is told."""
    head = "".join(
        f', "{name}": {json.dumps(value)}'
        for name, value in (("source", row.source), ("sink", row.sink), ("type", row.type))
        if value
    )
    body = row.text.strip()[
        1:
    ].lstrip()  # spliced and not read, because this is done for every piece of news and stream
    return Message(row.id, row.kind, f'{{"at": {row.at}{head}{"" if body == "}" else ", "}{body}', more)
