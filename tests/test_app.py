"""What readiness says of the parts, on a real store."""

from __future__ import annotations

from pathlib import Path

from gateway.app import Gateway
from gateway.config.load import load

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
