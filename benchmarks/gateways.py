"""`make bench GATEWAYS=1`: one, two and four gateways on one PostgreSQL: what each brings, and what the server pays for it.

Everything is by processor time, of the gateways and of the server apart, because gateways that share a core cannot show by
the clock what they would do on cores of their own. Capacity is what so many gateways would deliver with a core each: their
number times what a second of a gateway's processor delivers. Where there are cores, each gateway has one of its own.
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
from benchmarks.__main__ import callbacks
from benchmarks.arrivals import Arrivals, Entered
from benchmarks.server_figures import Figures, ServerWatch
from gateway.store.postgres.session import CHANNEL
from tests.postgres import Postgres, database_url

NUMBERS = (1, 2, 4)
CONNECTIONS = 16  # to each gateway
REACH_SECONDS = 120.0
EVENTS_A_SECOND_MAX = 2000  # of one gateway; so many callbacks are made before the clock starts
WAITS_SHOWN = 5
# Everything that was delivered is due again, as after an outage of the receiver; whoever listens hears of it.
_AGAIN = f"""UPDATE deliveries SET state = 'waiting', rank = 1, attempts = 0, due_at = 0;
  SELECT pg_notify('{CHANNEL}', 'benchmark app')"""

Work = Callable[["Team"], Coroutine[Any, Any, int]]


@dataclass(frozen=True, slots=True)
class Phase:
    """What some gateways did together for a while."""

    events: int  # that were delivered in it
    wall: float
    cpu: float  # seconds of all the gateways
    commits: float
    least: float  # what the laziest gateway delivered, as a part of an equal share
    server: Figures

    @property
    def capacity(self) -> float:
        """Events a second of one gateway's processor."""
        return self.events / self.cpu


class Team:
    """The gateways of one database, and the receiver they deliver to."""

    def __init__(self, gateways: Sequence[servers.Server], watch: ServerWatch, arrivals: Arrivals) -> None:
        self.gateways, self.watch, self._arrivals = gateways, watch, arrivals

    async def measure(self, work: Work) -> Phase:
        """Let `work` begin so many deliveries, and count until all are written down."""
        before, cpu, counted = self.watch.figures(), self._cpu(), await self._counted()
        began, arrived = time.perf_counter(), len(self._arrivals.times)
        events = await work(self)
        await self._arrivals.reach(arrived + events, REACH_SECONDS)
        wall = time.perf_counter() - began
        await asyncio.to_thread(self.watch.wait_for, before.delivered + events, REACH_SECONDS)
        cpu, after = self._cpu() - cpu, await self._counted()
        delivered = [float(new[0] - old[0]) for new, old in zip(after, counted, strict=True)]
        return Phase(
            events=events,
            wall=wall,
            cpu=cpu,
            commits=sum(new[1] - old[1] for new, old in zip(after, counted, strict=True)),
            least=min(delivered) * len(delivered) / max(sum(delivered), 1),
            server=self.watch.figures().since(before),
        )

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
    ((count,),) = team.watch.execute("SELECT count(*) FROM deliveries")
    await asyncio.to_thread(team.watch.execute, _AGAIN)
    return int(count)


async def one_round(
    number: int, postgres: Postgres, folder: Path, seconds: float, rate: float, first: int
) -> dict[str, Phase]:
    """So many gateways on a database of their own: under load, at a steady pace, and with a backlog."""
    arrivals = Arrivals()
    receiver = await asyncio.get_running_loop().create_server(lambda: wire.Receiver(arrivals), "127.0.0.1", 0)
    sink = receiver.sockets[0].getsockname()[1]
    database = f"gateways{first}"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {database}".encode())
    url = database_url(postgres.url, database)
    requests = iter(list(itertools.islice(callbacks(first), int(EVENTS_A_SECOND_MAX * number * seconds))))
    async with AsyncExitStack() as stack:
        gateways = []
        for at in range(number):
            place = folder / f"{database}-{at}"
            place.mkdir()
            port, admin = servers.free_ports(2)
            made = servers.gateway(port, admin, place, sink=sink, routed=True, store=url, core=core_of(at))
            gateways.append(stack.enter_context(await asyncio.to_thread(Entered, made)))
        with ServerWatch(postgres.data, url, CHANNEL) as watch:
            team = Team(gateways, watch, arrivals)
            phases = {
                "under load": await team.measure(loaded(requests, seconds)),
                "at a pace": await team.measure(paced(requests, seconds, rate)),
                "a backlog": await team.measure(backlog),
            }
    receiver.close()
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {database} WITH (FORCE)".encode())
    return phases


def core_of(number: int) -> int:
    """The core of a gateway: one of its own, but for the last two, where the load and the database are; else the first."""
    spare = max(len(os.sched_getaffinity(os.getppid())) - 2, 1)
    return number % spare


def report(rounds: Sequence[dict[int, dict[str, Phase]]]) -> None:
    """Medians, and as ratios of each round what so many bring beside one."""
    for name in rounds[0][NUMBERS[0]]:
        print(f"\n{name}")
        print(
            f"{'gateways':>8} {'capacity':>9} {'× one':>6} {'ev/s of CPU':>12} {'of server CPU':>14} {'µs':>6} {'server µs':>9} "
            f"{'commits/ev':>10} {'leases/ev':>9} {'notices/ev':>10} {'WAL B/ev':>9} {'least':>6} {'ev/s by clock':>13}"
        )
        for number in rounds[0]:
            phases = [one[number][name] for one in rounds]
            times = statistics.median(
                number * one[number][name].capacity / one[NUMBERS[0]][name].capacity for one in rounds
            )

            def middle(of: Callable[[Phase], float], phases: Sequence[Phase] = phases) -> float:
                return statistics.median(of(phase) for phase in phases)

            print(
                f"{number:8} {number * middle(lambda p: p.capacity):9.0f} {times:6.2f} {middle(lambda p: p.capacity):12.0f} "
                f"{middle(lambda p: p.events / p.server.cpu):14.0f} {middle(lambda p: 1e6 * p.cpu / p.events):6.0f} "
                f"{middle(lambda p: 1e6 * p.server.cpu / p.events):9.0f} {middle(lambda p: p.commits / p.events):10.2f} "
                f"{middle(lambda p: p.server.leases / p.events):9.2f} {middle(lambda p: p.server.notices / p.events):10.3f} "
                f"{middle(lambda p: p.server.wal / p.events):9.0f} {middle(lambda p: p.least):6.2f} "
                f"{middle(lambda p: p.events / p.wall):13.0f}"
            )
        for number in rounds[0]:
            waits: Counter[str] = Counter()
            for one in rounds:
                waits += one[number][name].server.waits
            looks = sum(one[number][name].server.looks for one in rounds)
            shown = ", ".join(f"{what} {count / looks:.2f}" for what, count in waits.most_common(WAITS_SHOWN))
            print(f"  {number}: busy connections at any moment, by what they wait for: {shown}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.gateways", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rate", type=float, default=100.0, help="callbacks a second of each gateway, at a pace")
    options = parser.parse_args()
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    numbers = itertools.count(int(time.time()) * 1000, 1_000_000)
    rounds: list[dict[int, dict[str, Phase]]] = []
    with tempfile.TemporaryDirectory(prefix="gw-bench-") as name:
        folder = Path(name)
        server = Postgres(folder / "server", owner=os.getpid())
        try:
            for _ in range(options.rounds):
                found = {}
                for number in NUMBERS:
                    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                        work = one_round(number, server, folder, options.seconds, options.rate, next(numbers))
                        found[number] = runner.run(work)
                rounds.append(found)
                print(f"round {len(rounds)} of {options.rounds} done", flush=True)
        finally:
            server.close()
    report(rounds)


if __name__ == "__main__":
    main()
