"""A delivery that kills the process is found out, is dead in the end, and nothing else is."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from gateway.dispatch import isolation
from gateway.dispatch.isolation import Isolation
from gateway.dispatch.retry import LONE_LOSSES_MAX
from gateway.events.cloudevents import fingerprint, to_json
from gateway.model import Delivery
from gateway.runtime.clock import FrozenClock
from gateway.store.outbox import losses
from gateway.store.outbox.losses import SILENT_MS
from gateway.store.records import NewDelivery, NewEvent
from gateway.store.store import Store
from tests.patience import PATIENCE_S, eventually
from tests.running import KEY, Player, Running

from .conftest import Build, Scripted, event, forever

PLUGIN = '''
import asyncio, os
from gateway import Sink

class Deadly(Sink):
    """Ends the process on the stream `deadly`; takes its time for all others."""
    type = "deadly"
    async def deliver(self, delivery) -> None:
        if delivery.event.stream == "deadly":
            await asyncio.sleep(0.05)
            os.abort()
        await asyncio.sleep(0.2)
'''
CONFIG = f"""
plugins: [./deadly.py]
sources:
  live: {{type: huawei-live, keys: ['{KEY}'], domains: [push.example.com], apps: [live]}}
sinks:
  a: {{type: deadly, delivery: {{retry: {{initial: 50ms, max: 200ms}}}}}}
  b: {{type: deadly, delivery: {{retry: {{initial: 50ms, max: 200ms}}}}}}
routes:
  - {{name: deadly, match: {{stream: deadly}}, to: [a]}}
  - {{name: others, match: {{stream: "ok-*"}}, to: [a, b]}}
"""


def _states(running: Running) -> dict[str, list[tuple[str, str | None]]]:
    with closing(sqlite3.connect(f"file:{running.folder}/gateway.db?mode=ro", uri=True)) as connection:
        found: dict[str, list[tuple[str, str | None]]] = {}
        for stream, state, reason in connection.execute(
            """SELECT json_extract(e.body, '$.data.stream'), d.state, d.reason FROM deliveries d
               JOIN events e ON e.seq = d.event"""
        ):
            found.setdefault(stream, []).append((state, reason))
    return found


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_delivery_that_aborts_the_process_is_dead_after_five_losses_alone_and_all_others_arrive(
    tmp_path: Path,
) -> None:
    (tmp_path / "deadly.py").write_text(PLUGIN)
    running = Running(tmp_path, CONFIG)
    player, deaths, posted = Player(), 0, 0
    until = time.monotonic() + 120
    try:
        running.start()
        assert running.post(player.body(fields={"stream": "deadly"}))[0] == 200
        while time.monotonic() < until:
            process = running.process
            assert process is not None
            if (code := process.poll()) is not None:
                assert code < 0
                deaths += 1
                running.start(ready=False)
                continue
            if posted < 40:
                try:
                    status, _ = running.post(player.body(fields={"stream": f"ok-{posted % 5}"}))
                    posted += status == 200
                except OSError:
                    pass
            states = _states(running)
            if states.get("deadly") == [("dead", "crashed")] and posted == 40:
                break
            time.sleep(0.02)
        running.wait_ready()
        while time.monotonic() < until:
            rest = [one for stream, rows in _states(running).items() if stream != "deadly" for one in rows]
            if {state for state, _ in rest} == {"delivered"}:
                break
            time.sleep(0.1)
        assert _states(running)["deadly"] == [("dead", "crashed")]
        assert {state for state, _ in rest} == {"delivered"}
        assert (
            deaths <= 1 + LONE_LOSSES_MAX + 1
        )  # the first finds it in company; one more where a loss was in company again
        assert running.stop() == 0
    finally:
        if running.process is not None:
            running.kill()


# -- the rules, on the store and in the lanes


def _new(number: int, lease: int | None = None) -> NewEvent:
    one = event(number)
    return NewEvent(
        event=one,
        body=to_json(one),
        fingerprint=fingerprint(one),
        routing="[]",
        deliveries=(NewDelivery(sink="app", lease=lease),),
    )


async def _opened(url: str, clock: FrozenClock, owner: str) -> Store:
    store = Store(url, clock=clock, owner=owner)
    await store.open(lock_wait=5.0)
    return store


async def test_on_a_shared_database_only_the_lease_of_a_dead_gateway_is_a_loss(postgres_url: str) -> None:
    clock = FrozenClock()
    dead, slow, other = [await _opened(postgres_url, clock, owner) for owner in ("dead", "slow", "other")]
    await dead.accept([_new(1, 30_000)])
    await slow.accept([_new(2, 30_000)])
    await dead._writer.close()  # no sign of life any more, as after kill -9
    clock.advance(SILENT_MS / 1000 + 15)
    slow._beat_at = 0.0
    await eventually(lambda: slow._beat_at > 0)  # its store's own thread says that it lives, whatever the loop does
    await slow.ping()
    leases = {lease.event.id: lease for lease in await other.claim("app", 10, 30_000)}
    assert (leases[event(1).id].losses, leases[event(1).id].lost) == (1, True)
    assert (leases[event(2).id].losses, leases[event(2).id].lost) == (0, True)
    await slow.close()
    await other.close()


async def test_what_a_dead_process_had_in_flight_waits_like_a_failed_try_and_then_arrives(build: Build) -> None:
    house = await build(Scripted("app", forever), delivery={"concurrency": 2})
    await house.put(*(event(number) for number in range(3)))
    await house.calm()
    await house.drop()
    sink = Scripted("app")
    again = await build(sink, owner="next", delivery={"retry": {"initial": "1h", "max": "1h"}})
    await eventually(lambda: again.rows("state, losses, attempts") == [("waiting", 1, 1)] * 3)
    assert sink.seen == []
    for _ in range(100):
        await again.later(60, step=20)
        if set(again.rows()) == {"delivered"}:
            break
    assert again.rows("state, losses, alone") == [("delivered", 0, 0)] * 3
    assert [delivery.attempt for delivery in sink.seen] == [2] * 3


async def test_it_goes_alone_and_others_wait_for_it(build: Build) -> None:
    house = await build(Scripted("app", forever))
    await house.put(event(1))
    await house.calm()
    await house.drop()
    suspect, company = event(1).id, []
    begun, gate, under_way = asyncio.Event(), asyncio.Event(), set()

    async def script(delivery: Delivery) -> None:
        under_way.add(delivery.event.id)
        if delivery.event.id == suspect:
            company.extend(under_way)
            begun.set()
            await gate.wait()
            company.extend(under_way)
        under_way.discard(delivery.event.id)

    sink, other = Scripted("app", script), Scripted("other", script)
    again = await build(sink, other, owner="next", delivery={"retry": {"initial": "1s", "max": "1s"}})
    await again.later(3, step=0.5)
    await asyncio.wait_for(begun.wait(), PATIENCE_S)
    assert again.rows("alone") == [1]
    await again.put(event(2), event(3))
    await again.calm()
    assert set(company) == {suspect}
    assert not other.seen
    gate.set()
    await eventually(lambda: set(again.rows()) == {"delivered"})
    assert set(company) == {suspect}
    assert len(other.seen) == 2


async def test_everything_else_waits_a_few_seconds_at_most_for_one_that_hangs(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "LONE_SECONDS", 0.05)
    house = await build(Scripted("app", forever))
    await house.put(event(1))
    await house.calm()
    await house.drop()
    other = Scripted("other")
    again = await build(
        Scripted("app", forever), other, owner="next", delivery={"retry": {"initial": "1s", "max": "1s"}}
    )
    await again.later(3, step=0.5)
    await eventually(lambda: again.rows("state", "losses = 1") == ["sending"])
    await again.put(event(2), to=["other"])
    await eventually(lambda: other.seen)
    assert again.rows("alone", "losses = 1") == [0]  # it is in company now: what is lost from here on tells nothing


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "in company"])
async def test_only_losses_while_it_was_alone_make_it_dead(build: Build, alone: bool) -> None:
    options = {"delivery": {"retry": {"initial": "1s", "max": "1s"}}}
    house = await build(Scripted("app", forever), **options)
    await house.put(event(1))
    await house.calm()
    for number in range(LONE_LOSSES_MAX + 1):
        await house.drop()
        if not alone:
            house.write("UPDATE deliveries SET alone = 0")
        house = await build(Scripted("app", forever), owner=f"next {number}", **options)
        for _ in range(30):
            await house.later(1)
            if house.rows() == ["sending"] or house.rows() == ["dead"]:
                break
        await house.calm()
    if alone:
        assert house.rows("state, reason, lone_losses") == [("dead", "crashed", LONE_LOSSES_MAX)]
        assert "died 5 times while this alone was in flight" in house.rows("last_error")[0]
    else:
        assert house.rows("state, lone_losses, losses") == [("sending", 0, LONE_LOSSES_MAX + 1)]


async def test_an_orderly_stop_is_no_loss_even_where_it_is_cut_short(build: Build) -> None:
    house = await build(Scripted("app", forever))
    await house.put(event(1))
    await house.calm()
    closing = asyncio.create_task(house.dispatcher.close(60))
    await house.calm()
    closing.cancel()
    await house.drop()  # killed in the middle of it
    again = await build(Scripted("app"), owner="next")
    await eventually(lambda: again.rows() == ["delivered"])
    assert again.rows("losses, lone_losses") == [(0, 0)]


async def test_what_kept_something_since_its_last_loss_begins_to_count_anew(build: Build) -> None:
    house = await build(Scripted("app", forever))
    await house.put(event(1))
    await house.calm()
    house.write("UPDATE deliveries SET losses = 3, lone_losses = 4")
    await house.store._writer.enqueue(lambda session: losses.progressed(session, 1))
    assert house.rows("losses, lone_losses") == [(0, 0)]


async def test_one_that_hangs_elsewhere_does_not_keep_it_from_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "EMPTY_SECONDS", 0.01)
    made, marks = Isolation(), []

    async def mark(alone: bool) -> bool:
        marks.append(alone)
        return True

    made.join_flight()
    async with made.alone(mark):
        assert made.taken
        async with asyncio.timeout(PATIENCE_S):
            await made.wait()
    made.leave_flight()
    assert marks == [False]
    async with made.alone(mark) as begun:
        assert begun
    assert marks == [False, True]
    assert not made.taken
