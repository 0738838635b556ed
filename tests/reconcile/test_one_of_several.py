"""Several gateways of one store, callbacks at the same moment, a kill: each file stays one event."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.events.places import places_of
from gateway.model import Trust
from gateway.runtime.clock import FrozenClock
from gateway.store.outbox.reconciliation import Run
from gateway.store.store import Store
from gateway.testing import running
from plugins.sources.huawei_live.listed import listed_event
from tests.patience import PATIENCE_S
from tests.reconcile.conftest import Configured
from tests.reconcile.vendor import PROJECT, START, Vendor, asked, entry
from tests.store.kit import beside, event, new

FILES = 40
RUN = Run(began=0, since=0, until=1)


def by_list(number: int) -> Any:
    made = listed_event("live", PROJECT, entry(number), START)
    return new(made, "app", places=places_of(made))


def by_callback(number: int, trust: Trust = Trust.FIELDS, **changes: Any) -> Any:
    made = event(number, files=by_list(number).event.files, trust=trust, stream=f"s{number}", **changes)
    return new(made, "app", places=places_of(made))


async def test_a_callback_and_the_list_at_one_moment_make_one_event(postgres_url: str) -> None:
    stores = [Store(postgres_url, owner=owner) for owner in ("one", "two")]
    for store in stores:
        await store.open()
    one, two = stores
    assert await one.lease_reconciliation("live") is not None
    listing = [one.reconcile_step("live", RUN, [by_list(n) for n in range(at, at + 10)]) for at in range(0, FILES, 10)]
    coming = [two.accept([by_callback(n)]) for n in reversed(range(FILES))]
    await asyncio.gather(*listing, *coming)
    with beside(postgres_url) as session:
        counts = session.rows("SELECT subject, count(*) FROM events GROUP BY subject")
        assert [count for _, count in counts] == [1] * FILES
        assert session.rows("SELECT count(*) FROM deliveries") == [(FILES,)]
    for store in stores:
        await store.close()


async def test_one_gateway_of_two_asks(postgres_url: str, vendor: Vendor, configured: Configured) -> None:
    vendor.rows = [entry(n) for n in range(3)]
    clock = FrozenClock()
    config = configured(postgres_url)
    async with running(config, clock=clock) as one, running(config, clock=clock) as two:
        await asyncio.gather(asked(one), asked(two))
        assert len(vendor.listed) % 4 == 0, "whole runs of four kinds, none by two gateways at once"
        assert len(one.events()) == 3
        told = sum(gateway.metric("reconciled_total", source="live", result="made") for gateway in (one, two))
        assert told == 3


async def test_a_callback_that_says_more_and_is_trusted_as_much_is_the_better_version(url: str) -> None:
    store = Store(url, clock=FrozenClock())
    await store.open()
    await store.lease_reconciliation("live")
    await store.reconcile_step("live", RUN, [by_list(1)])
    more = by_callback(1, Trust.BODY, job_id="a-job")
    (accepted,) = await store.accept([more])
    listed_id = by_list(1).event.id
    assert (accepted.id, accepted.supersedes) == (listed_id, listed_id)
    (again,) = await store.accept([more])
    assert not again.new
    assert not again.variant
    (weaker,) = await store.accept([by_callback(1)])
    assert (weaker.id, weaker.new, weaker.variant, weaker.held) == (listed_id, False, "", None)
    await store.close()


@pytest.mark.slow
def test_a_gateway_that_is_killed_between_two_pages_goes_on_there(
    configured: Configured, lite: str, vendor: Vendor, tmp_path: Path
) -> None:
    vendor.rows = [entry(n) for n in range(150)]
    config = configured(lite, {"since": "30d", "calls": "20/s"}) | {"server": {"port": 0}, "admin": {"port": 0}}
    path = tmp_path / "gateway.yaml"
    path.write_text(json.dumps(config).replace('"recorder"', '"console"'))
    path.chmod(0o600)
    serve = [sys.executable, "-m", "gateway", "-c", str(path), "serve"]

    def stored() -> int:
        with beside(lite) as session:
            ((count,),) = session.rows("SELECT count(*) FROM events")
            return int(count)

    for pages in (1, 3):
        with subprocess.Popen(
            serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ}
        ) as served:
            with vendor.came:
                assert vendor.came.wait_for(lambda pages=pages: len(vendor.listed) >= pages, PATIENCE_S)  # type: ignore[misc]
            vendor.go_on.clear()
            served.send_signal(signal.SIGKILL)
            served.wait(PATIENCE_S)
        vendor.go_on.set()
    with subprocess.Popen(serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as served:
        with vendor.came:
            assert vendor.came.wait_for(lambda: vendor.listed[-1]["record_type"] == "ON_DEMAND_RECORD", PATIENCE_S)
        served.terminate()
        served.wait(PATIENCE_S)
    assert stored() == 150
    offsets = [query["offset"] for query in vendor.listed if query["record_type"] == "CONTINUOUS_RECORD"]
    assert offsets.count("0") <= 2, "the first page is not asked for again once it was stored"
