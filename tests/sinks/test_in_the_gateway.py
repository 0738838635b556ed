"""Sinks inside the running program: what only a real gateway shows."""

from __future__ import annotations

import json
from pathlib import Path

from tests.patience import until
from tests.running import KEY, Player, Running, receiving

OWN = "the-second-gateways-own-key-0123456789"
SOURCE = (
    "sources:\n  live: {{type: huawei-live, keys: ['{key}'], sign_type: hmac-sha256-fields, min_trust: fields,"
    " domains: [push.example.com], apps: [live]}}\n"
)


def test_a_second_gateway_takes_the_vendors_callbacks_from_the_first_signed_afresh(tmp_path: Path) -> None:
    """The second is a receiver that was written for the vendor, and knows another key than the first."""
    with (
        receiving() as receiver,
        Running(
            tmp_path / "second",
            SOURCE.format(key=OWN)
            + f"sinks:\n  app: {{type: forward, url: 'http://127.0.0.1:{receiver.port}/'}}\nroutes: [{{to: app}}]\n",
        ) as second,
        Running(
            tmp_path / "first",
            SOURCE.format(key=KEY)
            + "sinks:\n  second:\n    type: forward\n    body: huawei-live\n"
            + f"    url: http://127.0.0.1:{second.port}/hooks/live\n    sign: {{scheme: huawei-live, key: {OWN}}}\n"
            + "routes: [{to: second}]\n",
        ) as first,
    ):
        player = Player()
        types = ("RECORD_START", "RECORD_NEW_FILE_START", "RECORD_FILE_COMPLETE", "RECORD_OVER", "RECORD_FAILED")
        for type in types:
            body = player.body(type)
            assert first.post(body)[0] == 200
            assert second.post(body)[0] == 401
        assert receiver.wait_for(lambda seen: len(seen.requests) == len(types))
        for headers, body in receiver.requests:
            event = json.loads(body)
            assert headers["recording-gateway-trust"] == event["trust"] == "fields"
        assert len({headers["webhook-id"] for headers, _ in receiver.requests}) == len(types)
        [one] = first.listing("deliveries", "list", "--limit", "1")
        assert one["state"] == "delivered"


def test_a_program_that_takes_too_long_is_ended_and_tried_again_and_nothing_of_it_stays(tmp_path: Path) -> None:
    script = "#!/bin/sh\nsleep 600 &\necho $! > child.$GATEWAY_ATTEMPT\nif [ $GATEWAY_ATTEMPT = 1 ]; then wait; fi\n"
    config = (
        SOURCE.format(key=KEY)
        + "sinks:\n  job:\n    type: exec\n    command: [./job.sh]\n"
        + "    delivery: {timeout: 1s, retry: {initial: 100ms, max: 1s}}\nroutes: [{to: job}]\n"
    )
    running = Running(tmp_path / "one", config)
    (running.folder / "job.sh").write_text(script)
    (running.folder / "job.sh").chmod(0o755)
    with running:
        assert running.post(Player().body())[0] == 200
        until(
            lambda: running.listing("deliveries", "list")[0]["state"] == "delivered", said=lambda: running.log[-2000:]
        )
        assert running.listing("deliveries", "list")[0]["attempts"] == 2
        assert "no answer within 1 s" in running.cli("deliveries", "show", "1")
        for attempt in (1, 2):
            assert not _lives(int((running.folder / f"child.{attempt}").read_text()))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
