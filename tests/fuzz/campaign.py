"""The campaign: mutants through the real listener, application and store, and whatever breaks a promise written down."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sqlite3
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from structlog.testing import capture_logs

from gateway import Trust
from gateway.testing import RunningGateway, running
from tests.fuzz.configured import CONFIGURED, SECRETS, vendor_of
from tests.fuzz.mutants import mutant
from tests.fuzz.oracle import covered
from tests.fuzz.vendors_side import Ledger, Request
from tests.fuzz.wire import Listener
from tests.sources.vendors import OLD_KEY

BATCH = 64  # callbacks under way at once
FINDINGS_MAX = 20  # then it stops, because more of one kind say nothing new
_UNWRITABLE = re.compile(rb"[\0\r\n]")  # as one line of a head
_RANKS = {trust.rank: trust for trust in Trust}


@dataclass
class Report:
    """What came of a campaign. `answers` counts statuses and codes; `findings` are broken promises, each with its number."""

    inputs: int = 0
    accepted: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    def found(self, number: int | str, request: Request, what: str) -> None:
        self.findings.append(
            f"input {number}, {request.source}: {what}\n  {request.headers}\n  {request.body[:2000]!r}"
        )


@dataclass
class _Sent:
    number: int
    request: Request
    genuine: bool
    trust: Trust | None
    status: int = 0
    answer: bytes = b""


class Campaign:
    """A gateway with all sources of tests/fuzz/configured.py, each at /hooks/NAME."""

    def __init__(self, gateway: RunningGateway, store: sqlite3.Connection, logs: list[Any]) -> None:
        self._listener = Listener(gateway.gateway, max_body=2**21)
        self._store = store
        self._seen = 0
        self._logs = logs
        self.ledger = Ledger()
        self.report = Report()

    async def run(self, inputs: int, *, seed: int = 0, first: int = 0) -> Report:
        """Send the mutants `first` and after. Stops early at FINDINGS_MAX."""
        for start in range(first, first + inputs, BATCH):
            await self.send(seed, range(start, min(start + BATCH, first + inputs)))
            if len(self.report.findings) >= FINDINGS_MAX:
                break
        return self.report

    async def send(self, seed: int, numbers: Sequence[int]) -> None:
        """The mutants of these numbers, all at once."""
        await self.send_all([(number, *mutant(seed, number, self.ledger)) for number in numbers])

    async def send_all(self, made: Sequence[tuple[int, Request, bool]]) -> None:
        """Numbered requests (True: genuine), and then what the store, the answers and the log say of them."""
        batch = [_Sent(*one, covered(one[1], self.ledger)) for one in made]
        self.ledger.cuts.clear()
        await asyncio.gather(*map(self._post, batch))
        for sent in batch:
            self._judge(sent)
        self._judge_trust(batch)
        for entry in self._logs:
            if entry.get("exc_info") or entry.get("exception") or entry["log_level"] in ("error", "critical"):
                self.report.findings.append(f"inputs {made[0][0]} to {made[-1][0]}: the log says {entry}")
        self._logs.clear()
        self.report.inputs += len(batch)

    async def _post(self, sent: _Sent) -> None:
        request = sent.request
        raw = [(key.encode("latin-1"), value.encode("latin-1", "replace")) for key, value in request.headers]
        raw.append((b"content-length", str(len(request.body)).encode()))
        path = f"/hooks/{request.source}"
        try:
            if any(_UNWRITABLE.search(value) for _, value in raw):
                await self._post_to_application(sent, path, raw)
                return
            if vendor_of(request.source) != "rfc9421":  # which signs it
                raw.append((b"host", b"gateway.example"))
            pieces = 1 + (sent.number % 4 == 0) * 2
            sent.status, sent.answer = await self._listener.post(path, raw, request.body, pieces=pieces)
        except Exception as error:
            self.report.found(sent.number, request, f"the listener raised {error!r}")

    async def _post_to_application(self, sent: _Sent, path: str, raw: list[tuple[bytes, bytes]]) -> None:
        """What no server would let through may reach it from another one."""
        scope: dict[str, Any] = {"type": "http", "method": "POST", "path": path, "headers": raw}
        scope |= {"client": ("192.0.2.1", 1), "query_string": b"", "http_version": "1.1", "scheme": "http"}
        parts: list[Mapping[str, Any]] = []

        async def receive() -> Mapping[str, Any]:
            return {"type": "http.request", "body": sent.request.body, "more_body": False}

        async def send(message: Mapping[str, Any]) -> None:
            parts.append(message)

        await self._listener.app(scope, cast(Any, receive), cast(Any, send))
        sent.status = parts[0]["status"] if parts else 0
        sent.answer = b"".join(part.get("body", b"") for part in parts[1:])

    def _judge(self, sent: _Sent) -> None:
        found = self.report.found
        said = json.loads(sent.answer) if sent.answer else {}
        self.report.answers[f"{sent.status} {said.get('code') or said.get('status') or ''}".strip()] += 1
        if sent.status == 200:
            self.report.accepted += 1
            if sent.trust is None:
                found(sent.number, sent.request, f"taken, though its vendor signed nothing of it: {said}")
        elif (sent.status >= 500 and sent.status != 503) or sent.status < 400:
            found(sent.number, sent.request, f"answered {sent.status} {said}")
        elif sent.genuine:
            found(sent.number, sent.request, f"genuine, and refused: {sent.status} {said}")
        if any(key.encode() in sent.answer for key in (OLD_KEY, *SECRETS, *SECRETS.values())):
            found(sent.number, sent.request, f"the answer shows a key: {sent.answer!r}")

    def _judge_trust(self, batch: Sequence[_Sent]) -> None:
        """Whether an event claims more than its vendor signed. Events are found by their bytes, which stand beside them."""
        most: dict[tuple[str, bytes], int] = {}
        for sent in batch:
            key = (sent.request.source, sent.request.body)
            most[key] = max(most.get(key, -1), -1 if sent.trust is None else sent.trust.rank)
        by_key = {(sent.request.source, sent.request.body): sent for sent in batch}
        rows = self._store.execute(
            "SELECT seq, source, trust, raw FROM events WHERE seq > ? ORDER BY seq", (self._seen,)
        )
        for seq, source, rank, raw in rows:
            self._seen = seq
            of = by_key.get((source, raw))
            if of is None:
                self.report.findings.append(f"{source} stored an event whose bytes nobody sent: {raw[:500]!r}")
            elif rank > most[source, raw]:
                self.report.found(
                    of.number, of.request, f"its event has the trust {_RANKS[rank]}, and the oracle says {of.trust}"
                )


@contextmanager
def _all_logs() -> Iterator[list[Any]]:
    """What structlog and the standard library (asyncio's own complaints) say."""

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(
                {"log_level": record.levelname.lower(), "event": record.getMessage(), "exc_info": record.exc_info}
            )

    keep = Keep(logging.WARNING)
    with capture_logs() as lines:
        logging.getLogger().addHandler(keep)
        try:
            yield lines
        finally:
            logging.getLogger().removeHandler(keep)


@asynccontextmanager
async def campaign() -> AsyncIterator[Campaign]:
    """A gateway that runs, and nothing to deliver to."""
    sources = {name: {"path": name, **source} for name, source in CONFIGURED.items()}
    with tempfile.TemporaryDirectory(prefix="campaign-") as folder, _all_logs() as logs:
        store = Path(folder) / "gateway.db"
        config = {"version": 1, "store": {"url": f"sqlite:///{store}"}, "sources": sources}
        async with running(config, folder=Path(folder)) as gateway:
            logs.clear()
            with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
                yield Campaign(gateway, connection, logs)
