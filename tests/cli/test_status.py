"""`gateway status`: one screen that answers whether it runs, and an exit code that says whether a person is needed."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli import output
from gateway.cli.overview_lines import sparkline, status_lines, top_lines
from gateway.cli.table import cell_width, cut, wrapped
from gateway.store.store import Store
from tests.cli.conftest import Cli
from tests.cli.overviews import an_overview
from tests.cli.stocked import accept, an_event, settle, stock, wanted
from tests.cli.test_elsewhere import told
from tests.web.admin_api import post, serve_filled
from tests.web.doors import Served

HOSTILE = "\x1b[2J\x1b]0;x\x07\u202eevil\u2066\r\n\x9b31m\u200b直播\U000e0041" + "y" * 300


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve_filled(tmp_path_factory.mktemp("status")) as served:
        yield served


def there(served: Served) -> list[str]:
    folder: Path = served.folder  # type: ignore[attr-defined]
    return ["--url", f"http://127.0.0.1:{served.addresses.private.port}", "--token-file", str(folder / "token")]


def test_beside_a_store_that_nobody_serves_it_says_so_and_a_person_is_needed(cli: Cli, configured: Path) -> None:
    async def work(store: Store) -> None:
        await accept(store, wanted(an_event()), wanted(an_event(number=1), ["gone"]))
        await settle(store, "lines", "dead", reason="refused", detail="400 no such chat")

    stock(configured, work)
    said = cli("status", code=1).stdout
    assert said.startswith("no gateway runs here")
    assert "2 waiting" in said
    assert "1 delivery to lines is dead" in said
    assert "gateway deliveries list --sink lines --state dead" in said
    assert "gateway deliveries move gone --to SINK" in said
    needs = json.loads(cli("status", "--json", code=1).stdout)["attention"]
    assert [one["kind"] for one in needs] == ["gateway.stopped", "delivery.dead", "sink.orphaned"]
    assert cli("status", "--quiet", code=1).output == ""


def test_without_a_store_the_exit_code_is_not_zero_either(cli: Cli, configured: Path) -> None:
    assert "there is no store" in cli("status", code=1).stderr


@pytest.mark.parametrize("way", ["here", "there"])
def test_a_gateway_that_runs_well_needs_nobody(served: Served, cli: Cli, way: str) -> None:
    folder: Path = served.folder  # type: ignore[attr-defined]
    arguments = there(served) if way == "there" else ["--config", str(folder / "gateway.yaml")]
    said = told(cli(*arguments, "status").stdout)
    assert said.startswith("runs since 20")
    assert ": pid " in said.splitlines()[0]
    assert said.endswith("nothing needs a person\n")
    seen = json.loads(cli(*arguments, "status", "--json").stdout)
    assert len(seen["running"]) == 1
    assert seen["attention"] == []
    post(served, "/sinks/file/pause")
    assert "gateway sinks resume file" in cli(*arguments, "status", code=1).stdout
    post(served, "/sinks/file/resume")


def test_the_same_is_said_here_and_there(served: Served, cli: Cli) -> None:
    folder: Path = served.folder  # type: ignore[attr-defined]
    here = json.loads(cli("--config", str(folder / "gateway.yaml"), "status", "--json").stdout)
    elsewhere = json.loads(cli(*there(served), "status", "--json").stdout)
    assert here["started_at"] is None
    changing = {"at", "started_at", "minutes", "last_1h", "last_24h", "plots", "sinks", "sources"}
    assert {k: v for k, v in here.items() if k not in changing} == {
        k: v for k, v in elsewhere.items() if k not in changing
    }
    assert set(here) == set(elsewhere)


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("text", [HOSTILE, "直播间" * 20, "lines"])
def test_no_line_is_wider_than_the_terminal_and_nothing_hostile_moves_it(text: str, width: int) -> None:
    lines = list(status_lines(an_overview(text), output.Times(), width))
    shown = [line.shown(width) for line in lines]
    assert all(cell_width(line) <= width for line in shown)
    assert all(line.isprintable() for line in shown)
    assert not {"\u202e", "\u2066", "\u200b", "\U000e0041"} & set("".join(shown))


@pytest.mark.parametrize("size", [(80, 24), (79, 23), (40, 12), (20, 5), (10, 1), (200, 60)])
@pytest.mark.parametrize("sinks", [0, 1, 40])
@pytest.mark.parametrize("text", [HOSTILE, "直播间" * 20])
def test_a_screen_is_filled_to_the_line_and_never_beyond(size: tuple[int, int], sinks: int, text: str) -> None:
    columns, rows = size
    lines = top_lines(an_overview(text, sinks=sinks), output.Times(), columns, rows, "q quit")
    assert len(lines) == rows
    shown = [line.shown(columns) for line in lines]
    assert all(cell_width(line) <= columns and line.isprintable() for line in shown)
    assert shown[-1] == "q quit"


def test_a_screen_says_how_much_it_does_not_show() -> None:
    lines = [line.text for line in top_lines(an_overview(sinks=40), output.Times(), 80, 24, "q quit")]
    assert any("more sinks" in line for line in lines)
    assert any(line.startswith("! ") for line in lines)
    assert any("/min" in line for line in lines)


def test_bars_are_in_proportion_and_in_ascii_where_there_are_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        encoding = "utf-8"

    monkeypatch.setattr("sys.stdout", Terminal)
    assert sparkline([0, 1, 4, 8]) == " ▁▄█"
    assert sparkline([0, 0]) == "  "
    Terminal.encoding = "ascii"
    assert sparkline([0, 8]).isascii()


def test_letters_are_measured_as_a_terminal_shows_them() -> None:
    assert (cell_width("直播"), cell_width("e\u0301"), cell_width("abc"), cell_width("🎥")) == (4, 1, 3, 2)
    assert cut("直播间直播间", 6, middle=False) == "直播…"
    assert wrapped("ab 直播间直播间 c", 6) == ["ab", "直播间", "直播间", "c"]
    assert wrapped("one two  three", 20) == ["one two  three"]


def test_several_gateways_are_named_each_with_its_age() -> None:
    one = an_overview().running[0]
    named = [
        one.model_copy(update={"name": "a", "since": "2026-01-01T11:00:00.000Z"}),
        one.model_copy(update={"name": "b\x1b", "since": None}),
    ]
    seen = an_overview().model_copy(update={"running": named, "version": "1.2"})
    lines = [line.text for line in status_lines(seen, output.Times(), None)]
    assert lines[:4] == ["2 gateways run, version 1.2", "  a since 2026-01-01 11:00:00 (1 h)", "  b\\x1b", ""]


def test_where_there_is_no_sink_or_source_yet_there_is_no_table_of_them() -> None:
    seen = an_overview().model_copy(update={"sinks": [], "sources": []})
    lines = [line.text for line in status_lines(seen, output.Times(), None)]
    assert not [line for line in lines if line.startswith(("SINK", "SOURCE"))]
    assert not any(one == other == "" for one, other in itertools.pairwise(lines))


def test_a_plot_stands_beside_the_sink_it_is_of() -> None:
    seen = an_overview(sinks=2)
    points = [0] * 40 + [8]
    plot = seen.plots["lines"][0].model_copy(update={"name": seen.sinks[1].name, "good": points})
    seen = seen.model_copy(update={"plots": {"sinks": [plot]}})
    first, second = [
        line.text for line in top_lines(seen, output.Times(), 120, 40, "") if line.text.startswith("lines")
    ][:2]
    bar = sparkline([8])
    assert bar not in first
    assert second.endswith(bar)
