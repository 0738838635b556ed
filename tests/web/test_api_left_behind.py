"""The API of a gateway whose store knows more than its configuration, and what only some may see of either."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from gateway.errors import StoreUnavailable
from gateway.model import Progress
from gateway.runtime.clock import Clock
from gateway.store.records import Heard
from gateway.store.store import Store
from tests.cli.stocked import accept, an_event, stock, wanted
from tests.web.admin_api import CONFIG, OPERATE, READ, ask, post, run_in, serve
from tests.web.doors import Served

SECRET_PATH = "hush-hush-path"
IDS = ("ab" * 15 + "01", "ab" * 15 + "02")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A store with what was for a sink, and of a source, that are configured no more."""
    folder = tmp_path_factory.mktemp("left")

    async def work(store: Store) -> None:
        for number, id in enumerate(IDS):
            event = replace(an_event(number=number, id=id), received_at=datetime.now(UTC))
            await accept(store, wanted(event, ["left"]))
        await store.heard([Heard("gone", Clock().ms())])

    stock(folder, work)
    config = CONFIG.replace("apps: [live]", f"apps: [live], path: {SECRET_PATH}")
    with serve(folder, config=config) as served:
        yield served
        served.ask()
        served.result()


def test_a_sink_and_a_source_from_before_are_found_by_their_names(served: Served) -> None:
    assert len(ask(served, "/deliveries?sink=left").json()["items"]) == 2
    (left,) = [one for one in ask(served, "/sinks").json()["items"] if one["name"] == "left"]
    assert (left["state"], left["type"], left["waiting"]) == ("not configured", None, 2)
    (gone,) = [one for one in ask(served, "/sources").json()["items"] if one["name"] == "gone"]
    assert (gone["type"], gone["callback_url"]) == (None, None)
    assert gone["last_seen"] is not None


def test_a_name_that_fits_two_events_is_answered_with_both(served: Served) -> None:
    reply = ask(served, f"/events/{'ab' * 15}")
    assert (reply.status, reply.json()["code"]) == (409, "ambiguous")
    assert sorted(reply.json()["candidates"]) == sorted(IDS)


def test_a_path_that_nobody_is_to_guess_is_shown_to_whom_may_operate(served: Served) -> None:
    shown = {
        token: ask(served, "/config", token).json()["settings"]["sources"]["live"]["path"] for token in (READ, OPERATE)
    }
    assert shown == {READ: "********", OPERATE: SECRET_PATH}
    assert SECRET_PATH not in ask(served, "/sources", READ).body.decode()


def test_a_list_of_values_is_bounded(served: Served) -> None:
    for many in (",".join(["live"] * 101), "x" * 600):
        reply = ask(served, f"/events?type={many}")
        assert (reply.status, reply.json()["code"]) == (400, "unknown_value")


def test_a_long_delivery_says_how_far_it_is(served: Served) -> None:
    store: Store = served.behind.store  # type: ignore[attr-defined]

    async def work() -> None:
        [lease, *_] = await store.claim("left", 1, 30_000)
        await store.keep_alive(
            lease.delivery, lease.token, 30_000, {}, Progress(5, 10, "half of https://x.example/?token=canary")
        )

    run_in(served, work())
    (left,) = [one for one in ask(served, "/sinks").json()["items"] if one["name"] == "left"]
    (long,) = left["under_way"]
    assert (long["done"], long["total"], long["text"]) == (5, 10, "half of https://x.example/?token=********")


def test_what_takes_no_body_refuses_one(served: Served) -> None:
    reply = post(served, "/sinks/file/pause", {"for": "ever"})
    assert (reply.status, reply.json()["code"]) == (400, "malformed_body")
    assert ask(served, "/sinks/file").json()["state"] == "ready"


def test_a_replay_goes_to_sinks_or_by_routes_and_not_both(served: Served) -> None:
    reply = post(served, f"/events/{IDS[0]}/replay", {"to": ["file"], "reroute": True})
    assert (reply.status, reply.json()["detail"]) == (400, "`to` and `reroute` exclude each other")


def test_what_a_stored_event_would_be_sent_as_is_asked_by_its_name(served: Served) -> None:
    answer = ask(served, f"/sinks/gone/preview?event={IDS[0]}", OPERATE).json()
    assert IDS[0] in answer.get("text", ""), answer


def test_a_gateway_that_has_ended_says_so_to_whom_still_asks(tmp_path_factory: pytest.TempPathFactory) -> None:
    with serve(tmp_path_factory.mktemp("ended")) as ended:
        admin = ended.behind.admin
        ended.ask()
        ended.result()
    with pytest.raises(StoreUnavailable, match="the gateway is stopping"):
        asyncio.run(admin.dead_letters())
