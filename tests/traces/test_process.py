"""The command itself: what `serve` exports when it ends, and goes on with when it starts again."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

from tests.patience import PATIENCE_S
from tests.running import KEY, Player, Running, receiving
from tests.traces.collector import collector
from tests.traces.test_one_trace import INBOUND, PARENT, TRACE


def test_serve_exports_at_its_end_and_a_trace_goes_on_after_the_next_start(tmp_path: Path) -> None:
    config = (
        f"sources:\n  live: {{type: huawei-live, keys: ['{KEY}'], domains: [push.example.com], apps: [live]}}\n"
        "sinks:\n  app: {type: forward, url: 'http://127.0.0.1:%d/in', delivery: {retry: {initial: 1s}}}\n"
        "routes: [{to: app}]\n"
    )
    with collector() as spans, receiving(answer=500) as receiver:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": spans.url, "OTEL_BSP_SCHEDULE_DELAY": "3600000"}
        running = Running(tmp_path / "one", config % receiver.port, environ=environ)
        with running:
            assert running.post(Player().body(), headers=INBOUND)[0] == 200
            assert receiver.wait_for(lambda seen: len(seen.requests) >= 1)
            metrics = (
                urllib.request.urlopen(f"http://127.0.0.1:{running.admin}/metrics", timeout=PATIENCE_S).read().decode()
            )
            assert "\nrecording_gateway_ready 1.0\n" in metrics
            assert running.stop() == 0
        [callback] = spans.wait("POST", 1)
        spans.wait("deliver app", 1)
        receiver.answer = 200
        failed = len(receiver.requests)
        with running:
            assert receiver.wait_for(lambda seen: len(seen.requests) > failed)
            assert running.stop() == 0
        attempts = spans.wait("deliver app", failed + 1)
    assert (callback["trace"], callback["parent"]) == (TRACE, PARENT)
    assert {attempt["parent"] for attempt in attempts} == {callback["id"]}
    assert [attempt["error"] for attempt in attempts] == [True] * failed + [False]
    lines = [json.loads(line) for line in running.log.splitlines() if line.startswith("{")]
    told = [line for line in lines if line["event"] in ("event", "attempt")]
    assert {line["trace_id"] for line in told} == {TRACE}
    assert [line["span_id"] for line in told if line["event"] == "event"] == [callback["id"]]
    assert {line["span_id"] for line in told if line["event"] == "attempt"} == {attempt["id"] for attempt in attempts}
