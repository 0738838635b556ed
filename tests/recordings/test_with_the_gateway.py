"""From the YAML to the sink: a recording that began and has no file is told of."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S
from tests.running import Player
from tests.web.admin_api import CONFIG, ask, serve, until

WATCH = """watch:
  - {name: unfinished, when: {type: "recording.*"}, expect: recording.ended, within: 1s}
"""


IN_ORDER = CONFIG.replace("path: events.jsonl}", "path: events.jsonl, delivery: {order: stream}}")


@pytest.mark.plain_rows  # the installed command knows no key
def test_what_does_not_come_reaches_the_sinks_of_its_routes(tmp_path: Path) -> None:
    with serve(tmp_path, config=IN_ORDER + WATCH) as served:
        assert served.post(Player().body(number=1)).status == 200
        (item,) = until(
            served,
            "/events?type=recording.overdue",
            lambda page: [one for one in page["items"] if one["deliveries"].get("delivered")],
        )["items"]
        detail = ask(served, f"/events/{item['ref']}").json()
        assert detail["event"]["data"]["extra"]["watch"] == "unfinished"
        (recording,) = ask(served, "/recordings?missing=true").json()["items"]
        assert (detail["session"], recording["missing"]) == (recording["id"], ["recording.ended"])
        served.ask()
        served.result()
    assert "recording.overdue" in (tmp_path / "events.jsonl").read_text()
    with closing(sqlite3.connect(tmp_path / "gateway.db")) as store:
        keys = store.execute("SELECT DISTINCT order_key FROM deliveries WHERE sink = 'file'").fetchall()
    assert keys == [(f"live {detail['item']['subject']}",)], "its place among its stream's deliveries"
    show = [sys.executable, "-m", "gateway", "-c", tmp_path / "gateway.yaml", "events", "show", detail["item"]["ref"]]
    told = subprocess.run(show, capture_output=True, text=True, check=True, timeout=PATIENCE_S).stdout
    assert "The gateway noticed it." in told
    assert "callback" not in told.partition("{")[0]
    assert "vendor's bytes" not in told
