"""`events show` tells an event as a story, and what takes long says how far it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.cli import output
from gateway.cli.table import cell_width
from gateway.cli.timeline import detail_of, timeline_lines
from gateway.store.admin.admin import StoreAdmin
from gateway.store.store import Store
from gateway.web.pages.story import STEPS_MAX
from tests.cli.conftest import Cli
from tests.cli.stocked import NOW, accept, an_event, settle, stock, wanted

CAME = round(NOW.timestamp() * 1000)


def shown(configured: Path, width: int | None = None) -> list[str]:
    with StoreAdmin(f"sqlite:///{configured}/gateway.db") as admin:
        (row,) = admin.events()
        deliveries = [admin.delivery(one.id) for one in reversed(admin.deliveries(event=row.ref, limit=200))]
        detail = detail_of(admin.event(row.ref), deliveries)
    return [line.shown(width) for line in timeline_lines(detail, output.Times(), CAME + 1000, width)]


def test_it_says_what_happened_in_order_with_how_long_after_the_callback(configured: Path) -> None:
    async def work(store: Store) -> None:
        await accept(store, wanted(an_event(time="2026-01-01T11:59:57Z"), ["lines", "screen", "ops"]))
        await settle(store, "lines", "delivered")
        await settle(store, "screen", "waiting", detail="503 busy")
        await settle(store, "ops", "dead", reason="refused", detail="400 no such chat")

    stock(configured, work)
    text = "\n".join(shown(configured))
    assert "It did not arrive at ops: the sink refused it for good. The last answer was: 400 no such chat" in text
    assert (
        "- 11:59:57 (-3.0 s)  It happened, as the vendor says.\n+ 12:00:00  The callback came to live and was kept."
        in text
    )
    assert "+ 12:00:00  lines, attempt 1: delivered, after 12 ms" in text
    assert "! 12:00:00  screen, attempt 1: failed, to be tried again, after 12 ms\n      503 busy" in text
    assert "! 12:00:00  ops, attempt 1: refused for good (400), after 12 ms\n      400 no such chat" in text
    assert re.search(
        r"^> in \d+ \w  screen: it waits for the pause after a failed attempt \(delivery 2: waiting, retry\)$",
        text,
        re.M,
    )
    assert re.search(r"ops: given up \(delivery 3: dead, refused\)$", text, re.M)


@pytest.mark.parametrize("width", [40, 80])
def test_it_fits_the_terminal_and_what_a_sink_answers_is_inert(configured: Path, width: int) -> None:
    hostile = "\x1b[2J\u202e直播间直播间 " * 30

    async def work(store: Store) -> None:
        await accept(store, wanted(an_event(), ["lines"]))
        await settle(store, "lines", "dead", reason="refused", detail=hostile)

    stock(configured, work)
    lines = shown(configured, width)
    assert all(cell_width(line) <= width and line.isprintable() for line in lines)
    assert not any("\u202e" in line for line in lines)


def test_the_command_tells_it_before_the_normal_form(configured: Path, cli: Cli) -> None:
    stock(configured, lambda store: accept(store, wanted(an_event("recording.started"))))
    said = cli("events", "show", "--config", "gateway.yaml", *_refs(configured)).stdout
    assert (
        said.index("no route sent it to a sink") < said.index("The callback came to live") < said.index('"specversion"')
    )
    assert re.search(r"^received +2026-01-01 12:00:00 \(\d+ d ago\)$", said, re.M)


def _refs(configured: Path) -> list[str]:
    with StoreAdmin(f"sqlite:///{configured}/gateway.db") as admin:
        return [row.ref for row in admin.events()]


def test_what_takes_long_says_how_far_it_is_where_no_terminal_draws_a_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("gateway.cli.output.monotonic", lambda: now[0])
    with output.progress(10_000, "retrying") as bar:
        for _ in range(5):
            now[0] += 4.0
            bar.update(200)
    assert capsys.readouterr().err == "retrying: 600 of 10,000\n"
    with output.progress(5, "retrying") as bar:
        now[0] += 100.0
        bar.update(5)
    assert capsys.readouterr().err == ""


def test_a_long_story_begins_with_the_callback_and_says_how_much_is_left_out(configured: Path) -> None:
    sinks = [f"s{n}" for n in range(STEPS_MAX + 20)]

    async def work(store: Store) -> None:
        await accept(store, wanted(an_event(), sinks))
        for sink in sinks:
            await settle(store, sink, "delivered")

    stock(configured, work)
    lines = shown(configured)
    came = next(number for number, line in enumerate(lines) if "The callback came to live" in line)
    assert re.fullmatch(r"  … \d+ steps before those that follow", lines[came + 1])
    assert "s119, attempt 1: delivered" in lines[-1]


@pytest.mark.parametrize("time", ["soon", "0001-01-01T00:00:00+14:00", "2026-01-01T11:59:57"])
def test_a_time_of_the_vendor_that_is_none_is_left_out(configured: Path, time: str) -> None:
    stock(configured, lambda store: accept(store, wanted(an_event())))
    with StoreAdmin(f"sqlite:///{configured}/gateway.db") as admin:
        (row,) = admin.events()
        detail = detail_of(admin.event(row.ref), [])
    detail = detail.model_copy(update={"item": detail.item.model_copy(update={"time": time})})
    assert "as the vendor says" not in "".join(line.text for line in timeline_lines(detail, output.Times(), CAME, None))
