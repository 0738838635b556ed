"""`make bench PEERS=1`: the same callbacks through other gateways, in the same rounds, where they are installed.

Alertmanager (Go; it keeps nothing on disk before its answer) and hookspool (Python, SQLite, a commit before the answer).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import servers, wire
from benchmarks.arrivals import Arrivals, Entered

CONNECTIONS: Final = 32
IN_BATCHES: Final = "delivered/s, ours in batches"
DRAIN_SECONDS: Final = 10.0  # for what was accepted and not delivered while callbacks came
TOKEN: Final = "demo-token-of-the-benchmark"

_ALERTMANAGER = """
route: {{receiver: app, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers:
  - name: app
    webhook_configs: [{{url: 'http://127.0.0.1:{sink}/recordings', send_resolved: false}}]
"""
_HOOKSPOOL = """
[spool]
db = "spool.db"
[intake]
listen = "127.0.0.1:{port}"
threads = 64
[dispatch]
parallel = 32
poll_s = 0.05
[limits]
min_free_bytes = 1
[sources.live]
module = "hookspool.sources.template"
scheme = "url-token"
key = "asset_id"
dedup = "body_sha256"
action = "http:app"
secrets.secret = {{file = "{folder}/token"}}
[destinations.app]
type = "http"
url = "http://127.0.0.1:{sink}/recordings"
allow_insecure = true
max_inflight = 32
unwrap = true
secret = {{file = "{folder}/token"}}
[[routes]]
name = "all"
source = "live"
destination = "app"
"""

Start = Callable[[str, Path, int, int], AbstractContextManager[servers.Server]]


@dataclass(frozen=True)
class Peer:
    """Another gateway: how it is started on a port towards a receiver, and how a callback is posted to it."""

    name: str
    command: str
    start: Start
    request: Callable[[bytes], bytes]
    goals: dict[str, float]  # ours over its figure

    def path(self) -> str | None:
        """Its program; None: it is not installed."""
        return shutil.which(self.command) or shutil.which(self.command, path=str(Path(sys.executable).parent))


def _start_alertmanager(program: str, folder: Path, port: int, sink: int) -> AbstractContextManager[servers.Server]:
    (folder / "alertmanager.yml").write_text(_ALERTMANAGER.format(sink=sink))
    command = [program, f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/alertmanager"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", "--log.level=error"]
    return servers.running(
        command, folder, port, port, ready=f"http://127.0.0.1:{port}/-/ready", environment={"GOMAXPROCS": "1"}
    )


@contextmanager
def _start_hookspool(program: str, folder: Path, port: int, sink: int) -> Iterator[servers.Server]:
    """Two processes, because `run` (0.2.0) cannot be stopped by a signal where its intake is a thread."""
    shutil.rmtree(folder / "spool", ignore_errors=True)
    (folder / "spool").mkdir(mode=0o700)
    (folder / "token").write_text(TOKEN)
    (folder / "token").chmod(0o600)
    (folder / "hookspool.toml").write_text(_HOOKSPOOL.format(port=port, sink=sink, folder=folder))
    command = [program, "--home", str(folder / "spool"), "--config", str(folder / "hookspool.toml")]
    subprocess.run([*command, "migrate"], cwd=folder, check=True, capture_output=True)
    with servers.running([*command, "intake"], folder, port, port, ready=f"http://127.0.0.1:{port}/healthz") as server:
        dispatch = subprocess.Popen(
            [*command, "dispatch"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.sched_setaffinity(dispatch.pid, {0})
        server.beside.append(dispatch)
        try:
            yield server
        finally:
            dispatch.terminate()
            dispatch.wait(30)


_numbers = itertools.count()


def _alert(body: bytes) -> bytes:
    """One alert that no other is grouped with, about as long as the callback."""
    labels = {"alertname": "recording", "number": str(next(_numbers))}
    return wire.post(
        "/api/v2/alerts", json.dumps([{"labels": labels, "annotations": {"body": body.decode()}}]).encode()
    )


PEERS: Final = (
    Peer("Alertmanager", "prometheus-alertmanager", _start_alertmanager, _alert, {"delivered/s": 0.6, IN_BATCHES: 1.0}),
    Peer(
        "hookspool", "hookspool", _start_hookspool,
        lambda body: wire.post(f"/hooks/live?token={TOKEN}", body), {"accepted/s": 12.0},
    ),
)  # fmt: skip


async def measure(peer: Peer, program: str, bodies: Sequence[bytes], folder: Path, seconds: float) -> dict[str, float]:
    """One round of one peer: what it accepts and delivers meanwhile, and its processor time an accepted one."""
    arrivals = Arrivals()
    receiver = await asyncio.get_running_loop().create_server(lambda: wire.Receiver(arrivals), "127.0.0.1", 0)
    (port,) = servers.free_ports(1)
    requests: Iterator[bytes] = map(peer.request, bodies)
    with await asyncio.to_thread(
        Entered, peer.start(program, folder, port, receiver.sockets[0].getsockname()[1])
    ) as server:
        used, began = server.cpu(), time.perf_counter()
        tally = await wire.call(port, requests, connections=CONNECTIONS, seconds=seconds)
        loaded = time.perf_counter()
        await arrivals.reach(tally.good, DRAIN_SECONDS)
        cpu = (server.cpu() - used) * 1e6 / max(tally.good, 1)
    receiver.close()
    if tally.good < sum(tally.statuses.values()):
        print(f"  note: {peer.name} answered {tally.statuses}")
    return {
        "accepted/s": tally.good / seconds,
        "delivered/s": arrivals.between(began, loaded) / (loaded - began),
        "CPU µs": cpu,
        "p99 ms": tally.percentile(0.99),
    }


def report(found: dict[str, list[dict[str, float]]], ours: Sequence[dict[str, float]]) -> None:
    """Each peer's medians, and ours over them. `ours` has the same names."""
    print(f"\n{'beside others, in the same rounds':42} {'theirs':>8} {'ours':>8} {'ours/theirs':>12}   goal")
    for peer in PEERS:
        if peer.name not in found:
            print(f"{peer.name:42} not installed: no `{peer.command}` on the path")
            continue
        for name in ("accepted/s", "delivered/s", IN_BATCHES, "CPU µs"):
            theirs = statistics.median(one["delivered/s" if name == IN_BATCHES else name] for one in found[peer.name])
            mine = statistics.median(one[name] for one in ours)
            goal = f"{peer.goals[name]:g}" if name in peer.goals else "printed"
            print(f"{peer.name + ' ' + name:42} {theirs:8.0f} {mine:8.0f} {mine / max(theirs, 1e-9):12.2f}   {goal}")


def installed() -> list[tuple[Peer, str]]:
    """Those that can be started here."""
    return [(peer, program) for peer in PEERS if (program := peer.path()) is not None]
