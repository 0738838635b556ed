"""The sinks of owners: as many as are of use, made by the table of now, each with its own trouble and its own secrets."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway import learn_secret
from gateway.dispatch import owner_deliverer
from gateway.dispatch.owner_targets import OPEN_TARGETS_MAX
from gateway.errors import Refused, Unavailable
from gateway.model import Delivery
from gateway.text.redaction import redact
from tests.patience import eventually

from .conftest import Build, raising
from .owned import Owned, deliverer, directory, house_of, of, owned_policy


async def test_a_table_that_was_mended_helps_what_waits_and_what_is_under_way_ends_as_it_began(build: Build) -> None:
    go = asyncio.Event()

    async def slow(delivery: Delivery) -> str | None:
        await go.wait()
        return None

    sink = Owned(old=slow, other=raising(lambda: Unavailable("gone")))
    house = await house_of(build, sink, {"anna": "old", "bob": "other", "carol": "old"})
    await house.put(*of("anna", 1), *of("bob", 2))
    await eventually(lambda: len(sink.sent) == 2)
    await house.calm()
    lane = house.dispatcher.lanes["app"]
    lane.see_owners(owned_policy({"anna": "new", "bob": "mended"}).owners)
    assert house.value("owners_paused", sink="app") == 0
    await house.put(*of("anna", 3), *of("carol", 4))
    await house.later(30, step=1)
    go.set()
    await eventually(lambda: house.rows("state") == ["delivered", "delivered", "delivered", "dead"])
    assert sink.sent[2:]
    assert sorted(sink.sent[2:]) == sorted([("new", of("anna", 3)[0].id), ("mended", of("bob", 2)[0].id)])
    await eventually(lambda: [one.closed for one in sink.targets if one.target == "old"] == [1])


async def test_an_owners_sink_that_cannot_be_opened_or_made_is_his_trouble(build: Build) -> None:
    sink = Owned()
    house = await house_of(build, sink, ["anna", "bob", "carol"])
    made = sink.for_owner

    def for_owner(options: Any) -> Any:
        if options.name == "anna":
            raise OSError("its certificate is gone")
        target = made(options)
        if options.name == "bob":
            target.open = _failing  # type: ignore[method-assign]
        return target

    async def _failing() -> None:
        raise Unavailable("no library")

    sink.for_owner = for_owner  # type: ignore[method-assign]
    await house.put(*of("anna", 1), *of("bob", 2), *of("carol", 3))
    await eventually(lambda: house.rows() == ["waiting", "waiting", "delivered"])
    assert house.attempts("outcome, detail") == [
        ("retry", "to anna: no sink can be made for this owner: OSError"),
        ("unavailable", "to bob: no library"),
        ("delivered", "to carol"),
    ]


async def test_ten_thousand_owners_need_no_more_sinks_and_states_than_are_of_use(build: Build) -> None:
    sink = Owned()
    owners = [f"o{n}" for n in range(10_000)]
    house = await house_of(build, sink, owners)
    for start in range(0, 300, 50):
        await house.put(*(one for n in range(start, start + 50) for one in of(f"o{n}", n)))
        await house.calm()
    await eventually(lambda: house.rows() == ["delivered"] * 300)
    owned = deliverer(house)
    assert len(owned.targets) <= OPEN_TARGETS_MAX
    await eventually(lambda: sum(one.closed for one in sink.targets) >= 300 - OPEN_TARGETS_MAX)
    owned.states.drop_idle(house.clock.monotonic())
    assert len(owned.states) == 0
    assert owner_deliverer.SWEEP_SECONDS <= 60
    assert len(directory(owners)) == 10_000


async def test_his_secrets_are_masked_while_something_is_sent_to_him_and_learnt_for_him_alone(build: Build) -> None:
    seen: list[str] = []

    async def script(delivery: Delivery) -> str | None:
        learn_secret("canary-of-anna-alone")
        seen.append(redact("it was canary-of-anna-alone"))
        raise Refused("he said canary-of-anna-alone")

    sink = Owned(anna=script)
    house = await house_of(build, sink, ["anna"])
    await house.put(*of("anna", 1))
    await eventually(lambda: house.rows() == ["dead"])
    assert seen == ["it was ********"]
    assert house.attempts("detail") == ["to anna: he said ********"]
    assert redact("canary-of-anna-alone") == "canary-of-anna-alone"


async def test_a_sink_that_cannot_be_opened_itself_keeps_no_owner_waiting(build: Build) -> None:
    """It is made of the first owner's row, whose target may be the one that is broken."""
    sink = Owned()
    tried = 0

    async def failing() -> None:
        nonlocal tried
        tried += 1
        if tried < 3:
            raise Unavailable("the first one's certificate is gone")

    sink.open = failing  # type: ignore[method-assign]
    house = await house_of(build, sink, ["anna"], fallback=True)
    await house.put(*of("anna", 1), *of("nobody", 2))
    await eventually(lambda: house.rows()[0] == "delivered")
    assert house.value("circuit_open", sink="app") == 0
    assert house.attempts("detail", "outcome <> 'delivered'") == ["the first one's certificate is gone"]
    await house.later(60, step=1)
    await eventually(lambda: house.rows() == ["delivered"] * 2)
    assert sink.to("its own") == [of("nobody", 2)[0].id]
