"""What counts up is seen to count down: slots, tokens and the right to probe come back wherever something fails."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.dispatch import deliverer
from gateway.dispatch.breaker import Breaker
from gateway.dispatch.claimer import Claimer
from gateway.dispatch.delivered_at_once import DeliveredAtOnce
from gateway.dispatch.leased_delivery import Dispatch
from gateway.dispatch.prober import Prober
from gateway.dispatch.rate_limit import Pace
from gateway.dispatch.reporter import AttemptReporter
from gateway.dispatch.settler import Settler
from gateway.dispatch.slots import Slots
from gateway.errors import Retry, StoreError, StoreUnavailable
from gateway.model import Delivery
from gateway.store.store import Store
from tests.patience import eventually

from .conftest import Build, House, Scripted, event, forever, raising

# every call between taking a slot and giving it back, in the order of a delivery's way
PLANTED: list[tuple[Any, str]] = [
    (Slots, "may_not_start"),
    (deliverer.Deliverer, "_fits"),
    (deliverer.Deliverer, "_elapsed"),
    (Pace, "spend"),
    (deliverer, "deliveries_of"),
    (deliverer, "carry"),
    (DeliveredAtOnce, "record"),
    (AttemptReporter, "report_delivered"),
    (Settler, "settle_all"),
    (Slots, "all_ended"),
    (deliverer.Deliverer, "_record"),
    (deliverer, "decide"),
    (deliverer, "attempt_record"),
    (AttemptReporter, "report"),
    (deliverer.Deliverer, "_write"),
    (Settler, "settle"),
    (deliverer.Deliverer, "report_to_breaker"),
    (Breaker, "note"),
    (Claimer, "expect"),
    (Claimer, "ring"),
    (Store, "settle"),
]


class Once:
    """Raises in the first call of a function, and lets the others be."""

    def __init__(self, real: Callable[..., Any], error: Exception) -> None:
        self.real, self.error, self.raised = real, error, False

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return lambda *args, **kw: self(instance, *args, **kw)

    def __call__(self, *args: Any, **kw: Any) -> Any:
        if not self.raised:
            self.raised = True
            raise self.error
        return self.real(*args, **kw)


def _plant(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, error: Exception | None = None) -> Once:
    once = Once(getattr(owner, name), error or RuntimeError("planted"))
    monkeypatch.setattr(owner, name, once)
    return once


async def _idle(house: House) -> None:
    """Nothing is held any more, not in the lane, its pace, its workers or the settler."""
    lane = house.dispatcher.lanes["app"]
    await eventually(
        lambda: lane.occupied == 0 and lane.workers.dispatches == 0 and house.dispatcher._settler.pending == 0
    )
    assert lane.slots.leased == {}
    assert lane.prober.mark is None
    if lane.slots.pace is not None:
        assert lane.slots.pace._taken == 0


@pytest.mark.wide
@pytest.mark.parametrize("rate", [None, "1000/s"], ids=["no rate", "with a rate"])
@pytest.mark.parametrize(("owner", "name"), PLANTED, ids=lambda one: getattr(one, "__name__", str(one)))
async def test_a_mistake_at_any_call_costs_one_attempt_and_no_slot(
    build: Build, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, rate: str | None
) -> None:
    if (owner, name) == (Pace, "spend") and rate is None:
        pytest.skip("there is no token to spend")
    failed_once: set[str] = set()

    async def script(delivery: Delivery) -> None:
        if delivery.event.id == event(2).id and not failed_once:  # because some are called only of what is due again
            failed_once.add(delivery.event.id)
            raise Retry("once")

    more = {"rate": rate} if rate else {}
    waits = {"concurrency": 1, "timeout": "5s", "retry": {"initial": "1s", "max": "1s"}}
    house = await build(Scripted("app", script), delivery={**waits, **more})
    once = _plant(monkeypatch, owner, name)
    await house.put(event(1))
    await _delivered(house, 1)
    await house.put(event(2), event(3))
    await _delivered(house, 3)
    assert once.raised
    await _idle(house)


@pytest.mark.parametrize("name", ["_fit", "_never_ends"])
async def test_a_mistake_with_what_was_lost_before_costs_one_attempt_and_no_slot(
    build: Build, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    house = await build(Scripted("app", forever))
    await house.put(event(1))
    await house.calm()
    await house.drop()
    house.write("UPDATE deliveries SET owner = NULL")  # its lease ended, and no process died with it
    once = _plant(monkeypatch, deliverer.Deliverer, name)
    again = await build(Scripted("app"), owner="next", delivery={"concurrency": 1, "timeout": "5s"})
    await _delivered(again, 1)
    assert once.raised
    await _idle(again)


async def _delivered(house: House, count: int) -> None:
    """Two minutes of the gateway's time are enough for every delivery, whatever was planted."""
    for _ in range(60):
        await house.later(2)
        if house.rows() == ["delivered"] * count:
            break
    assert house.rows() == ["delivered"] * count


@pytest.mark.parametrize("rate", [None, "3/s"], ids=["no rate", "with a rate"])
@pytest.mark.parametrize("error", [StoreUnavailable("gone"), StoreError("no"), RuntimeError("a bug")], ids=repr)
async def test_a_claim_that_fails_holds_nothing(
    build: Build, monkeypatch: pytest.MonkeyPatch, error: Exception, rate: str | None
) -> None:
    house = await build(Scripted("app"), delivery={"concurrency": 1, **({"rate": rate} if rate else {})})
    once = _plant(monkeypatch, Store, "claim", error)
    await house.fill(3)
    house.dispatcher.wake("app")
    await eventually(lambda: once.raised)
    for _ in range(20):
        await house.later(2)
    assert house.rows() == ["delivered"] * 3
    await _idle(house)


@pytest.mark.parametrize(
    ("owner", "name"), [(Prober, "ended"), (Store, "probed"), (DeliveredAtOnce, "record"), (Breaker, "probed")]
)
async def test_a_mistake_while_probing_leaves_the_right_to_probe(
    build: Build, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    down = True

    async def script(delivery: Any) -> None:
        if down:
            raise Retry("down", service=True)

    house = await build(Scripted("app", script), delivery={"retry": {"initial": "1ms", "max": "1s"}, "timeout": "5s"})
    await house.put(*(event(number) for number in range(12)))
    lane = house.dispatcher.lanes["app"]
    for _ in range(40):
        await house.later(2)
        if lane.breaker.open:
            break
    assert lane.breaker.open
    once = _plant(monkeypatch, owner, name)
    down = False
    for _ in range(100):
        await house.later(5)
        if set(house.rows()) == {"delivered"} and once.raised:  # some are called only after the outcome is written
            break
    assert once.raised
    assert set(house.rows()) == {"delivered"}
    await _idle(house)


async def test_reservations_that_were_not_used_come_back_with_their_tokens(build: Build) -> None:
    house = await build(Scripted("app"), delivery={"concurrency": 2, "rate": "100/s"})
    lane = house.dispatcher.lanes["app"]
    for _ in range(50):
        taken = list(itertools.takewhile(lambda lease: lease is not None, (lane.reserve() for _ in range(10))))
        assert len(taken) == lane.slots.limit
        for _ in taken:
            lane.unreserve()
    assert lane.occupied == 0
    assert lane.slots.pace is not None
    assert lane.slots.pace._taken == 0


async def test_what_is_in_hand_already_gives_the_token_of_its_second_dispatch_back(build: Build) -> None:
    gate = asyncio.Event()

    async def waits(delivery: Delivery) -> None:
        await gate.wait()

    house = await build(Scripted("app", waits), delivery={"concurrency": 2, "rate": "100/s"})
    slots = house.dispatcher.lanes["app"].slots
    assert slots.pace is not None
    await house.put(event(1))
    await eventually(lambda: slots.leased)
    before = slots.pace._taken
    for member in list(slots.leased.values()):
        slots.pace.set_aside()
        slots.occupy(Dispatch([member], paced=True))
    assert slots.pace._taken == before
    gate.set()
    await eventually(lambda: not slots.leased)


async def test_what_was_given_back_unsent_gives_its_token_back(build: Build) -> None:
    house = await build(Scripted("app"), delivery={"concurrency": 2, "rate": "5/s"})
    lane = house.dispatcher.lanes["app"]
    await house.put(event(1))
    lane.slots.stopping = True  # between its being handed over and its turn
    await house.calm()
    lane.slots.stopping = False
    for number in range(2, 30):
        await house.put(event(number))
        await house.later(0.5)
    for _ in range(30):
        await house.later(1)
    assert set(house.rows()) == {"delivered"}
    await _idle(house)


async def test_a_sink_that_fails_in_every_way_holds_nothing_in_the_end(build: Build) -> None:
    errors: list[BaseException] = [
        Retry("x"),
        Retry("x", service=True),
        RuntimeError("x"),
        SystemExit(1),
        KeyboardInterrupt(),
    ]
    sink = Scripted("app")
    house = await build(sink, delivery={"concurrency": 1})
    for number, error in enumerate(errors):
        sink.script = raising(error)
        await house.put(event(number))
        await _idle(house)


async def test_claims_that_fail_are_told_once_and_tried_once_a_second_however_many_callbacks_come(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await build(Scripted("app"))
    claims, real, away = 0, Store.claim, True

    def claim(self: Store, *args: Any, **kw: Any) -> Any:
        nonlocal claims
        claims += 1
        if away:
            raise StoreUnavailable("gone")
        return real(self, *args, **kw)

    monkeypatch.setattr(Store, "claim", claim)
    with capture_logs() as logs:
        await house.fill(1)
        for _ in range(100):
            house.dispatcher.wake("app")
            await house.calm()
        assert claims == 1
        for _ in range(10):
            await house.later(1)
        assert claims <= 12
        away = False
        for _ in range(10):
            await house.later(1)
    assert house.rows() == ["delivered"]
    assert [line["event"] for line in logs if "claim" in line["event"]] == ["claim_failed", "claims_again"]
