"""`events list --follow` and `tail`: none twice, none left out, elsewhere as here, and an end that is one."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.admin.stream import NewsFilter
from gateway.cli import news as news_module
from gateway.cli import output
from gateway.cli.follow import EventFollower
from gateway.cli.live_lines import LiveLines
from gateway.cli.news import BACK, LOST, NewsElsewhere, NewsItem
from gateway.cli.remote_client import RefusedElsewhere, Remote
from gateway.cli.table import cell_width
from gateway.store.admin.admin import StoreAdmin
from gateway.store.admin.event_search import EventFilter, search_events
from gateway.store.admin.shown_rows import EventRow
from gateway.store.records import Held
from tests import threads
from tests.cli.conftest import ROOT, Cli
from tests.cli.stocked import accept, an_event, stock, wanted
from tests.cli.terminal import Terminal
from tests.cli.test_elsewhere import told
from tests.running import Player
from tests.web.admin_api import OPERATE, fill, serve, until
from tests.web.doors import Served

HOSTILE = "\x1b[2J\x1b]0;x\x07\u202eevil\u2066\r\n\x9b31m\u200b直播"
SECONDS_MAX = 20.0


def a_row(seq: int, **more: Any) -> EventRow:
    values: dict[str, Any] = {
        "ref": f"{seq:032x}",
        "source": "live",
        "type": "recording.failed",
        "subject": f"a/live/stream-{seq}",
        "received_at": 1_767_268_800_000 + seq,
        "held": None,
        "deliveries": {"waiting": 1},
    }
    values |= more
    return EventRow(seq=seq, id=values["ref"], **values)


class Rows:
    """A store in which a test lets rows appear."""

    def __init__(self) -> None:
        self.seqs: set[int] = set()
        self.asked = 0

    def events(
        self, *, limit: int = 50, before: int | None = None, after: int = 0, type: str | None = None
    ) -> Sequence[EventRow]:
        self.asked += 1
        some = [seq for seq in sorted(self.seqs, reverse=True) if after < seq < (before or 10**9)]
        return [a_row(seq) for seq in some if type is None or seq % 2 == 0][:limit]


def test_every_event_is_told_once_though_a_transaction_commits_late() -> None:
    store, told_seqs = Rows(), []
    follower = EventFollower(store, {})
    store.seqs = {1, 2, 3}
    told_seqs += [row.seq for row in follower.begin(2)]
    store.seqs |= {5, 6}
    told_seqs += [row.seq for row in follower.fresh(1.0)]
    store.seqs |= {4}  # its transaction began before that of 5
    told_seqs += [row.seq for row in follower.fresh(7.0)]
    store.seqs |= set(range(7, 1007))
    told_seqs += [row.seq for row in follower.fresh(8.0)]
    assert told_seqs == [2, 3, 5, 6, 4, *range(7, 1007)]
    assert follower.fresh(20.0) == []


def test_a_look_at_nothing_new_is_one_question_for_one_row() -> None:
    store = Rows()
    store.seqs = set(range(1, 500))
    follower = EventFollower(store, {"type": "x"})
    assert [row.seq for row in follower.begin(3)] == [494, 496, 498]
    follower.fresh(1.0)
    before = store.asked
    assert follower.fresh(1.1) == []
    assert store.asked == before + 1


def test_what_is_new_is_found_along_the_key_without_a_scan(configured: Path) -> None:
    stock(configured, lambda store: accept(store, *[wanted(an_event(number=n)) for n in range(5)]))
    with StoreAdmin(f"sqlite:///{configured}/gateway.db") as admin:
        seqs = [row.seq for row in admin.events()]
        for filters in (
            {},
            {"type": "recording.failed"},
            {"source": "live", "stream": "stream-*"},
            {"state": "waiting"},
        ):
            assert [row.seq for row in admin.events(after=seqs[2], **filters)] == seqs[:2]  # type: ignore[arg-type]
        assert admin.events(after=seqs[0]) == []
        plans: list[str] = []

        def explained(session: Any) -> None:
            ask = session.rows

            def rows(statement: str, values: Any = None) -> Any:
                if "LIMIT :most" in statement:
                    plans.extend(row[3] for row in ask(f"EXPLAIN QUERY PLAN {statement}", values))
                return ask(statement, values)

            session.rows = rows
            search_events(session, EventFilter(after=seqs[2], type="recording.failed"), limit=200, before=None)
            del session.rows

        admin.ask(explained)
        assert plans == ["SEARCH events USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"]


# -- lines


@pytest.mark.parametrize("width", [None, 40, 80, 200])
@pytest.mark.parametrize("as_json", [False, True])
def test_a_line_is_one_line_that_fits_and_nothing_hostile_moves_it(
    width: int | None, as_json: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.cli.live_lines.available", lambda: width)
    lines = LiveLines(output.Times(), as_json=as_json, states=False)
    row = a_row(1, ref=HOSTILE * 20, type=HOSTILE, subject=HOSTILE * 9, source=HOSTILE)
    lines.events([row], {})
    for kind in ("attempt", "sink", "alarm", "job", HOSTILE):
        names = ("id", "sink", "outcome", "detail", "reason", "act", "state", "subject", "text", "dead")
        lines.news(NewsItem(kind, dict.fromkeys(names, HOSTILE) | {"at": 1, "seconds": 0.5, "status": 503}))
    lines.news(NewsItem(LOST, {"why": HOSTILE}))
    said = capsys.readouterr()
    assert said.out.count("\n") == 6
    for line in (*said.out.splitlines(), *said.err.splitlines()):
        assert line.isprintable()
        assert not {"\u202e", "\u2066", "\u200b"} & set(line)
        assert width is None or as_json or cell_width(line) <= width or line in said.err


@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_states_are_coloured_for_who_wants_it(
    environ: dict[str, str], coloured: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    for name, value in ({"TERM": "xterm", "NO_COLOR": ""} | environ).items():
        monkeypatch.setenv(name, value)
    lines = LiveLines(output.Times(), as_json=False, states=True)
    lines.events([a_row(1, deliveries={"dead": 1}), a_row(2, held=Held.CONFLICT), a_row(3, deliveries={})], {})
    out = capsys.readouterr().out
    assert ("\x1b[31mdead" in out, "\x1b[35mheld" in out) == (coloured, coloured)
    assert "no route" in out


def test_an_attempt_says_how_long_it_took_what_came_back_and_when_it_goes_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = LiveLines(output.Times(), as_json=False, states=False)
    facts = {"at": 0, "id": "ab" * 16, "sink": "ops", "outcome": "retry", "seconds": 0.0123, "status": 503}
    lines.news(NewsItem("attempt", facts | {"detail": "busy", "next_try_in": 5.0, "state": "waiting"}))
    lines.news(NewsItem("attempt", facts | {"outcome": "refused", "seconds": 3, "state": "dead", "dead": "refused"}))
    first, second = capsys.readouterr().out.splitlines()
    assert first.split("  ", 1)[1] == "ababababab  retry        → ops     12 ms, 503: busy; again in 5 s"
    assert second.split("  ", 1)[1] == "ababababab  dead         → ops     3.0 s, 503; dead: refused"


# -- beside a store, and elsewhere


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("follow")
    with serve(folder) as served:
        fill(served)
        until(served, "/events?state=delivered", lambda page: len(page["items"]) == 3)
        served.folder = folder  # type: ignore[attr-defined]
        (folder / "token").write_text(OPERATE)
        yield served
        served.ask()
        served.result()


def way_to(served: Served, way: str) -> list[str]:
    folder: Path = served.folder  # type: ignore[attr-defined]
    if way == "here":
        return ["--config", str(folder / "gateway.yaml")]
    return ["--url", f"http://127.0.0.1:{served.addresses.private.port}", "--token-file", str(folder / "token")]


@contextlib.contextmanager
def meanwhile(monkeypatch: pytest.MonkeyPatch, *acts: Callable[[], bool | None]) -> Iterator[None]:
    """Between two waits of a command that follows: each act until it says that it is done, then Ctrl-C."""
    left = list(acts)
    end = time.monotonic() + SECONDS_MAX
    for name in ("NewsBeside", "NewsElsewhere", "OnlyPauses"):
        one = getattr(news_module, name)

        def wait(self: Any, seconds: float, ask: Any = one.wait) -> Any:
            assert time.monotonic() < end
            if not left:
                raise KeyboardInterrupt
            if left[0]() is not False:
                left.pop(0)
            return ask(self, min(seconds, 0.1))

        monkeypatch.setattr(one, "wait", wait)
    yield
    assert left == []


@pytest.mark.parametrize("way", ["here", "there"])
def test_events_that_come_are_listed_as_they_come(
    served: Served, cli: Cli, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = {"here": 100, "there": 200}[way]

    def come() -> None:
        for n in range(3):
            assert served.post(Player().body(number=number + n)).status == 200

    rest = [lambda: None] * 12  # looks
    with meanwhile(monkeypatch, come, *rest):
        said = cli(
            *way_to(served, way), "events", "list", "--follow", "--json", "--limit", "1", "--type", "recording.file.*"
        )
    rows = [json.loads(line) for line in told(said.stdout).splitlines() if line.startswith("{")]
    assert [row["subject"].rpartition("-")[2] for row in rows[1:]] == [str(number + n) for n in range(3)]
    assert len({row["ref"] for row in rows}) == 4
    assert set(rows[0]) == {"ref", "id", "source", "type", "subject", "received_at", "held", "deliveries"}


@pytest.mark.parametrize("way", ["here", "there"])
def test_tail_tells_of_events_and_of_what_came_of_them(
    served: Served, cli: Cli, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = {"here": 300, "there": 400}[way]
    activity = served.behind.metrics.activity  # type: ignore[attr-defined]

    def come() -> bool:
        if not activity.watched:
            return False
        assert served.post(Player().body(number=number)).status == 200
        return True

    with meanwhile(monkeypatch, come, *[lambda: None] * 25):
        said = cli(*way_to(served, way), "tail", "-n", "0", "--json", "--stream", "stream-*")
    items = [json.loads(line) for line in told(said.stdout).splitlines() if line.startswith("{")]
    assert [(item["kind"], item.get("outcome")) for item in items] == [("event", None), ("attempt", "delivered")]
    assert items[0]["subject"].endswith(f"-{number}")
    assert items[1]["sink"] == "file"
    assert items[1]["at"].endswith("Z")


def test_it_begins_with_the_newest_and_filters_as_a_listing_does(
    cli: Cli, configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [wanted(an_event(number=n)) for n in range(12)] + [wanted(an_event("recording.started", number=20))]
    stock(configured, lambda store: accept(store, *events))

    def shown(*arguments: str) -> list[str]:
        with meanwhile(monkeypatch):
            lines = cli("tail", *arguments).stdout.splitlines()
        return [line.rpartition("stream-")[2] for line in lines]

    assert shown() == [str(n) for n in (*range(3, 12), 20)]
    assert shown("-n", "2") == ["11", "20"]
    assert shown("-n", "0") == []
    assert shown("-n", "2", "--type", "recording.failed") == ["10", "11"]
    assert shown("--since", "2025-12-31", "--stream", "stream-1*") == ["1", "10", "11"]
    assert shown("--since", "1s") == []
    with meanwhile(monkeypatch):
        assert "did you mean" in cli("tail", "--source", "liv", code=2).stderr


def test_whoever_reads_it_may_leave(configured: Path) -> None:
    stock(configured, lambda store: accept(store, *[wanted(an_event(number=n)) for n in range(3)]))
    environ = {k: v for k, v in os.environ.items() if not k.startswith("GATEWAY_")}
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "tail"],
        cwd=configured,
        env={**environ, "PYTHONPATH": ROOT},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as tail:
        assert tail.stdout is not None
        assert tail.stderr is not None
        assert b"stream-0" in tail.stdout.readline()
        tail.stdout.close()  # as `head -1` does; nothing else happens on this store
        assert tail.wait(SECONDS_MAX) in (0, 1)
        assert tail.stderr.read() == b""


def test_a_terminal_that_is_closed_ends_it(configured: Path) -> None:
    stock(configured, lambda store: accept(store, wanted(an_event())))
    for command in (["tail"], ["top"]):
        there = Terminal(configured, command)
        there.until(lambda text: "  live  " in text or "no gateway runs" in text)
        there.hang_up()
        assert there.process.wait(SECONDS_MAX) != 0 or command == ["tail"]


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
                connection.settimeout(SECONDS_MAX)
                self.asked.append(connection.recv(65536).decode())
                connection.sendall(answer)
                if answer is answers[-1]:
                    with contextlib.suppress(OSError):
                        connection.recv(1)  # until the other side closes

    def close(self) -> None:
        self._socket.close()
        threads.end(self._thread)


def streaming(text: str) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + text.encode()


def refusing(status: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def gathered(news: NewsElsewhere, count: int) -> list[NewsItem]:
    items: list[NewsItem] = []
    end = time.monotonic() + SECONDS_MAX
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
    busy = refusing("503 Service Unavailable", b'{"code": "stopping", "detail": "it stops"}')
    streams = Streams(streaming(first), busy, streaming('id: 9\nevent: sink\ndata: {"c": 3}\n\n'))
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
        streaming(""), refusing("401 Unauthorized", b'{"code": "unauthorized", "detail": "no such token"}')
    )
    with NewsElsewhere(Remote(streams.url, "t" * 40), NewsFilter()) as news, pytest.raises(RefusedElsewhere):
        gathered(news, 9)
    streams.close()


def test_what_never_answered_is_an_error_at_once(cli: Cli, configured: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    (configured / "token").write_text("t" * 40)
    said = cli("tail", "--url", f"http://127.0.0.1:{port}", "--token-file", "token", code=1)
    assert "no answer" in said.stderr
