"""What an assistant may change is shown first, confirmed for exactly that, and written down."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.assistant.changes import CHANGES_PER_MINUTE_MAX
from gateway.cli.assistant.confirmations import HOLDS_SECONDS, OPEN_MAX
from gateway.runtime.clock import FrozenClock
from gateway.store.admin.admin import StoreAdmin
from gateway.store.store import Store
from tests.cli.stocked import accept, an_event, settle, stock, wanted

from .talk import asked, audit, refused, talking


async def test_a_change_is_shown_confirmed_done_once_and_written_down(stocked: Path) -> None:
    async with talking(stocked, operate=True) as client:
        (dead,) = (await asked(client, "dead_letters"))["items"]
        change = {"act": "retry_delivery", "target": str(dead["id"])}
        shown = await asked(client, "preview_change", **change)
        assert "new round" in shown["will"]
        assert shown["now"]["state"] == "dead"
        assert audit(stocked) == []
        confirmed = {**change, "confirmation": shown["confirmation"]}
        done = await asked(client, "make_change", **confirmed)
        assert done["done"] is True
        assert audit(stocked) == [("ann (assistant)", "deliveries retry", str(dead["id"]))]
        assert (await refused(client, "make_change", **confirmed))["code"] == "not_confirmed"
        assert len(audit(stocked)) == 1


async def test_every_change_does_what_it_says(stocked: Path) -> None:
    async with talking(stocked, operate=True) as client:

        async def change(act: str, target: str, **more: str) -> Any:
            shown = await asked(client, "preview_change", act=act, target=target, **more)
            return await asked(
                client, "make_change", act=act, target=target, **more, confirmation=shown["confirmation"]
            )

        await change("pause_sink", "lines")
        assert (await refused(client, "preview_change", act="pause_sink", target="lines"))["code"] == "not_possible"
        await change("resume_sink", "lines")
        (event,) = (await asked(client, "find_events", type="recording.started"))["items"]
        await change("replay_event", event["ref"], to="screen")
        (waiting,) = (await asked(client, "why_not_delivered", ref=event["ref"]))["deliveries"]
        assert (waiting["sink"], waiting["state"]) == ("screen", "waiting")
        await change("cancel_delivery", str(waiting["id"]))
    acts = [act for _, act, _ in reversed(audit(stocked))]
    assert acts == ["sinks pause", "sinks resume", "events replay", "deliveries cancel"]


async def test_a_change_that_cannot_be_made_is_not_shown(stocked: Path) -> None:
    async with talking(stocked, operate=True) as client:
        (event,) = (await asked(client, "find_events", type="recording.failed", state="dead"))["items"]
        states = {
            one["state"]: one for one in (await asked(client, "why_not_delivered", ref=event["ref"]))["deliveries"]
        }
        dead = str(states["dead"]["id"])
        for change, code in (
            ({"act": "pause_sink", "target": "lines", "to": "screen"}, "unknown_value"),
            ({"act": "cancel_delivery", "target": "the last"}, "unknown_value"),
            ({"act": "cancel_delivery", "target": dead}, "not_possible"),
            ({"act": "resume_sink", "target": "lines"}, "not_possible"),
            ({"act": "replay_event", "target": event["ref"], "to": "nobody"}, "not_found"),
        ):
            assert (await refused(client, "preview_change", **change))["code"] == code, change
        with StoreAdmin(f"sqlite:///{stocked}/gateway.db") as admin:
            admin.retry(int(dead))
        shown = await asked(client, "preview_change", act="retry_delivery", target=dead)
        assert shown["will"] == "try this delivery now instead of later"
        on_its_way = {"act": "replay_event", "target": event["ref"], "to": "lines"}
        assert "on its way" in (await refused(client, "preview_change", **on_its_way))["detail"]

        async def lease(store: Store) -> None:
            await store.claim("lines", 9, 30_000)

        await asyncio.to_thread(stock, stocked, lease)
        sent = await refused(client, "preview_change", act="cancel_delivery", target=dead)
        assert (sent["code"], "is being sent now" in sent["detail"]) == ("not_possible", True)
    assert [who for who, _, _ in audit(stocked) if "assistant" in who] == []


async def test_a_held_event_is_left_to_a_person_and_any_other_goes_where_it_went(stocked: Path) -> None:
    first = an_event("recording.started", number=7)
    other = an_event("recording.started", number=7, id=first.id, app="other")

    async def work(store: Store) -> None:
        await accept(store, wanted(first, ["screen"]), wanted(other))
        await settle(store, "screen", "delivered")

    await asyncio.to_thread(stock, stocked, work)
    async with talking(stocked, operate=True) as client:
        (held,) = (await asked(client, "find_events", held=True))["items"]
        error = await refused(client, "preview_change", act="replay_event", target=held["ref"])
        assert (error["code"], "a person has to look at it" in error["detail"]) == ("not_possible", True)
        change = {"act": "replay_event", "target": first.id}
        shown = await asked(client, "preview_change", **change)
        assert shown["now"]["sinks"] == ["screen"]
        await asked(client, "make_change", **change, confirmation=shown["confirmation"])
        deliveries = (await asked(client, "why_not_delivered", ref=first.id))["deliveries"]
        assert {(one["sink"], one["state"]) for one in deliveries} >= {("screen", "waiting")}


async def test_of_more_changes_than_are_looked_at_the_oldest_is_shown_again(stocked: Path) -> None:
    async with talking(stocked, operate=True) as client:
        change = {"act": "pause_sink", "target": "lines"}
        shown = [await asked(client, "preview_change", **change) for _ in range(OPEN_MAX + 1)]
        error = await refused(client, "make_change", **change, confirmation=shown[0]["confirmation"])
        assert error["code"] == "not_confirmed"
        await asked(client, "make_change", **change, confirmation=shown[-1]["confirmation"])


@pytest.mark.parametrize(
    "other",
    [
        {"target": "screen"},
        {"act": "resume_sink"},
        {"confirmation": "made-up"},
        {"act": "replay_event", "to": "screen"},
    ],
)
async def test_a_confirmation_is_for_exactly_what_was_shown(stocked: Path, other: Mapping[str, str]) -> None:
    async with talking(stocked, operate=True) as client:
        change = {"act": "pause_sink", "target": "lines"}
        shown = await asked(client, "preview_change", **change)
        answer = await client.call_tool("make_change", {**change, "confirmation": shown["confirmation"], **other})
        assert answer.is_error
    assert audit(stocked) == []


async def test_a_confirmation_ends_with_time_and_with_any_change_of_what_was_shown(stocked: Path) -> None:
    clock = FrozenClock()
    async with talking(stocked, operate=True, clock=clock) as client:
        change = {"act": "pause_sink", "target": "lines"}
        shown = await asked(client, "preview_change", **change)
        clock.advance(HOLDS_SECONDS + 1)
        late = await refused(client, "make_change", **change, confirmation=shown["confirmation"])
        assert late["code"] == "not_confirmed"
        (dead,) = (await asked(client, "dead_letters"))["items"]
        change = {"act": "retry_delivery", "target": str(dead["id"])}
        shown = await asked(client, "preview_change", **change)
        with StoreAdmin(f"sqlite:///{stocked}/gateway.db") as admin:
            admin.retry(dead["id"])
        changed = await refused(client, "make_change", **change, confirmation=shown["confirmation"])
        assert "things changed" in changed["detail"]


async def test_many_changes_in_a_row_are_no_way_round_the_bulk_acts(stocked: Path) -> None:
    async with talking(stocked, operate=True, clock=FrozenClock()) as client:
        for number in range(CHANGES_PER_MINUTE_MAX + 1):
            change = {"act": "resume_sink" if number % 2 else "pause_sink", "target": "lines"}
            shown = await asked(client, "preview_change", **change)
            answer = await client.call_tool("make_change", {**change, "confirmation": shown["confirmation"]})
        assert answer.structured_content["error"]["code"] == "too_many_requests"
    assert len(audit(stocked)) == CHANGES_PER_MINUTE_MAX
