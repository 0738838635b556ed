"""A source whose own code for its vendor's list fails in an unusual way, or never answers, is told of and asked again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.reconcile import vendor_call
from gateway.testing import running
from plugins.sources.huawei_live.source import HuaweiLive
from tests.reconcile.conftest import Configured
from tests.reconcile.test_runs import row
from tests.reconcile.vendor import Vendor, asked, entry


class Panic(BaseException):
    """What a library written in Rust raises."""


async def _never(*_: Any) -> Any:
    await asyncio.Event().wait()


def _raising(error: BaseException) -> Any:
    async def fail(*_: Any) -> Any:
        raise error

    return fail


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (_never, "the vendor's list did not come within 0.01 s"),
        (_raising(Panic("x")), "PluginExit; the log says where"),
        (_raising(SystemExit(3)), "PluginExit; the log says where"),
        (_raising(StopIteration()), "RuntimeError; the log says where"),
        (_raising(asyncio.CancelledError()), "CancelledError; the log says where"),
    ],
    ids=["never", "panic", "exit", "stop", "cancelled"],
)
async def test_it_is_told_and_asked_again(
    broken: Any, said: str, vendor: Vendor, configured: Configured, lite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.rows = [entry(1)]
    async with running(configured(lite)) as gateway:
        with monkeypatch.context() as patch:
            patch.setattr(HuaweiLive, "list_recordings", broken)
            patch.setattr(vendor_call, "LIST_SECONDS_MAX", 0.01)
            await asked(gateway)
        assert (await row(gateway)).error == said
        await gateway.advance(2 * 3600)
        await asked(gateway)
        assert (await row(gateway)).error is None
        assert len(gateway.events()) == 1
