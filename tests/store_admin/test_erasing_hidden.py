"""Erasing by stream, id and time where rows are encrypted, and where events are redacted: all of it goes, and the audit log says how much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from gateway.model import FILE_COMPLETED
from gateway.runtime.clock import FrozenClock
from gateway.store.admin.admin import StoreAdmin
from gateway.store.admin.event_search import EventFilter
from gateway.store.engine.cipher import Cipher
from gateway.store.records import NewEvent
from gateway.store.store import Store
from tests.store.kit import LEASE, event, new, settlement, table, take
from tests.store_admin.acts import ME
from tests.store_admin.test_traces import CANARY, everything

EVENTS = 6
KEY = {"key": bytes(range(32))}


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
@pytest.mark.parametrize("redacted", [False, True], ids=["whole", "redacted"])
@pytest.mark.parametrize(
    ("asked", "gone"),
    [
        ({"stream": f"{CANARY}-*"}, {1, 2, 3}),
        ({"q": f"{2:032x}"}, {2}),
        ({"type": FILE_COMPLETED, "since": 2, "until": 5}, {2, 3, 4}),  # numbers of events, for their times
    ],
    ids=["stream", "id", "time"],
)
async def test_what_is_asked_for_goes_in_batches_and_the_log_has_ids_and_a_hash(
    url: str, clock: FrozenClock, encrypted: bool, redacted: bool, asked: Mapping[str, Any], gone: set[int]
) -> None:
    if encrypted:
        pytest.importorskip("cryptography", reason="cryptography (extra encryption) is not installed")
    cipher = Cipher(KEY) if encrypted else None
    store = Store(url, clock=clock, cipher=cipher)
    await store.open(lock_wait=0)
    times = {}

    def made(number: int) -> NewEvent:
        stream = f"{CANARY}-{number}" if number <= 3 else "main"
        raw = b"" if redacted else f"{stream} {number}".encode()
        return new(event(number, stream=stream, raw=raw, received_at=clock.now()), "app").replace(redacted=redacted)

    for number in range(1, EVENTS + 1):
        times[number] = clock.ms()
        await take(store, made(number))
        clock.advance(60)
    [lease] = await store.claim("app", 1, LEASE)
    await store.settle([settlement(lease, "waiting", memo={"at": CANARY}, delay=60_000)])
    spans = {name: times[asked[name]] for name in ("since", "until") if name in asked}
    wanted = EventFilter(**{**asked, **spans})
    with StoreAdmin(url, clock=clock, cipher=cipher) as admin:
        matched, upto = admin.preview(wanted)
        assert matched == len(gone)
        job = admin.start_job("erase", wanted, upto=upto, options={}, pause_us=0, actor=ME, holder="h")
        for _ in range(EVENTS + 2):
            row = admin.step_job(job, 1, owner="o", holders={"h"}, route=lambda _: ([], "[]"), ids=None)
        assert (row.state, row.done, row.failed) == ("done", len(gone), 0)
        assert {int(one.id, 16) for one in admin.events()} == set(range(1, EVENTS + 1)) - gone
    [(filter, target, done)] = table(url, "filter, target, done", "audit WHERE act = 'bulk erase'")
    assert filter.startswith("hmac-sha256:")
    assert {int(id, 16) for id in target.replace(",", " ").split() if len(id) == 32} == gone
    assert done == len(gone)
    if gone >= {1, 2, 3}:
        assert CANARY not in everything(url)
    repeated = await take(store, *map(made, gone))
    assert not any(one.new for one in repeated), "the vendor's repeat does not bring it back"
    await store.close()
