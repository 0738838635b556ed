"""A world of a vendor, gateways, a receiver and a database in processes of their own, whose account is closed at the end."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import pytest

from tests.faults import ledger
from tests.faults.account import Account
from tests.faults.link import Link
from tests.faults.vendor import Plan
from tests.patience import PATIENCE_S
from tests.running import COMMAND, KEY, SECRET, Running

LONG = pytest.mark.whole  # a scenario, or one row of one, that the short form leaves out
ROOT = Path(__file__).resolve().parents[2]
CONCURRENCY = 8  # of each sink
OCCUPIED_MAX = 2 * CONCURRENCY  # of a lane: what it carries, and what waits in memory for its outcome to be written
CONFIG = f"""
sources:
  live: {{type: huawei-live, keys: ['{KEY}'], domains: [push.example.com], apps: [live], clock_skew: 6h}}
"""


def config(
    target: str, sinks: Sequence[str], *, order: bool = False, concurrency: int = CONCURRENCY, more: str = ""
) -> str:
    """Each of these sinks, at this host and port, is told of everything."""
    lines = [CONFIG, "sinks:"]
    for sink in sinks:
        lines += [
            f"  {sink}:",
            "    type: forward",
            f"    url: http://{target}/{sink}",
            f"    sign: {{scheme: standard-webhooks, secrets: ['{SECRET}']}}",
            f"    delivery: {{concurrency: {concurrency}, timeout: 3s, order: {'stream' if order else 'none'}, retry: {{initial: 50ms, max: 400ms}}}}",
        ]
    return "\n".join([*lines, "routes:", f"  - {{name: all, to: [{', '.join(sinks)}]}}", more])


class Child:
    """A Python module in a process of its own, which speaks a line when it is ready."""

    def __init__(self, module: str, *arguments: str, inside: Sequence[str] = ()) -> None:
        """`inside`: what stands before its command."""
        self.process = subprocess.Popen(
            [*inside, sys.executable, "-m", module, *arguments],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.said = self._line()

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "it ended before it was ready"
        return line.strip()

    def tell(self, line: str) -> None:
        """Say something, and wait until it was heard."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        self._line()

    def end(self, within: float) -> int:
        """Close what it listens to, and wait for its end."""
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.close()
        return self.process.wait(within)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE_S)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


class World:
    """Everything of one scenario. `seed` decides all that is random, but not how the processes interleave."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        *,
        store: str = "sqlite:///gateway.db",
        store_more: str = "",
        gateways: int = 1,
        sinks: Sequence[str] = ("app",),
        order: bool = False,
        concurrency: int = CONCURRENCY,
        far: Link | None = None,
        more: str = "",
        command: str = COMMAND,
        environ: dict[str, str] | None = None,
        home: Path | None = None,
    ) -> None:
        """`far`: the receiver is on the other host of this link."""
        self.folder, self.seed, self.rng = folder, seed, random.Random(seed)
        self.sinks, self.order = sinks, order
        self.moments: list[float] = []
        self.spells: list[tuple[float, float]] = []
        self.deaths = 0  # of gateways that were started again by `keep_up`
        host, inside = ("127.0.0.1", ()) if far is None else (far.address, far.inside())
        self.receiver = Child("tests.faults.receiver", str(folder / "came"), host, inside=inside)
        self.streams = 0
        self.vendors: list[Child] = []
        self._acknowledged = ledger.Tail(folder / "posted", 2, "200")
        self._arrived = ledger.Tail(folder / "came", 1)
        text = config(f"{host}:{self.receiver.said}", sinks, order=order, concurrency=concurrency, more=more)
        self.gateways = [
            Running(
                (home or folder) / f"gateway-{n}", text,
                store=store, store_more=store_more, environ=environ, command=command,
            )
            for n in range(gateways)
        ]  # fmt: skip

    # -- the vendor

    def begin(
        self, *, streams: int = 32, callbacks: int = 0, rate: float = 0, forgets: float = 0.02, fresh: float = 0.0
    ) -> None:
        """The vendor begins. With so many `callbacks` it ends by itself, and `settle` waits for that. `fresh`: this share of
        requests comes on connections of their own."""
        self._bounded = callbacks > 0
        self.streams = streams
        plan = Plan(
            ledger=str(self.folder / "posted"),
            ports=[one.port for one in self.gateways],
            streams=streams,
            callbacks=callbacks,
            rate=rate,
            forgets=forgets,
            seed=self.seed,
            first=streams * 1_000_000 * len(self.vendors) + streams,
            fresh=fresh,
        )
        self.vendors.append(Child("tests.faults.vendor", json.dumps(plan._asdict())))

    def acknowledged(self) -> int:
        """How many callbacks were, by now."""
        return self._acknowledged.count()

    def arrived(self, sink: str) -> int:
        """How many events did at this sink, by now."""
        self._arrived.count()
        return sum(one.startswith(f"{sink} ") for one in self._arrived.seen)

    def wait_for(self, more: int, within: float = 120.0, *, kept_up: bool = False) -> None:
        """Until so many more callbacks are acknowledged; one that has ended has nothing to wait for. `kept_up`: whoever runs
        the first gateway starts it again whenever it dies."""
        least = self.acknowledged() + more

        def there() -> bool:
            if kept_up:
                self.keep_up()
            return self.acknowledged() >= least or self.vendors[-1].process.poll() is not None

        self.until(there, within)

    @staticmethod
    def until(true: Callable[[], Any], within: float = 60.0) -> None:
        end = time.monotonic() + within
        while not true():
            assert time.monotonic() < end, f"not within {within:.0f} s"
            time.sleep(0.02)

    # -- faults

    def disturb(self) -> None:
        """Note that something happens now that may bring deliveries again."""
        self.moments.append(time.monotonic())

    @contextmanager
    def disturbing(self) -> Iterator[None]:
        """What happens now lasts: an attempt may fail although its event arrived, and is made again at once, at any time of it."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.spells.append((began, time.monotonic()))

    def kill(self, n: int = 0) -> None:
        """kill -9 of a gateway, noted before and after: what it sends until it is gone may come again."""
        self.gateways[n].kill()
        self.disturb()

    def keep_up(self, n: int = 0) -> bool:
        """Start a gateway again that has died, as whoever runs it would; whether it had. It may do so a moment later too:
        `wait_for(…, kept_up=True)` looks on."""
        process = self.gateways[n].process
        died = process is None or process.poll() is not None
        if died:
            self.disturb()
            self.gateways[n].start(ready=False)
            self.deaths += 1
        return died

    def nap(self, longest: float) -> None:
        """Some time, drawn from the seed."""
        time.sleep(self.rng.uniform(0, longest))

    # -- the end

    def settle(self, within: float = 120.0, *, quiet: float | None = None) -> Account:
        """The vendor ends; everything that was acknowledged arrives; the account. `quiet`: so many seconds without anything
        that arrives are the end too."""
        for one in self.vendors:
            if self._bounded:
                one.process.wait(within)
            assert one.end(within) == 0, "the vendor was answered something that it should never be"
        self.acknowledged()
        owed = {f"{sink} {number}" for sink in self.sinks for number in self._acknowledged.seen}

        seen, since = 0, time.monotonic()

        def there() -> bool:
            nonlocal seen, since
            if (now := self._arrived.count()) != seen:
                seen, since = now, time.monotonic()
            return owed <= self._arrived.seen or (quiet is not None and time.monotonic() - since > quiet)

        with suppress(AssertionError):  # the account says it better
            self.until(there, within)
        account = self.account()
        print(f"seed {self.seed}: {account.line()}")
        return account

    def account(self) -> Account:
        """As things stand now."""
        return Account(
            posted=list(ledger.posted(self.folder / "posted")),
            came=list(ledger.came(self.folder / "came")),
            sinks=self.sinks,
            streams=self.streams if self.order else 0,
            disturbed=sorted(self.moments),
            spells=self.spells,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for running in self.gateways:
            if running.process is not None and running.process.poll() is None:
                running.kill()
        for child in (*self.vendors, self.receiver):
            child.kill()
