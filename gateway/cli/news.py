"""What happens now, as a terminal follows it: the news of a gateway elsewhere as it sends them, or those in the store beside."""

from __future__ import annotations

import contextlib
import http.client
import json
import queue
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple, Protocol, Self

from gateway.admin.stream import NewsFilter, message_of
from gateway.cli.remote_client import RefusedElsewhere, Remote
from gateway.errors import GatewayError, StoreError
from gateway.store.admin import live
from gateway.store.admin.admin import StoreAdmin

WATCH_SECONDS: Final = 3.0  # between two words to the gateways that somebody watches
POLL_SECONDS: Final = 0.5
SILENT_SECONDS: Final = 45.0  # without a sign of life, which comes every 15
RETRY_SECONDS_MIN: Final = 1.0
RETRY_SECONDS_MAX: Final = 15.0
FOR_GOOD: Final = frozenset({400, 401, 403, 404, 421})  # statuses that asking once more does not change
JOIN_SECONDS_MAX: Final = 2.0
PUT_SECONDS: Final = 1.0  # for room in the queue, before it is looked whether anybody still reads
WAITING_MAX: Final = 1000  # news that were sent and not yet printed; then the gateway is not read from
LINE_BYTES_MAX: Final = 1024 * 1024
LOST, BACK = "lost", "back"  # the connection


class NewsItem(NamedTuple):
    """One piece of news: its kind, as the stream has it, or LOST or BACK; and what it says."""

    kind: str
    data: Mapping[str, object]


class NewsFeed(Protocol):
    """Use it in a `with`. `wait` gives what came within so many seconds, as soon as there is something."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...
    def wait(self, seconds: float) -> Sequence[NewsItem]: ...


class OnlyPauses:
    """No news: for who looks at the store itself again and again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def wait(self, seconds: float) -> Sequence[NewsItem]:
        """Nothing, after a pause."""
        time.sleep(min(seconds, POLL_SECONDS))
        return ()


class NewsBeside:
    """The news in a store, read along their ids. A gateway that runs is told that somebody watches."""

    def __init__(self, admin: StoreAdmin, filter: NewsFilter) -> None:
        self._admin = admin
        self._filter = filter
        self._at = 0
        self._watched_at = float("-inf")

    def __enter__(self) -> Self:
        self._at, _ = self._admin.ask(live.ends)
        self._watch()
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def wait(self, seconds: float) -> Sequence[NewsItem]:
        """What is new after a pause."""
        time.sleep(min(seconds, POLL_SECONDS))
        self._watch()
        at = self._at
        rows = self._admin.ask(lambda session: live.after(session, at))
        if rows:
            self._at = rows[-1].id
        messages = [message_of(row) for row in rows if row.kind == "missed" or self._filter.keeps(row)]
        return [NewsItem(message.event or "", message.data) for message in messages]

    def _watch(self) -> None:
        if time.monotonic() - self._watched_at >= WATCH_SECONDS:
            self._watched_at = time.monotonic()
            with contextlib.suppress(StoreError):  # because who may only read the store sees at least its events
                self._admin.once(live.watch)


class NewsElsewhere:
    """The stream of a gateway elsewhere. A connection that is lost is made again, and goes on after the last that came."""

    def __init__(self, remote: Remote, filter: NewsFilter) -> None:
        self._remote = remote
        self._query = {
            name: ",".join(values) for name in ("types", "source", "sink", "type") if (values := getattr(filter, name))
        }
        self._items: queue.Queue[NewsItem | GatewayError] = queue.Queue(WAITING_MAX)
        self._last_id: str | None = None
        self._closed = threading.Event()
        self._response: http.client.HTTPResponse | None = None
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._follow, name="news", daemon=True)

    def __enter__(self) -> Self:
        self._response = self._opened()  # raises: what never worked is more likely a mistake than a moment
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._closed.set()
        assert self._socket is not None
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # so that whoever reads from it wakes
        self._thread.join(JOIN_SECONDS_MAX)
        self._socket.close()

    def wait(self, seconds: float) -> Sequence[NewsItem]:
        """What came. Raises GatewayError where the token does not hold any more."""
        items: list[NewsItem] = []
        try:
            item = self._items.get(timeout=max(seconds, 0.001))
            while True:
                if isinstance(item, GatewayError):
                    raise item
                items.append(item)
                item = self._items.get_nowait()
        except queue.Empty:
            return items

    def _opened(self) -> http.client.HTTPResponse:
        headers = {} if self._last_id is None else {"Last-Event-ID": self._last_id}
        if self._socket is not None:
            self._socket.close()
        self._socket, response = self._remote.open_stream("/stream", self._query, headers, SILENT_SECONDS)
        return response

    def _follow(self) -> None:
        from gateway.runtime.rising_pause import RisingPause  # only now, because most commands follow nothing elsewhere

        pauses = RisingPause(RETRY_SECONDS_MIN, RETRY_SECONDS_MAX)
        while not self._closed.is_set():
            response, self._response = self._response, None
            try:
                if response is None:
                    response = self._opened()
                    self._enqueue(NewsItem(BACK, {}))
                with response:
                    for id, item in messages(response):
                        pauses.went_well()
                        self._last_id = id or self._last_id
                        self._enqueue(item)
                lost = "the stream ended"
            except (OSError, http.client.HTTPException, ValueError) as error:
                lost = type(error).__name__
            except GatewayError as error:
                if isinstance(error, RefusedElsewhere) and error.status in FOR_GOOD:
                    self._enqueue(error)
                    return
                lost = str(error)
            if not self._closed.is_set() and not pauses.failures:
                self._enqueue(NewsItem(LOST, {"why": lost}))
            self._closed.wait(pauses.failed())

    def _enqueue(self, item: NewsItem | GatewayError) -> None:
        while not self._closed.is_set():
            try:
                self._items.put(item, timeout=PUT_SECONDS)
                return
            except queue.Full:
                continue


def messages(response: http.client.HTTPResponse) -> Iterator[tuple[str | None, NewsItem]]:
    """The messages of a stream of Server-Sent Events with their ids; comments are left out. Raises ValueError."""
    id: str | None = None
    kind, data = "", []
    while line := response.readline(LINE_BYTES_MAX + 1):
        if len(line) > LINE_BYTES_MAX:
            raise ValueError("a line of the stream is too long")
        name, _, value = line.decode().rstrip("\r\n").partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            id = value
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)
        elif not name and not value and line in (b"\n", b"\r\n"):
            if data:
                said = json.loads("\n".join(data))
                yield id, NewsItem(kind, said if isinstance(said, dict) else {"said": said})
            kind, data = "", []
