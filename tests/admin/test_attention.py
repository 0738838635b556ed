"""What needs a person is said in whole sentences, one of them and several, with the page that shows it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.admin.attention import LONG_WAIT_MS, attention
from gateway.admin.overview_results import Attention
from tests.cli.overviews import AT, an_overview

WELL: dict[str, Any] = {"state": "ready", "reason": None, "waiting": 0, "sending": 0, "dead": 0, "owners": None, "oldest_waiting_at": None}  # fmt: skip
LONG_AGO = "2020-01-01T00:00:00.000Z"
NOW_MS = 1_767_268_800_000


def told(
    *, held: int = 0, waiting: int = 0, served: bool = True, sink: dict[str, Any] | None = None
) -> list[Attention]:
    seen = an_overview("app")
    now = seen.now.model_copy(update={"held": held, "waiting": waiting})
    one = seen.sinks[0].model_copy(update=WELL | (sink or {}))
    return list(attention(now, [one], NOW_MS, served=served))


def test_a_gateway_where_all_goes_well_needs_nobody() -> None:
    assert told() == []
    assert told(waiting=9, sink={"waiting": 9, "oldest_waiting_at": AT}) == []


@pytest.mark.parametrize(
    ("held", "text"),
    [
        (1, "1 event held: another content came under a known id or signature"),
        (2, "2 events held: another content came under a known id or signature"),
        (10_001, "more than 10,000 events held: another content came under a known id or signature"),
    ],
)
def test_what_is_held_is_counted_as_far_as_it_is_known(held: int, text: str) -> None:
    (one,) = told(held=held)
    assert (one.kind, one.count, one.text, one.link) == ("event.held", held, text, "/events?held=true")


@pytest.mark.parametrize(
    ("waiting", "text"),
    [
        (0, "no gateway runs on this store: callbacks are not taken"),
        (1, "no gateway runs on this store: callbacks are not taken, and 1 delivery waits"),
        (3, "no gateway runs on this store: callbacks are not taken, and 3 deliveries wait"),
    ],
)
def test_a_store_that_nobody_serves_comes_first(waiting: int, text: str) -> None:
    first, held = told(served=False, waiting=waiting, held=1)
    assert (first.kind, first.text, first.link) == ("gateway.stopped", text, "/")
    assert held.kind == "event.held"


@pytest.mark.parametrize(
    ("sink", "kind", "text", "link"),
    [
        (
            {"state": "not configured", "waiting": 1},
            "sink.orphaned", "app is not configured any more, and 1 delivery waits for it", "/sinks/app",
        ),
        ({"state": "not configured", "sending": 1}, "sink.orphaned", "app is not configured any more, and 0 deliveries wait for it", "/sinks/app"),
        ({"state": "circuit open"}, "sink.down", "app cannot be reached: it failed again and again", "/sinks/app"),
        (
            {"state": "circuit open", "reason": "https://x.example/a?token=canary"},
            "sink.down", "app cannot be reached: https://x.example/a?token=********", "/sinks/app",
        ),
        ({"state": "paused", "waiting": 2}, "sink.paused", "app is paused; 2 deliveries wait", "/sinks/app"),
        ({"dead": 1}, "delivery.dead", "1 delivery to app is dead", "/dead?sink=app"),
        ({"dead": 2}, "delivery.dead", "2 deliveries to app are dead", "/dead?sink=app"),
        ({"waiting": 2, "oldest_waiting_at": LONG_AGO}, "sink.behind", "app is behind: 2 deliveries wait", "/sinks/app"),
        (
            {"waiting": 1, "oldest_waiting_at": LONG_AGO, "owners": 3},
            "owner.behind", "app does not get through to some owners: 1 delivery waits, some for long",
            "/deliveries?sink=app&state=waiting",
        ),
        (
            {"waiting": 2, "oldest_waiting_at": LONG_AGO, "state": "waits for a consumer"},
            "sink.unfetched", "app waits for a consumer: 2 deliveries wait, some for long", "/sinks/app",
        ),
    ],
)  # fmt: skip
def test_a_sink_says_what_it_needs(sink: dict[str, Any], kind: str, text: str, link: str) -> None:
    (one,) = told(sink=sink)
    assert (one.kind, one.about, one.text, one.link) == (kind, "app", text, link)
    assert LONG_WAIT_MS == 15 * 60 * 1000
