"""`gateway events` and `gateway deliveries` where there is much, or nothing yet."""

from __future__ import annotations

import json
from pathlib import Path

from msgspec.structs import replace

from gateway.routing import Router
from gateway.store.store import Store
from tests.cli.conftest import Cli
from tests.cli.stocked import accept, an_event, stock, wanted


def test_of_many_contents_under_one_id_the_number_is_told(configured: Path, cli: Cli) -> None:
    first = an_event(number=1)

    async def work(store: Store) -> None:
        await accept(store, wanted(first), *(wanted(an_event(number=1, id=first.id, app=f"a{n}")) for n in range(12)))

    stock(configured, work)
    said = cli("events", "show", first.id).stdout
    assert "12 other contents came under this id; ten are kept, the others were refused" in said
    assert said.count("beside it: ") == 10


def test_an_event_that_came_when_there_were_no_routes_says_so(configured: Path, cli: Cli) -> None:
    event = an_event()
    new = replace(wanted(event, []), routing=Router([]).decide(event).json())
    stock(configured, lambda store: accept(store, new))
    assert (
        "routes, as they were when it came:\n  no routes are configured\n"
        in cli("events", "show", event.id, "--why").stdout
    )


def test_a_delivery_that_was_not_tried_yet_is_shown_without_attempts(configured: Path, cli: Cli) -> None:
    stock(configured, lambda store: accept(store, wanted(an_event(), ["lines"])))
    said = cli("deliveries", "show", "1").stdout
    assert "waiting" in said
    assert "ATTEMPT" not in said


def test_many_held_events_are_released_only_after_asking(configured: Path, cli: Cli) -> None:
    firsts = [an_event(number=n) for n in (1, 2)]

    async def work(store: Store) -> None:
        await accept(
            store, *map(wanted, firsts), *(wanted(an_event(number=n, id=firsts[n - 1].id, app="x")) for n in (1, 2))
        )

    stock(configured, work)
    held = [one["ref"] for one in json.loads(cli("events", "list", "--held", "--json").stdout)]
    asked = cli("events", "release", *held, "--dry-run")
    assert "2 events will be held no more and delivered." in asked.output
    assert len(json.loads(cli("events", "list", "--held", "--json").stdout)) == 2
    cli("events", "release", *held, "--yes")
    assert json.loads(cli("events", "list", "--held", "--json").stdout) == []
