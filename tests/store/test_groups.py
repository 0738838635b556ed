"""Batches by group, in the database of waiting rows: never two groups at once, the one that has waited longest first."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.model import RECORDING_FAILED
from gateway.runtime.clock import FrozenClock
from gateway.store.outbox.groups import group_key
from gateway.store.records import GroupClaim
from gateway.store.store import Store
from tests.store.kit import LEASE, act, event, new, settlement, take

WINDOW = 30_000  # ms
BY = {"app": ("app", "stream")}


@pytest.fixture
def grouped(store: Store) -> Store:
    store.group_by(BY)
    return store


async def come(store: Store, number: int, stream: str, **changes: Any) -> None:
    await take(store, new(event(number, stream=stream, **changes), "app"))


async def claim(store: Store, most: int = 20, **options: Any) -> GroupClaim:
    return await store.claim_group("app", most, LEASE, WINDOW, **options)


def streams(claimed: GroupClaim) -> list[str]:
    return [str(lease.event.stream) for lease in claimed.leases]


def later(clock: FrozenClock, seconds: float) -> None:
    clock.advance(seconds)


async def test_each_group_has_a_window_of_its_own_and_a_batch_is_of_one(grouped: Store, clock: FrozenClock) -> None:
    await come(grouped, 1, "a")
    later(clock, 10)
    await come(grouped, 2, "b")
    await come(grouped, 3, "a")
    early = await claim(grouped)
    assert early.leases == ()
    assert early.again_at == clock.ms() + 20_000, "when the window of the first one ends"
    later(clock, 20)
    first = await claim(grouped)
    assert streams(first) == ["a", "a"]
    assert first.again_at == clock.ms(), "there may be another"
    waiting = await claim(grouped)
    assert waiting.leases == ()
    assert waiting.again_at == clock.ms() + 10_000
    later(clock, 10)
    assert streams(await claim(grouped)) == ["b"]


async def test_a_large_group_goes_in_parts_and_keeps_no_other_back(grouped: Store, clock: FrozenClock) -> None:
    for number in range(5):
        await come(grouped, number, "large")
    later(clock, 1)
    await come(grouped, 9, "small")
    later(clock, 40)
    assert [streams(await claim(grouped, 2)) for _ in range(4)] == [["large"] * 2, ["large"] * 2, ["large"], ["small"]]


async def test_a_stream_of_fresh_rows_starves_no_group(grouped: Store, clock: FrozenClock) -> None:
    await come(grouped, 0, "quiet")
    served = []
    for number in range(1, 60):
        await come(grouped, number, "busy")
        later(clock, 1)
        claimed = await claim(grouped)
        served += streams(claimed)
        await grouped.settle([settlement(lease) for lease in claimed.leases])
    assert served[0] == "quiet"
    assert served.count("busy") >= 25


async def test_a_flood_of_what_goes_alone_starves_no_group(grouped: Store, clock: FrozenClock) -> None:
    await come(grouped, 0, "quiet")
    later(clock, 30)
    served: list[str | None] = []
    for number in range(1, 5):
        await come(grouped, 2 * number, "failing", type=RECORDING_FAILED)
        await come(grouped, 2 * number + 1, "failing", type=RECORDING_FAILED)
        served += streams(await claim(grouped))
    assert "quiet" in served[:3]
    assert "failing" in served[:2]


async def test_a_burst_of_retries_does_not_keep_what_is_fresh_back(grouped: Store, clock: FrozenClock) -> None:
    for number in range(6):
        await come(grouped, number, f"old{number}")
    later(clock, 31)
    leases = [lease for _ in range(6) for lease in (await claim(grouped)).leases]
    await grouped.settle([settlement(lease, "waiting", delay=0) for lease in leases])
    await come(grouped, 100, "fresh")
    later(clock, 31)
    first_two = [*streams(await claim(grouped)), *streams(await claim(grouped))]
    assert "fresh" in first_two


async def test_a_retry_goes_with_its_group_and_with_no_other(grouped: Store, clock: FrozenClock) -> None:
    await come(grouped, 1, "a")
    later(clock, 30)
    (lease,) = (await claim(grouped)).leases
    await grouped.settle([settlement(lease, "waiting", delay=5_000)])
    await come(grouped, 2, "b")
    await come(grouped, 3, "a")
    early = await claim(grouped)
    assert early.again_at == clock.ms() + 5_000
    later(clock, 5)
    assert streams(await claim(grouped)) == ["a", "a"]
    assert (await claim(grouped)).leases == ()


async def test_a_failed_recording_goes_at_once_and_by_itself(grouped: Store, clock: FrozenClock) -> None:
    await come(grouped, 1, "a")
    await come(grouped, 2, "a", type=RECORDING_FAILED)
    await come(grouped, 3, "b", type=RECORDING_FAILED)
    for stream in ("a", "b"):
        claimed = await claim(grouped)
        assert claimed.alone
        assert streams(claimed) == [stream]
        assert [lease.event.type for lease in claimed.leases] == [RECORDING_FAILED]
    assert (await claim(grouped)).leases == ()


async def test_what_waited_before_it_was_grouped_goes_alone_and_is_not_lost(store: Store, clock: FrozenClock) -> None:
    await come(store, 1, "a")
    await come(store, 2, "a")
    store.group_by(BY)
    await come(store, 3, "a")
    assert [streams(await claim(store)) for _ in range(3)] == [["a"], ["a"], []]
    later(clock, 30)
    assert streams(await claim(store)) == ["a"]


async def test_groups_by_other_fields_than_before_do_not_mix(grouped: Store, clock: FrozenClock) -> None:
    await come(grouped, 1, "a")
    grouped.group_by({"app": ("stream",)})
    await come(grouped, 2, "a")
    later(clock, 30)
    assert [len((await claim(grouped)).leases) for _ in range(3)] == [1, 1, 0]


async def test_an_ended_lease_comes_back_in_its_group(grouped: Store, clock: FrozenClock) -> None:
    await come(grouped, 1, "a")
    later(clock, 30)
    (lost,) = (await claim(grouped)).leases
    await come(grouped, 2, "b")
    later(clock, LEASE / 1000)
    claims = [await claim(grouped), await claim(grouped)]
    assert sorted(map(streams, claims)) == [["a"], ["b"]]
    assert lost.delivery in [lease.delivery for claimed in claims for lease in claimed.leases]


async def test_nothing_is_claimed_past_a_pause(grouped: Store, clock: FrozenClock, url: str) -> None:
    from tests.store.kit import pause, resume

    await come(grouped, 1, "a")
    later(clock, 30)
    pause(url, clock, "app")
    assert (await claim(grouped)).leases == ()
    resume(url, clock, "app")
    assert streams(await claim(grouped)) == ["a"]


async def test_a_sink_without_groups_has_no_keys(grouped: Store, url: str, clock: FrozenClock) -> None:
    await take(grouped, new(1, "app", "other"))
    rows = act(url, clock, "SELECT sink, group_key IS NULL FROM deliveries ORDER BY sink")
    assert [(sink, bool(none)) for sink, none in rows] == [("app", False), ("other", True)]


def test_a_key_is_of_the_values_not_of_their_order_and_never_of_two_groups() -> None:
    one = event(1, app="a", stream="b")
    assert group_key("app", ("app", "stream"), one) == group_key("app", ("stream", "app"), one)
    keys = {
        group_key("app", ("app", "stream"), one),
        group_key("app", ("app", "stream"), event(1, app="ab", stream="")),
        group_key("app", ("app", "stream"), event(1, app="a", stream=None)),
        group_key("app", ("app", "stream"), event(1, app="b", stream="a")),
        group_key("app", ("app",), one),
        group_key("app", ("stream",), one),
        group_key("other", ("stream",), one),
    }
    assert len(keys) == 7
