"""What a PostgreSQL server pays for its gateways: processor time, log, notices, and what its backends wait for."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import psutil
import psycopg

LOOK_SECONDS = 0.02  # between two looks at who waits
_WAITS = """SELECT coalesce(wait_event_type || ': ' || wait_event, 'running'), count(*) FROM pg_stat_activity
  WHERE datname = current_database() AND application_name = 'recording-gateway' AND state <> 'idle' GROUP BY 1"""
_COUNTED = """SELECT (SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')), (SELECT coalesce(sum(token), 0) FROM deliveries),
  (SELECT count(*) FROM attempts WHERE outcome = 'delivered'), (SELECT count(*) FROM attempts)"""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was counted between two moments."""

    cpu: float  # seconds of the whole server, without who looks on
    wal: float  # bytes
    leases: float
    delivered: float
    attempts: float
    notices: float
    looks: float
    waits: Counter[str]  # at so many looks a backend was seen so

    def since(self, before: Figures) -> Figures:
        """What came between."""
        numbers = ("cpu", "wal", "leases", "delivered", "attempts", "notices", "looks")
        differences = {name: getattr(self, name) - getattr(before, name) for name in numbers}
        return Figures(**differences, waits=self.waits - before.waits)


def together(figures: Sequence[Figures]) -> Figures:
    """Those of several databases of one server, whose processor time and log are the whole server's already."""
    numbers = {
        name: sum(getattr(one, name) for one in figures) for name in ("leases", "delivered", "attempts", "notices")
    }
    waits = sum((one.waits for one in figures), Counter[str]())
    first = figures[0]
    return Figures(cpu=first.cpu, wal=first.wal, looks=first.looks, waits=waits, **numbers)


class ServerWatch:
    """Looks on at one database until it is left."""

    _lookers: ClassVar[set[int]] = set()  # processes of the server that only look on

    def __init__(self, data: Path, url: str, channel: str) -> None:
        self._server = psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))
        self._asked = psycopg.connect(url, autocommit=True, application_name="benchmark")
        self._asked.execute("SET max_parallel_workers_per_gather = 0")  # its helpers would count as the server's
        self._heard = psycopg.connect(url, autocommit=True, application_name="benchmark")
        self._heard.execute(f"LISTEN {channel}".encode())
        self._lookers.update((self._asked.info.backend_pid, self._heard.info.backend_pid))
        self._notices = 0
        self._waits: Counter[str] = Counter()
        self._looks = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look_until_left, name="server-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._asked.close()
        self._heard.close()

    def execute(self, text: str) -> list[tuple[Any, ...]]:
        """A statement of the benchmark's own."""
        with self._lock:
            cursor = self._asked.execute(text.encode())
            return cursor.fetchall() if cursor.description else []

    def figures(self) -> Figures:
        """Everything up to now."""
        ((wal, leases, delivered, attempts),) = self.execute(_COUNTED)
        with self._lock:
            self._notices += sum(1 for _ in self._heard.notifies(timeout=0))
            looks, waits = self._looks, self._waits.copy()
        return Figures(
            self._cpu(), float(wal), float(leases), float(delivered), float(attempts), self._notices, looks, waits
        )

    def _look_until_left(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            rows = self.execute(_WAITS)
            with self._lock:
                self._looks += 1
                self._waits.update(dict(rows))

    def _cpu(self) -> float:
        """Seconds of every process of the server that lives or has ended, but for those that look on."""
        ended = self._server.cpu_times()
        used = ended.user + ended.system + ended.children_user + ended.children_system
        for process in self._server.children(recursive=True):
            if process.pid not in self._lookers:
                with suppress(psutil.NoSuchProcess):
                    times = process.cpu_times()
                    used += times.user + times.system
        return float(used)
