"""Tables, JSON and times."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.admin.timestamps import milliseconds, stamp
from gateway.cli import difference, output
from gateway.cli.table import cut, folded, table

HOSTILE = "\x1b[2J\u202ex\u2028[red]y[/red]\r\n"


def _list(rows: Sequence[int], **options: Any) -> list[tuple[int, int | None]]:
    """Print a listing of numbers, largest first; the pages that were asked for."""
    asked = []

    def page(limit: int, before: int | None) -> Sequence[int]:
        asked.append((limit, before))
        return [row for row in rows if before is None or row < before][:limit]

    output.listing(
        page,
        lambda row: row,
        {"number": str, "text": lambda row: f"row {row}"},
        lambda row: {"number": row},
        what="numbers",
        **{"as_json": False, "limit": 50, "everything": False, **options},
    )
    return asked


def test_a_table_is_aligned_and_as_wide_as_it_must_be(capsys: pytest.CaptureFixture[str]) -> None:
    table(["id", "detail"], [["1", "x" * 500], ["222", "直播"], ["3", ""]])
    lines = capsys.readouterr().out.split("\n")
    assert lines[0] == "ID   DETAIL"
    assert lines[1] == "1    " + "x" * 500
    assert lines[2] == "222  直播"
    assert lines[3] == "3"


def test_a_name_that_would_fill_the_screen_is_cut_off_and_its_length_told(capsys: pytest.CaptureFixture[str]) -> None:
    table(["id", "subject"], [["1", "x" * 60_000]])
    assert capsys.readouterr().out.split("\n")[1] == "1   " + "x" * 600 + "… (60,000 characters)"


def test_wide_letters_take_two_columns(capsys: pytest.CaptureFixture[str]) -> None:
    table(["a", "b"], [["直播", "1"], ["x", "2"]])
    assert capsys.readouterr().out == "A     B\n直播  1\nx     2\n"


@pytest.mark.parametrize("terminal", [True, False])
def test_nothing_from_outside_reaches_the_terminal_as_it_came(
    terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    table(["text"], [[HOSTILE]])
    output.facts([("text", HOSTILE), ("none", None), ("empty", "")])
    out = capsys.readouterr().out
    assert all(character.isprintable() for character in out.replace("\n", ""))
    assert "\\x1b[2J\\u202ex\\u2028[red]y[/red]\\r\\n" in out
    assert "none" not in out
    output.remark(HOSTILE)
    assert all(character.isprintable() for character in capsys.readouterr().err.removesuffix("\n"))


@pytest.mark.parametrize(
    ("text", "width", "middle", "shown"),
    [
        ("push.example.com/live/vip-7", 11, True, "push.…vip-7"),
        ("detail of what", 8, False, "detail …"),
        ("short", 8, True, "short"),
        ("直播直播直播", 7, True, "直…直播"),
    ],
)
def test_a_name_is_cut_in_its_middle_and_a_sentence_at_its_end(text: str, width: int, middle: bool, shown: str) -> None:
    assert cut(text, width, middle=middle) == shown


def test_ages_are_short() -> None:
    ages = output.Ages(10 * 86_400_000)
    spans = [0, 59, 60, 119, 120, 3599, 3600, 86_399, 86_400, 9 * 86_400]
    assert [ages(10 * 86_400_000 - 1000 * span) for span in spans] == [
        *("0 s", "59 s", "1 m", "1 m", "2 m", "59 m", "1 h", "23 h", "1 d", "9 d")
    ]
    assert ages.until(10 * 86_400_000 + 180_000) == "in 3 m"
    assert (ages.until(1), ages.until(None)) == ("now", "")


def test_json_is_an_array_of_the_documented_objects(capsys: pytest.CaptureFixture[str]) -> None:
    _list(range(3, 0, -1), as_json=True)
    assert json.loads(capsys.readouterr().out) == [{"number": 3}, {"number": 2}, {"number": 1}]
    _list([], as_json=True)
    assert json.loads(capsys.readouterr().out) == []


def test_the_limit_holds_and_says_that_there_is_more(capsys: pytest.CaptureFixture[str]) -> None:
    _list(range(100, 0, -1), limit=2)
    said = capsys.readouterr()
    assert said.out.splitlines() == ["NUMBER  TEXT", "100     row 100", "99      row 99"]
    assert "--all" in said.err
    _list([1, 0], limit=2)
    assert capsys.readouterr().err == ""


def test_everything_is_one_object_a_line_over_all_pages(capsys: pytest.CaptureFixture[str]) -> None:
    asked = _list(range(450, 0, -1), everything=True)
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["number"] for line in lines] == list(range(450, 0, -1))
    assert asked == [(200, None), (200, 251), (200, 51)]


def test_an_empty_listing_says_so_beside_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    _list([])
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "no numbers\n")


def test_times_are_those_of_the_zone_for_people_and_utc_for_programs() -> None:
    at = 1_767_268_800_123
    assert output.Times()(at) == "2026-01-01 12:00:00"
    assert output.Times("Asia/Shanghai")(at) == "2026-01-01 20:00:00"
    assert output.Times()(None) == ""
    night = [milliseconds(f"2026-10-25T0{hour}:30:00Z") for hour in range(3)]  # clocks are set back at 01:00 UTC
    assert [output.Times("Europe/Berlin")(at)[11:] for at in night] == ["02:30:00+02:00", "02:30:00+01:00", "03:30:00"]
    assert stamp(at) == "2026-01-01T12:00:00.123Z"
    assert stamp(None) is None


@pytest.mark.parametrize(
    ("zone", "text"), [("America/New_York", "0001-01-01T00:00:00Z"), ("Asia/Shanghai", "9999-12-31T23:59:59Z")]
)
def test_where_the_calendar_ends_in_a_zone_the_time_is_that_of_utc(zone: str, text: str) -> None:
    shown = output.Times(zone)(milliseconds(text))
    assert shown == text.replace("T", " ").rstrip("Z")


def _hidden(count: int) -> bool:
    bar: Any = output.progress(count, "sending")
    return bool(bar.hidden)


def test_a_bar_is_only_for_people_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _hidden(5000)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert not _hidden(5000)
    assert _hidden(5)


def test_an_id_stays_on_one_line_so_that_it_can_be_copied(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    table(["id", "subject", "detail"], [["0123456789abcdef" * 2, "a/b/c" * 9, "why " * 20]])
    assert "0123456789abcdef" * 2 in capsys.readouterr().out


def test_rows_at_hand_are_cut_at_the_limit_and_it_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    options: dict[str, Any] = {"what": "numbers", "limit": 2, "as_json": False, "everything": False}
    output.print_rows([1, 2, 3], {"n": str}, lambda row: {"n": row}, **options)
    said = capsys.readouterr()
    assert said.out.split() == ["N", "1", "2"]
    assert "the first 2; more with --limit N or --all" in said.err
    output.print_rows([1, 2, 3], {"n": str}, lambda row: {"n": row}, **(options | {"everything": True}))
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [{"n": 1}, {"n": 2}, {"n": 3}]
    output.print_rows([], {"n": str}, lambda row: {"n": row}, **options)
    assert "no numbers" in capsys.readouterr().err


def test_on_a_terminal_a_table_of_sentences_is_folded_and_says_all_of_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    about = "how long it waits, " * 8 + "[red]as it stands[/red]"
    for terminal in (False, True):
        monkeypatch.setattr("sys.stdout.isatty", lambda terminal=terminal: terminal)
        folded(["option", "about"], [["timeout", about], ["\x1b[2J", "x"]])
        lines = re.sub("\x1b\\[[0-9]*m", "", capsys.readouterr().out).splitlines()  # the bold of the headings
        assert all(line.isprintable() for line in lines)
        assert lines[0].split() == ["OPTION", "ABOUT"]
        assert " ".join(" ".join(lines).split()).count("how long it waits,") == 8
        assert "[red]as it stands[/red]" in " ".join(line.removeprefix("timeout").strip() for line in lines)
        assert (max(map(len, lines)) <= 40) == terminal


def test_two_contents_that_say_the_same_are_said_to(capsys: pytest.CaptureFixture[str]) -> None:
    difference.show('{"app": "live", "n": 1}', '{ "app":"live", "n":1 }', names=("ab12", "cd34"))
    assert capsys.readouterr().out == "it says the same as ab12, but for its raw bytes\n"
