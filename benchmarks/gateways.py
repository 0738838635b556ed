"""`make bench GATEWAYS=1`: one, two and four gateways on one PostgreSQL: what each brings, and what the server pays for it.

Everything is by processor time, of the gateways and of the server apart, because gateways that share a core cannot show by
the clock what they would do on cores of their own. Capacity is what so many gateways would deliver with a core each: their
number times what a second of a gateway's processor delivers. Where there are cores, each gateway has one of its own. A
yardstick beside them says how fast the core was in each phase; seconds are counted as if it had been as fast in all. As
many gateways that have a database each ("apart") show what sharing the core costs: the rest is the price of the store.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import uvloop

from benchmarks import servers, wire
from benchmarks.arrivals import Arrivals, Entered
from benchmarks.callbacks import callbacks
from benchmarks.server_figures import LOOK_SECONDS, Figures, ServerWatch, together
from benchmarks.yardstick import Yardstick
from gateway.store.postgres.session import CHANNEL
from tests.postgres import Postgres, database_url

TEAMS = (
    (1, False),
    (2, False),
    (4, False),
    (2, True),
    (4, True),
)  # how many, and whether each has a database of its own
CONNECTIONS = 16  # to each gateway
REACH_SECONDS = 120.0
EVENTS_A_SECOND_MAX = 2000  # of one gateway; so many callbacks are made before the clock starts
WAITS_SHOWN = 5
HEADINGS = (
    *(
        ("gateways", 8),
        ("capacity", 8),
        ("× one", 6),
        ("least", 6),
        ("most", 6),
        ("ev/s CPU", 8),
        ("of server", 9),
        ("µs", 6),
    ),
    *(("server µs", 9), ("commits", 7), ("leases", 6), ("notices", 7), ("WAL B", 6), ("share", 6), ("by clock", 8)),
)
"""Capacity: events a second with a core each. Microseconds, commits, leases, notices and bytes of log are of an event;
share: of the gateway that delivered least."""
# Everything that was delivered is due again, as after an outage of the receiver; whoever listens hears of it.
_AGAIN = f"""UPDATE deliveries SET state = 'waiting', rank = 1, attempts = 0, due_at = 0;
  SELECT pg_notify('{CHANNEL}', 'benchmark app')"""

Work = Callable[["Team"], Coroutine[Any, Any, int]]


@dataclass(frozen=True, slots=True)
class Phase:
    """What some gateways did together for a while."""

    events: int  # that were delivered in it
    wall: float
    price: float  # seconds of processor time of one piece of the yardstick meanwhile
    cpu: float  # seconds of all the gateways, at that price
    commits: float
    least: float  # what the laziest gateway delivered, as a part of an equal share
    server: Figures

    @property
    def pieces(self) -> float:
        """What an event cost the gateways, in pieces of the yardstick."""
        return self.cpu / self.price / self.events


class Team:
    """The gateways of one database, and the receiver they deliver to."""

    def __init__(
        self,
        gateways: Sequence[servers.Server],
        watches: Sequence[ServerWatch],
        arrivals: Arrivals,
        yardstick: Yardstick,
    ) -> None:
        self.gateways, self.watches, self._arrivals, self._yardstick = gateways, watches, arrivals, yardstick

    async def measure(self, work: Work) -> Phase:
        """Let `work` begin so many deliveries, and count until all are written down."""
        before, cpu, counted = self._figures(), self._cpu(), await self._counted()
        pieces = self._yardstick.read()
        began, arrived = time.perf_counter(), len(self._arrivals.times)
        events = await work(self)
        await self._arrivals.reach(arrived + events, REACH_SECONDS)
        wall = time.perf_counter() - began
        await asyncio.to_thread(self._wait_for, before.delivered + events)
        cpu, after = self._cpu() - cpu, await self._counted()
        measured = self._yardstick.read()
        delivered = [float(new[0] - old[0]) for new, old in zip(after, counted, strict=True)]
        return Phase(
            events=events,
            wall=wall,
            price=(measured.cpu - pieces.cpu) / (measured.pieces - pieces.pieces),
            cpu=cpu,
            commits=sum(new[1] - old[1] for new, old in zip(after, counted, strict=True)),
            least=min(delivered) * len(delivered) / max(sum(delivered), 1),
            server=self._figures().since(before),
        )

    def _figures(self) -> Figures:
        return together([watch.figures() for watch in self.watches])

    def _wait_for(self, delivered: float) -> None:
        """Until so many outcomes are written down."""
        until = time.monotonic() + REACH_SECONDS
        while time.monotonic() < until and self._figures().delivered < delivered:
            time.sleep(LOOK_SECONDS)

    def _cpu(self) -> float:
        return sum(one.cpu() for one in self.gateways)

    async def _counted(self) -> list[tuple[float, float]]:
        """Attempts and commits of each gateway."""
        names = ("recording_gateway_deliveries_total", "recording_gateway_commit_batch_size_count")
        return [
            (await asyncio.to_thread(one.metric, names[0]), await asyncio.to_thread(one.metric, names[1]))
            for one in self.gateways
        ]


def loaded(requests: Iterator[bytes], seconds: float) -> Work:
    """Every connection of every gateway posts as soon as it was answered."""

    async def work(team: Team) -> int:
        calls = (wire.call(one.port, requests, connections=CONNECTIONS, seconds=seconds) for one in team.gateways)
        return sum(tally.good for tally in await asyncio.gather(*calls))

    return work


def paced(requests: Iterator[bytes], seconds: float, rate: float) -> Work:
    """Each gateway gets `rate` callbacks a second, whatever it does with them: none has to wait for a processor."""

    async def work(team: Team) -> int:
        calls = (
            wire.pace(one.port, requests, connections=CONNECTIONS, seconds=seconds, rate=rate) for one in team.gateways
        )
        return sum(tally.good for tally in await asyncio.gather(*calls))

    return work


async def backlog(team: Team) -> int:
    """All that was delivered is claimed and delivered once more."""
    counts = [watch.execute("SELECT count(*) FROM deliveries")[0][0] for watch in team.watches]
    await asyncio.gather(*(asyncio.to_thread(watch.execute, _AGAIN) for watch in team.watches))
    return int(sum(counts))


async def one_round(
    number: int, apart: bool, postgres: Postgres, folder: Path, seconds: float, rate: float, first: int
) -> dict[str, Phase]:
    """So many gateways on one database, or each on one of its own: under load, at a steady pace, and with a backlog."""
    arrivals = Arrivals()
    receiver = await asyncio.get_running_loop().create_server(lambda: wire.Receiver(arrivals), "127.0.0.1", 0)
    sink = receiver.sockets[0].getsockname()[1]
    names = [f"gateways{first}_{at}" for at in range(number if apart else 1)]
    administer(postgres, *(f"CREATE DATABASE {name}" for name in names))
    urls = [database_url(postgres.url, name) for name in names]
    requests = iter(list(itertools.islice(callbacks(first), int(EVENTS_A_SECOND_MAX * number * seconds))))
    async with AsyncExitStack() as stack:
        gateways = []
        for at in range(number):
            place = folder / f"{first}-{at}"
            place.mkdir()
            port, admin = servers.free_ports(2)
            url = urls[at % len(urls)]
            made = servers.gateway(port, admin, place, sink=sink, routed=True, store=url, core=core_of(at))
            gateways.append(stack.enter_context(await asyncio.to_thread(Entered, made)))
        watches = [stack.enter_context(ServerWatch(postgres.data, url, CHANNEL)) for url in urls]
        team = Team(gateways, watches, arrivals, stack.enter_context(Yardstick(core_of(0))))
        phases = {
            "under load": await team.measure(loaded(requests, seconds)),
            "at a pace": await team.measure(paced(requests, seconds, rate)),
            "a backlog": await team.measure(backlog),
        }
    receiver.close()
    administer(postgres, *(f"DROP DATABASE {name} WITH (FORCE)" for name in names))
    return phases


def administer(postgres: Postgres, *statements: str) -> None:
    """Statements of the server's, each its own transaction."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def core_of(number: int) -> int:
    """The core of a gateway: one of its own, but for the last two, where the load and the database are; else the first."""
    spare = max(len(os.sched_getaffinity(os.getppid())) - 2, 1)
    return number % spare


def report(rounds: Sequence[dict[tuple[int, bool], dict[str, Phase]]]) -> None:
    """Medians, and as ratios of each round what so many bring beside one."""
    usual = statistics.median(phase.price for one in rounds for phases in one.values() for phase in phases.values())
    for name in rounds[0][TEAMS[0]]:
        print(f"\n{name}")
        print(" ".join(f"{heading:>{width}}" for heading, width in HEADINGS))
        for number, apart in TEAMS:
            phases = [one[number, apart][name] for one in rounds]
            single = [one[TEAMS[0]][name] for one in rounds]
            times = [number * one.pieces / many.pieces for one, many in zip(single, phases, strict=True)]
            cost = _median(phases, lambda one: one.pieces) * usual
            server = _median(phases, lambda one: one.server.cpu / one.price / one.events) * usual
            cells = (
                f"{number}{' apart' * apart}", f"{number / cost:.0f}", f"{statistics.median(times):.2f}", f"{min(times):.2f}", f"{max(times):.2f}",
                f"{1 / cost:.0f}", f"{1 / server:.0f}", f"{1e6 * cost:.0f}", f"{1e6 * server:.0f}",
                f"{_median(phases, lambda one: one.commits / one.events):.2f}",
                f"{_median(phases, lambda one: one.server.leases / one.events):.2f}",
                f"{_median(phases, lambda one: one.server.notices / one.events):.3f}",
                f"{_median(phases, lambda one: one.server.wal / one.events):.0f}",
                f"{_median(phases, lambda one: one.least):.2f}",
                f"{_median(phases, lambda one: one.events / one.wall):.0f}",
            )  # fmt: skip
            print(" ".join(f"{cell:>{width}}" for cell, (_, width) in zip(cells, HEADINGS, strict=True)))
        for number, apart in TEAMS:
            waits: Counter[str] = Counter()
            for one in rounds:
                waits += one[number, apart][name].server.waits
            looks = sum(one[number, apart][name].server.looks for one in rounds)
            shown = ", ".join(f"{what} {count / looks:.2f}" for what, count in waits.most_common(WAITS_SHOWN))
            print(f"  {number}{' apart' * apart}: busy connections at any moment, by what they wait for: {shown}")


def _median(phases: Sequence[Phase], of: Callable[[Phase], float]) -> float:
    return statistics.median(map(of, phases))


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.gateways", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rate", type=float, default=100.0, help="callbacks a second of each gateway, at a pace")
    options = parser.parse_args()
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    numbers = itertools.count(int(time.time()) * 1000, 1_000_000)
    rounds: list[dict[tuple[int, bool], dict[str, Phase]]] = []
    with tempfile.TemporaryDirectory(prefix="gw-bench-") as name:
        folder = Path(name)
        server = Postgres(folder / "server", owner=os.getpid())
        try:
            for _ in range(options.rounds):
                found = {}
                for number, apart in TEAMS:
                    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                        work = one_round(number, apart, server, folder, options.seconds, options.rate, next(numbers))
                        found[number, apart] = runner.run(work)
                rounds.append(found)
                print(f"round {len(rounds)} of {options.rounds} done", flush=True)
        finally:
            server.close()
    report(rounds)


if __name__ == "__main__":
    main()
