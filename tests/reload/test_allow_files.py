"""The networks of a file are taken while the gateway runs; a file that is broken changes nothing, and says where."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.patience import until
from tests.running import Player
from tests.web.admin_api import CONFIG, post, run_in, serve

LISTED = CONFIG.replace("apps: [live]}", "apps: [live], allow_from: [192.0.2.1, {file: vendor.txt}]}").replace(
    "server: {port: 0}", "server: {port: 0, trusted_proxies: [127.0.0.1]}"
)


@pytest.mark.wide  # two looks at a file lie a second apart
def test_a_list_that_changes_is_taken_and_one_that_is_broken_is_not(tmp_path: Path) -> None:
    path = tmp_path / "vendor.txt"
    path.write_text("203.0.113.0/24  # the vendor's\n")
    player = Player()
    with serve(tmp_path, config=LISTED) as served:

        def status(address: str) -> int:
            return served.post(player.body(), more=f"X-Forwarded-For: {address}\r\n").status

        assert [status(one) for one in ("203.0.113.9", "192.0.2.1", "198.51.100.7")] == [200, 200, 403]
        path.write_text("198.51.100.0/24\n203.0.113.300\n")
        refused = post(served, "/reload")
        assert (refused.status, refused.json()["code"]) == (422, "configuration_invalid")
        (problem,) = refused.json()["problems"]
        assert (problem["file"], problem["line"], problem["path"]) == (str(path), 2, "sources.live.allow_from.1")
        assert "'203.0.113.300'" in problem["message"]
        assert [status(one) for one in ("203.0.113.9", "198.51.100.7")] == [200, 403]  # the last good one

        async def watch() -> asyncio.Task[None]:
            return asyncio.create_task(served.behind.watch())

        watching = run_in(served, watch())
        path.write_text("198.51.100.0/24\n")
        until(lambda: status("198.51.100.7") == 200)
        assert status("203.0.113.9") == 403
        served.loop.call_soon_threadsafe(watching.cancel)
        served.ask()
        served.result()
