"""What comes between a run and its end: another configuration, another gateway, a full store, a store that is away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
import structlog

from gateway.errors import NotFound, Problem, StoreUnavailable
from gateway.plugin.vendor_api import ListedPage
from gateway.store.admin.audit import Actor
from gateway.store.store import Store
from gateway.testing import running
from plugins.sources.huawei_live.source import HuaweiLive
from tests.patience import PATIENCE_S
from tests.reconcile.conftest import Configured
from tests.reconcile.test_runs import row, unrouted
from tests.reconcile.vendor import Vendor, asked, entry

ME = Actor("ann", "here")
HOLD = "UPDATE reconciliations SET owner = 'other', until_at = :now + 60000"


def after_a_page(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], Awaitable[object]]) -> None:
    """Let something happen once, while the first page is under way."""
    answer, left = HuaweiLive.list_recordings, [happens]

    async def answers(*arguments: Any) -> ListedPage:
        page = await answer(*arguments)
        if left:
            await left.pop()()
        return page

    monkeypatch.setattr(HuaweiLive, "list_recordings", answers)


@pytest.fixture
def config(configured: Configured, lite: str) -> dict[str, Any]:
    """With a sink that a reload knows too."""
    return unrouted(configured(lite)) | {"sinks": {"app": {"type": "file", "path": "lines.jsonl"}}}


async def test_a_run_goes_on_with_another_configuration(
    vendor: Vendor, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.rows = [entry(n) for n in range(101)]
    async with running(config) as gateway:

        async def reload() -> None:
            config["sources"]["live"]["apps"] = ["other"]
            (gateway.folder / "under-test.yaml").write_text(json.dumps(config))
            await gateway.gateway.reload(ME)

        after_a_page(monkeypatch, reload)
        await asked(gateway)
        assert len(gateway.events()) == 100, "the first page was read by the configuration that asked for it"
        assert (await row(gateway)).last.looked == 100


async def test_a_run_of_a_source_that_is_gone_ends_without_a_word_of_failure(
    vendor: Vendor, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.rows = [entry(n) for n in range(101)]
    async with running(config) as gateway:

        async def reload() -> None:
            del config["sources"]["live"]["reconcile"]
            (gateway.folder / "under-test.yaml").write_text(json.dumps(config))
            await gateway.gateway.reload(ME)

        after_a_page(monkeypatch, reload)
        with structlog.testing.capture_logs() as logs:
            await asked(gateway)
        assert [one["event"] for one in logs if one["event"].startswith("reconcile")] == ["reconcile_handed_over"]
        assert (await row(gateway)).error is None


async def test_a_run_that_another_gateway_took_is_left_to_it(
    vendor: Vendor, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.rows = [entry(1)]
    async with running(config) as gateway:
        after_a_page(monkeypatch, lambda: gateway.gateway.store.write(lambda session: session.change(HOLD)))
        await asked(gateway)
        assert gateway.events() == [], "nothing is stored without the lease"
        assert (await row(gateway)).last is None
        with pytest.raises(Problem, match="a gateway is asking the vendor of live now"):
            await gateway.gateway.admin._reconciler.ask_now("live", None)


async def test_between_two_pages_it_keeps_its_lease_and_ends_where_that_was_lost(
    vendor: Vendor, configured: Configured, lite: str
) -> None:
    vendor.rows = [entry(n) for n in range(101)]
    async with running(unrouted(configured(lite, {"calls": "1/1m"}))) as gateway:
        reconciler = gateway.gateway.admin._reconciler
        await reconciler.look_once()
        async with asyncio.timeout(PATIENCE_S):
            while not (known := (await gateway.gateway.store.reconciliations()).get("live")) or known.run is None:
                await asyncio.sleep(0.001)
        await gateway.advance(31)
        until = "SELECT until_at - :now FROM reconciliations"
        ((left,),) = await gateway.gateway.store.ask(lambda session: session.rows(until, {}))
        assert left > 115_000, "it was renewed half a minute after the page"
        await gateway.gateway.store.write(lambda session: session.change(HOLD))
        await gateway.advance(31)
        await reconciler.until_idle()
        assert len(vendor.listed) <= 2
        assert (await row(gateway)).last is None


@pytest.mark.parametrize("slow", ["a page", "what is known of files"])
async def test_while_a_page_is_waited_for_it_keeps_its_lease_and_lets_go_of_the_page_where_that_was_lost(
    vendor: Vendor, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch, slow: str
) -> None:
    ended: list[str] = []

    async def hang(*_: Any) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(slow)

    if slow == "a page":
        monkeypatch.setattr(HuaweiLive, "list_recordings", hang)
    else:
        monkeypatch.setattr(Store, "note_places", hang)
    async with running(config) as gateway:
        store, reconciler = gateway.gateway.store, gateway.gateway.admin._reconciler
        await reconciler.look_once()

        async def left() -> int:
            until = "SELECT until_at - :now FROM reconciliations WHERE owner IS NOT NULL"
            rows = await store.ask(lambda session: session.rows(until, {}))
            return int(rows[0][0]) if rows else 0

        async with asyncio.timeout(PATIENCE_S):
            while not await left():
                await asyncio.sleep(0.001)
        for _ in range(29):
            await gateway.advance(10)
            assert await left() >= 80_000, "no other gateway may take it"
        assert not ended
        await store.write(lambda session: session.change(HOLD))
        await gateway.advance(31)
        async with asyncio.timeout(PATIENCE_S):
            await reconciler.until_idle()
        assert ended == [slow]


async def test_a_lease_that_cannot_be_renewed_once_is_renewed_after_that(
    vendor: Vendor, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = asyncio.Event()
    answer = HuaweiLive.list_recordings

    async def answers(*arguments: Any) -> ListedPage:
        await page.wait()
        return await answer(*arguments)

    monkeypatch.setattr(HuaweiLive, "list_recordings", answers)
    vendor.rows = [entry(1)]
    async with running(config) as gateway:
        store, reconciler = gateway.gateway.store, gateway.gateway.admin._reconciler
        await reconciler.look_once()
        await gateway.advance(5)
        lease, failures = Store.lease_reconciliation, [StoreUnavailable("away"), RuntimeError("a bug")]

        def fails(*arguments: Any) -> Any:
            if failures:
                raise failures.pop()
            return lease(*arguments)

        monkeypatch.setattr(Store, "lease_reconciliation", fails)
        await gateway.advance(200)
        assert not failures
        ((left,),) = await store.ask(lambda session: session.rows("SELECT until_at - :now FROM reconciliations", {}))
        assert left > 80_000
        page.set()
        await asked(gateway)
        assert len(gateway.events()) == 1


async def test_a_store_over_its_limits_takes_no_more_of_a_list(
    vendor: Vendor, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.rows = [entry(1)]
    async with running(config) as gateway:
        monkeypatch.setattr(type(gateway.gateway.store), "full", lambda self: True)
        await asked(gateway)
        assert "over its limits" in (await row(gateway)).error
        assert gateway.events() == []
        monkeypatch.undo()
        await asked(gateway)
        assert len(gateway.events()) == 1


async def test_what_fails_here_is_logged_and_tried_again(
    vendor: Vendor, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store's own errors, and a bug: where the turns are read, and where one source's run begins."""
    vendor.rows = [entry(1)]
    async with running(config) as gateway:
        store = gateway.gateway.store
        for method in ("reconciliations", "lease_reconciliation"):
            for error in (StoreUnavailable("away"), RuntimeError("a bug")):

                def fails(*_: Any, error: Exception = error) -> Any:
                    raise error

                with monkeypatch.context() as patch, structlog.testing.capture_logs() as logs:
                    patch.setattr(type(store), method, fails)
                    await gateway.advance(6)
                name = "background_failed" if method == "reconciliations" else "reconcile"
                assert [one for one in logs if one["event"].startswith(name)], (method, error)
        await asked(gateway)
        assert len(gateway.events()) == 1


async def test_a_run_that_is_asked_for_needs_a_source_with_a_list(config: dict[str, Any], vendor: Vendor) -> None:
    vendor.rows = [entry(1)]
    config["sources"]["hook"] = {"type": "hmac", "header": "x-signature", "keys": ["s" * 32]}
    async with running(config) as gateway:
        ask_now = gateway.gateway.admin._reconciler.ask_now
        with pytest.raises(NotFound, match="did you mean 'live'"):
            await ask_now("liv", None)
        with pytest.raises(Problem, match="has no `reconcile:`"):
            await ask_now("hook", None)
        assert "since 2025-12-31T" in await ask_now("live", timedelta(days=1))
        await asked(gateway)
        assert len(gateway.events()) == 1
