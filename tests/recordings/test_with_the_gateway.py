"""From the YAML to the sink: a recording that began and has no file is told of."""

from __future__ import annotations

from pathlib import Path

from tests.running import Player
from tests.web.admin_api import CONFIG, ask, serve, until

WATCH = """watch:
  - {name: unfinished, when: {type: "recording.*"}, expect: recording.ended, within: 1s}
"""


def test_what_does_not_come_reaches_the_sinks_of_its_routes(tmp_path: Path) -> None:
    with serve(tmp_path, config=CONFIG + WATCH) as served:
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
