"""What following reads and writes: none twice, none left out, one line each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import output
from gateway.cli.follow import EventFollower
from gateway.cli.live_lines import LiveLines
from gateway.cli.news import BACK, LOST, NewsItem
from gateway.cli.table import cell_width
from gateway.store.admin.admin import StoreAdmin
from gateway.store.admin.event_search import EventFilter, search_events
from gateway.store.admin.shown_rows import EventRow
from gateway.store.records import Held
from tests.cli.stocked import accept, an_event, stock, wanted

HOSTILE = "\x1b[2J\x1b]0;x\x07\u202eevil\u2066\r\n\x9b31m\u200b直播"


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
        self, *, limit: int = 50, before: int | None = None, after: int = 0, type: str | None = None, **more: Any
    ) -> Sequence[EventRow]:
        self.asked += 1
        some = [seq for seq in sorted(self.seqs, reverse=True) if after < seq < (before or 10**9)]
        return [a_row(seq) for seq in some if type is None or seq % 2 == 0][:limit]


def test_every_event_is_told_once_though_a_transaction_commits_late() -> None:
    store, told_seqs = Rows(), []
    follower = EventFollower(store, {})
    store.seqs = {1, 2, 3}
    told_seqs += [row.seq for row in follower.newest(2)]
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
    assert [row.seq for row in follower.newest(3)] == [494, 496, 498]
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


def test_an_event_that_went_to_several_is_told_by_what_needs_a_person_and_counts_the_rest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = LiveLines(output.Times(), as_json=False, states=True)
    lines.events([a_row(1, deliveries={"delivered": 2, "dead": 1})], {})
    line = capsys.readouterr().out
    assert "  dead         live " in line
    assert line.endswith("recording.failed  a/live/stream-1  (1 dead, 2 delivered)\n")


def test_names_are_kept_for_the_attempts_of_the_newest_events_alone(capsys: pytest.CaptureFixture[str]) -> None:
    lines = LiveLines(output.Times(), as_json=False, states=False)
    rows = [a_row(seq) for seq in range(1100)]
    lines.events(rows, {(row.ref, row.source): f"e{row.seq}" for row in rows})
    capsys.readouterr()
    for row in (rows[0], rows[-1]):
        lines.news(NewsItem("attempt", {"at": 0, "id": row.ref, "sink": "ops", "outcome": "delivered"}))
    oldest, newest = capsys.readouterr().out.splitlines()
    assert "  0000000000  delivered " in oldest  # of its id what there is room for
    assert "  e1099       delivered " in newest


def test_what_was_not_told_is_said_beside_what_was(capsys: pytest.CaptureFixture[str]) -> None:
    lines = LiveLines(output.Times(), as_json=True, states=False)
    lines.news(NewsItem(LOST, {"why": "the stream ended"}))
    lines.news(NewsItem(BACK, {}))
    lines.news(NewsItem("missed", {"missed": 7}))
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        "the connection is lost (the stream ended); trying again",
        "connected again",
        "7 more happened than could be told",
    ]
    assert said.out == ""
