"""Following a gateway elsewhere: a stream that breaks goes on after the last that came, and an end is one."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.admin.stream import NewsFilter
from gateway.cli import news as news_module
from gateway.cli.news import BACK, LOST, NewsElsewhere, NewsItem
from gateway.cli.remote_client import RefusedElsewhere, Remote
from tests import threads
from tests.cli.conftest import Cli
from tests.patience import PATIENCE_S, until
from tests.ports import free_port

# -- the stream of a gateway elsewhere


class Streams:
    """A listener that answers each request with what a test says, and keeps what was asked."""

    def __init__(self, *answers: bytes) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threads.start(self._answer, answers)

    def _answer(self, answers: Sequence[bytes]) -> None:
        for answer in answers:
            connection, _ = self._socket.accept()
            with connection:
                connection.settimeout(PATIENCE_S)
                self.asked.append(connection.recv(65536).decode())
                connection.sendall(answer)
                if answer is answers[-1]:
                    with contextlib.suppress(OSError):
                        connection.recv(1)  # until the other side closes

    def close(self) -> None:
        self._socket.close()
        threads.end(self._thread)


def stream_answer(text: str) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + text.encode()


def refusal_answer(status: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def gathered(news: NewsElsewhere, count: int) -> list[NewsItem]:
    items: list[NewsItem] = []
    end = time.monotonic() + PATIENCE_S
    while len(items) < count:
        assert time.monotonic() < end, items
        items += news.wait(0.5)
    return items


def test_a_connection_that_is_lost_is_made_again_and_goes_on_after_the_last_that_came(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(news_module, "RETRY_SECONDS_MIN", 0.01)
    first = (
        ': \n\nid: 7\nevent: event\ndata: {"a": 1}\n\nid: 8\nevent: attempt\ndata: {"b":\ndata: 2}\n\nid: 9\nevent: att'
    )
    busy = refusal_answer("503 Service Unavailable", b'{"code": "stopping", "detail": "it stops"}')
    streams = Streams(stream_answer(first), busy, stream_answer('id: 9\nevent: sink\ndata: {"c": 3}\n\n'))
    with NewsElsewhere(Remote(streams.url, "t" * 40), NewsFilter(types=("event", "attempt"), source=("live",))) as news:
        items = gathered(news, 5)
    streams.close()
    assert items == [
        NewsItem("event", {"a": 1}),
        NewsItem("attempt", {"b": 2}),
        NewsItem(LOST, {"why": "the stream ended"}),
        NewsItem(BACK, {}),
        NewsItem("sink", {"c": 3}),
    ]
    assert "GET /api/v1/stream?types=event%2Cattempt&source=live " in streams.asked[0]
    assert "last-event-id" not in streams.asked[0].lower()
    assert all("\r\nLast-Event-ID: 8\r\n" in asked for asked in streams.asked[1:])


def test_a_token_that_holds_no_more_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news_module, "RETRY_SECONDS_MIN", 0.01)
    streams = Streams(
        stream_answer(""), refusal_answer("401 Unauthorized", b'{"code": "unauthorized", "detail": "no such token"}')
    )
    with NewsElsewhere(Remote(streams.url, "t" * 40), NewsFilter()) as news, pytest.raises(RefusedElsewhere):
        gathered(news, 9)
    streams.close()


def test_what_never_answered_is_an_error_at_once(cli: Cli, configured: Path) -> None:
    (configured / "token").write_text("t" * 40)
    said = cli("tail", "--url", f"http://127.0.0.1:{free_port()}", "--token-file", "token", code=1)
    assert "no answer" in said.stderr


def test_a_line_that_never_ends_and_a_connection_that_breaks_are_lost_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(news_module, "RETRY_SECONDS_MIN", 0.01)
    monkeypatch.setattr(news_module, "LINE_BYTES_MAX", 100)
    endless = stream_answer("data: " + "x" * 200)
    broken = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nid: 4"
    streams = Streams(endless, broken, stream_answer('id: 5\nevent: sink\ndata: {"c": 3}\n\n'))
    with NewsElsewhere(Remote(streams.url, "t" * 40), NewsFilter()) as news:
        items = gathered(news, 4)
    streams.close()
    assert items[0] == NewsItem(LOST, {"why": "ValueError"})
    assert items[-1] == NewsItem("sink", {"c": 3})
    assert len(streams.asked) == 3


def test_whoever_reads_slowly_is_waited_for_and_may_end_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news_module, "WAITING_MAX", 2)
    monkeypatch.setattr(news_module, "PUT_SECONDS", 0.01)
    streams = Streams(stream_answer("".join(f'id: {n}\nevent: sink\ndata: {{"n": {n}}}\n\n' for n in range(1, 9))))
    with NewsElsewhere(Remote(streams.url, "t" * 40), NewsFilter()) as news:
        until(lambda: news._items.full())
        assert [item.data["n"] for item in gathered(news, 5)][:5] == [1, 2, 3, 4, 5]
        until(lambda: news._items.full())
    assert not news._thread.is_alive()
    streams.close()
