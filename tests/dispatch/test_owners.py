"""Owners: each event goes to its owner's target, and what is wrong with one of them is nobody else's trouble."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.errors import Refused, Retry, Unavailable
from gateway.model import Delivery
from tests.patience import eventually

from .conftest import Build, raising
from .owned import Owned, deliverer, hanging, house_of, of, owned_policy


def down() -> Retry:
    return Retry("HTTP 500", status=500, service=True)


async def test_each_event_goes_to_its_owner_and_says_to_whom(build: Build) -> None:
    sink = Owned()
    house = await house_of(build, sink, ["anna", "bob"])
    await house.put(*of("anna", 1, 2), *of("bob", 3))
    await eventually(lambda: house.rows() == ["delivered"] * 3)
    assert sorted(target for target, _ in sink.sent) == ["anna", "anna", "bob"]
    assert {target.target: [one.owner for one in target.seen] for target in sink.targets} == {
        "anna": ["anna", "anna"],
        "bob": ["bob"],
    }
    assert house.attempts("detail") == ["to anna", "to anna", "to bob"]


async def test_who_is_missing_is_dead_at_once_with_a_reason_and_alive_once_the_table_is_mended(build: Build) -> None:
    sink = Owned()
    house = await house_of(build, sink, ["anna"])
    await house.put(*of("bob", 1), *of(None, 2), *of("anna", 3))
    await eventually(
        lambda: house.rows("state, reason, attempts") == [("dead", "no_owner", 1)] * 2 + [("delivered", None, 1)]
    )
    assert house.attempts("detail")[:2] == [
        "no owner: 'bob' is not in owners.csv",
        "no owner: the key cannot be computed (no such field: stream)",
    ]
    assert house.value("dead_total", sink="app", reason="no_owner") == 2
    house.dispatcher.lanes["app"].see_owners(owned_policy(["anna", "bob"]).owners)
    house.write("UPDATE deliveries SET state = 'waiting', reason = NULL, round = 1, attempts = 0 WHERE id = 1")
    await house.later(2)
    await eventually(lambda: house.rows()[0] == "delivered")
    assert sink.to("bob") == [of("bob", 1)[0].id]


async def test_who_is_missing_goes_to_the_sinks_own_target_where_that_is_wanted(build: Build) -> None:
    sink = Owned()
    house = await house_of(build, sink, ["anna"], fallback=True)
    await house.put(*of("bob", 1), *of(None, 2), *of("anna", 3))
    await eventually(lambda: house.rows() == ["delivered"] * 3)
    assert sorted(target for target, _ in sink.sent) == ["anna", "its own", "its own"]


async def test_an_owner_that_hangs_holds_a_slot_or_two_and_nobody_up(build: Build) -> None:
    sink = Owned(bad=hanging)
    owners = ["bad", *(f"o{n}" for n in range(20))]
    house = await house_of(build, sink, owners, concurrency=4, timeout="15s")
    await house.put(*of("bad", *range(100, 140)))
    for number, owner in enumerate(owners[1:]):
        await house.put(*of(owner, number))
    await house.later(3, step=0.5)  # it needs no more than that the slots come free, and none of the fifteen seconds
    assert sorted(target for target, _ in sink.sent if target != "bad") == sorted(owners[1:])
    assert sink.most["bad"] == 2
    assert house.value("circuit_open", sink="app") == 0


async def test_a_paused_owners_rows_are_claimed_once_and_then_wait_behind_one(build: Build) -> None:
    sink = Owned(bad=raising(lambda: Unavailable("revoked")))
    house = await house_of(build, sink, ["bad", "good"])
    await house.put(*of("bad", *range(1, 81)), reserve=False)
    await house.later(4, step=0.5)
    assert deliverer(house).states.paused == ["bad"]
    tokens = house.rows("token")
    assert house.rows("count(*)", "rank = 2")[0] >= 76
    await house.later(600, step=20)
    assert sum(later - before for before, later in zip(tokens, house.rows("token"), strict=True)) <= 40
    assert max(house.rows("token", "rank = 2")) <= 2, "each was claimed once, and waits now where no claim reads it"
    await house.put(*of("good", 200))
    await eventually(lambda: len(sink.to("good")) == 1)
    assert house.value("owners_paused", sink="app") == 1
    assert house.value("circuit_open", sink="app") == 0
    sink.scripts.clear()
    await house.later(330, step=5)
    await eventually(lambda: house.rows() == ["delivered"] * 81)
    assert len(set(sink.to("bad"))) == 80
    assert house.value("owners_paused", sink="app") == 0
    assert house.rows("DISTINCT attempts") == [1], "no attempt was burnt by what was the target's fault"


async def test_one_poisoned_event_holds_up_no_other_of_its_owner(build: Build) -> None:
    async def script(delivery: Delivery) -> str | None:
        if delivery.event.id == of("anna", 1)[0].id:
            raise down()
        return None

    sink = Owned(anna=script)
    house = await house_of(build, sink, ["anna"], at_once=1)
    await house.put(*of("anna", *range(1, 12)), reserve=False)
    await house.later(20, step=0.5)
    assert house.rows() == ["waiting", *["delivered"] * 10]


async def test_a_poisoned_head_leaves_its_queue(build: Build) -> None:
    """Whoever waits behind others and then fails, while its owner is well, goes on by itself."""
    bad: set[str] = set()

    async def script(delivery: Delivery) -> str | None:
        if delivery.event.id in bad:
            raise down()
        return None

    sink = Owned(anna=raising(lambda: Unavailable("revoked")))
    house = await house_of(build, sink, ["anna"])
    await house.put(*of("anna", *range(1, 6)), reserve=False)
    await house.later(3, step=0.5)
    (head,) = house.rows("event", "rank <> 2 AND order_key IS NOT NULL")
    bad.add(house.events()[head - 1])
    sink.scripts["anna"] = script
    deliverer(house).states.forgive(lambda _: False)  # as when the table names another target
    await house.later(60, step=1)
    assert sorted(house.rows()) == [*["delivered"] * 4, "waiting"]
    assert house.rows("order_key", "state = 'waiting'") == [None]


async def test_three_failures_pause_an_owner_and_success_ends_it(build: Build) -> None:
    sink = Owned(anna=raising(down))
    house = await house_of(build, sink, ["anna"])
    await house.put(*of("anna", 1))
    await house.calm()
    await house.put(*of("anna", 2))
    await house.calm()
    assert deliverer(house).states.paused == []
    await house.put(*of("anna", 3))
    await eventually(lambda: deliverer(house).states.paused)
    assert len(sink.sent) == 3
    sink.scripts.clear()
    await house.later(60, step=1)
    await eventually(lambda: house.rows() == ["delivered"] * 3)
    assert deliverer(house).states.paused == []


async def test_only_many_owners_in_a_row_are_the_sink(build: Build) -> None:
    owners = [f"o{n}" for n in range(12)]
    sink = Owned(**{owner: raising(lambda: Unavailable("gone")) for owner in owners})
    house = await house_of(build, sink, owners)
    for number, owner in enumerate(owners[:9]):
        await house.put(*of(owner, number))
    await house.calm()
    assert house.value("circuit_open", sink="app") == 0
    sink.scripts["o11"] = raising(lambda: Refused("no"))  # somebody answers
    await house.put(*of("o11", 50))
    await house.calm()
    for number, owner in enumerate(owners[9:11]):
        await house.put(*of(owner, 60 + number))
    await house.later(2)
    assert house.value("circuit_open", sink="app") == 0
    house.dispatcher.lanes["app"].owners.states.forgive(lambda _: False)  # type: ignore[union-attr]
    for number, owner in enumerate(owners[:11]):
        await house.put(*of(owner, 100 + number))
    await eventually(lambda: house.value("circuit_open", sink="app") == 1)
    assert house.gate()[3] == "gone"
    sink.scripts.clear()
    await house.later(700, step=5)
    await eventually(lambda: set(house.rows()) == {"delivered", "dead"})


async def test_a_rate_is_each_owners_own(build: Build) -> None:
    sink = Owned()
    house = await house_of(build, sink, ["anna", "bob"], rate="2/10s")
    await house.put(*of("anna", 1, 2, 3, 4, 5), *of("bob", 6))
    await house.calm()
    assert (len(sink.to("anna")), len(sink.to("bob"))) == (2, 1)
    await house.later(8, step=0.5)
    assert len(sink.to("anna")) == 2
    await house.later(4, step=0.5)
    assert len(sink.to("anna")) == 4
    await house.later(12, step=0.5)
    await eventually(lambda: house.rows() == ["delivered"] * 6)


async def test_order_of_a_stream_is_kept_whatever_its_owner_does(build: Build) -> None:
    failing = True

    async def script(delivery: Delivery) -> str | None:
        if failing:
            raise Unavailable("revoked", timedelta(seconds=1))
        return None

    sink = Owned(anna=script)
    house = await build(sink, app=owned_policy(["anna"], order="stream"))
    for number in range(1, 9):
        await house.put(*of("anna", number), reserve=False)
    await house.later(30, step=1)
    assert house.rows("count(*)", "rank = 2") == [7]
    failing = False
    sink.sent.clear()
    await house.later(330, step=5)
    await eventually(lambda: house.rows() == ["delivered"] * 8)
    assert sink.to("anna") == [of("anna", number)[0].id for number in range(1, 9)]


@pytest.mark.parametrize("owner", ["=1+1", "a\tb", "名字", "x" * 256, 'o\'brien "q"', "a/b?c#d"])
async def test_any_owner_that_a_table_can_have_can_be_sent_to(build: Build, owner: str) -> None:
    sink = Owned(**{owner: raising(lambda: Unavailable("x"))})
    house = await house_of(build, sink, [owner])
    await house.put(*of(owner, 1, 2, 3), reserve=False)
    await house.later(3, step=0.5)
    sink.scripts.clear()
    await house.later(60, step=2)
    await eventually(lambda: house.rows() == ["delivered"] * 3)


async def test_the_sinks_own_target_takes_more_at_once_than_an_owner_and_leaves_them_half(build: Build) -> None:
    sink = Owned(**{"its own": hanging})
    house = await house_of(build, sink, ["anna"], fallback=True, concurrency=8)
    await house.put(*(one for number in range(20) for one in of(f"s{number}", number)))
    await house.later(2, step=0.5)
    assert sink.most["its own"] == 4
    await house.put(*of("anna", 100))
    await eventually(lambda: len(sink.to("anna")) == 1)
