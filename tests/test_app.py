"""What readiness says of the parts, on a real store."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from starlette.datastructures import Headers

from gateway.app import Gateway
from gateway.config.load import load
from gateway.plugin import Callback
from gateway.reload import ReloadRefused
from gateway.store.admin.audit import Actor
from tests.patience import eventually

CONFIG = "version: 1\nstore: {{url: 'sqlite:///gateway.db', limits: {{{limits}}}}}\n"


async def _gateway(folder: Path, limits: str) -> Gateway:
    path = folder / "gateway.yaml"
    path.write_text(CONFIG.format(limits=limits))
    path.chmod(0o600)
    return Gateway(load(path, environ={}))


async def test_a_gateway_that_would_answer_503_for_its_limits_is_not_ready(tmp_path: Path) -> None:
    gateway = await _gateway(tmp_path, "free_disk: 999999GiB")
    await gateway.open()
    assert await gateway.readiness() == (False, {"gateway": "ok", "store": "over its limits", "configuration": "ok"})
    await gateway.close(0.0)


async def test_readiness_follows_the_life_of_the_gateway(tmp_path: Path) -> None:
    gateway = await _gateway(tmp_path, "waiting: 10")
    assert await gateway.readiness() == (False, {"gateway": "starting"})
    await gateway.open()
    assert await gateway.readiness() == (True, {"gateway": "ok", "store": "ok", "configuration": "ok"})
    gateway.stop()
    assert await gateway.readiness() == (False, {"gateway": "stopping"})
    await gateway.close(0.0)


SLOW = """
import asyncio
from pathlib import Path
from gateway import Sink

HERE = Path(__file__).parent

class Slow(Sink):
    type = "slow"

    async def open(self):
        (HERE / "opening").touch()
        while not (HERE / "go on").exists():
            await asyncio.sleep(0)

    async def close(self):
        (HERE / "closed").touch()

    async def deliver(self, delivery): ...
"""


async def test_a_stop_while_a_reload_opens_its_sinks_leaves_what_runs_and_closes_them(tmp_path: Path) -> None:
    gateway = await _gateway(tmp_path, "waiting: 10")
    await gateway.open()
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "slow.py").chmod(0o600)
    path = tmp_path / "gateway.yaml"
    path.write_text(path.read_text() + "plugins: [./slow.py]\nsinks: {fresh: {type: slow}}\n")
    reload = asyncio.ensure_future(gateway.reload(Actor("ana", "here")))
    await eventually((tmp_path / "opening").exists)
    gateway.stop()
    (tmp_path / "go on").touch()
    with pytest.raises(ReloadRefused) as refused:
        await reload
    assert refused.value.code == "stopping"
    assert gateway.sinks == {}
    assert (tmp_path / "closed").exists()
    await gateway.close(0.0)


async def test_a_callback_to_a_gateway_that_is_not_open_is_answered_and_counted(tmp_path: Path) -> None:
    gateway = await _gateway(tmp_path, "waiting: 10")
    path = tmp_path / "gateway.yaml"
    path.write_text(
        path.read_text() + "sources: {live: {type: huawei-live, keys: [demo-0123456789abcdef0123456789abcdef]}}\n"
    )
    gateway = Gateway(load(path, environ={}))
    (endpoint,) = gateway.sources_by_path.values()
    answers: list[object] = []
    callback = Callback("live", "POST", "/hooks/live", Headers(), b"{}", None, gateway.clock.now())
    gateway.take_callback(endpoint, callback, answers.append)
    await gateway.open()
    gateway.stop()
    gateway.take_callback(endpoint, callback, answers.append)
    assert [(one.status, one.code, one.retry_after) for one in answers] == [(503, "stopping", 5)] * 2  # type: ignore[attr-defined]
    refused = gateway.metrics.registry.get_sample_value(
        "recording_gateway_refused_total", {"source": "live", "code": "stopping"}
    )
    assert refused == 2
    await gateway.close(0.0)
