"""One callback of each vendor, signed as the vendor signs, through a real gateway: one normal form in one table."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.plugin import Scene
from tests.running import Running
from tests.sources.vendors import NEEDED, URL, make

FINISHED = {
    "huawei-live": "RECORD_FILE_COMPLETE",
    "standard-webhooks": "recording.file.completed",
    "hmac": "rec.done",
    "tencent-css": "100",
    "alibaba-live": "record_file",
    "volcengine-live": "record",
    "mux": "video.asset.live_stream_completed",
    "cloudflare-stream": "ready",
    "livekit": "egress_ended",
    "agora": "31",
    "zoom": "recording.completed",
    "twilio": "completed",
}
"""What each vendor sends when a file is finished."""


def configured(folder: Path) -> str:
    sources = {name: {"type": name, **options} for name, options in NEEDED.items()}
    config = {
        "sources": sources,
        "sinks": {"table": {"type": "database", "url": f"sqlite:///{folder}/rows.db"}},
        "routes": [{"to": ["table"]}],
    }
    return (
        json.dumps(config)[1:-1]
        .replace('"sources":', "sources:", 1)
        .replace(', "sinks":', "\nsinks:")
        .replace(', "routes":', "\nroutes:")
    )


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("table")
    with Running(folder, configured(folder), environ={"GATEWAY_CONFIG": ""}) as running:
        yield running


def test_send_plays_each_vendor_and_each_becomes_a_row_of_one_table(gateway: Running) -> None:
    import time

    for name, type in FINISHED.items():
        gateway.cli("send", "--source", name, "--type", type)
    until = time.monotonic() + 30
    rows: list[dict[str, Any]] = []
    while len(rows) < len(FINISHED) and time.monotonic() < until:
        rows = _rows(gateway.folder / "rows.db")
    assert {row["source"] for row in rows} == set(FINISHED)
    for row in rows:
        assert row["event_type"] if "event_type" in row else row["type"]
        assert row["source"] == "standard-webhooks" or row["provider"] == row["source"]
        kind = row.get("type") or row.get("event_type")
        expected = "recording.unknown" if row["source"] == "volcengine-live" else "recording.file.completed"
        assert kind == expected
        assert row["stream"], row["source"]
        if row["source"] != "volcengine-live":
            assert row["download_url"] or row["play_url"] or row["storage_key"], row["source"]


@pytest.mark.parametrize("name", FINISHED)
def test_a_tampered_callback_of_each_vendor_is_refused_at_the_door(gateway: Running, name: str) -> None:
    from datetime import UTC, datetime

    source = make(name)
    played = source.play(Scene(type=FINISHED[name], number=5, now=datetime.now(UTC), tampered=True))
    status, answer = gateway.post(played.body, f"/hooks/{name}", played.headers)
    assert (status, answer["code"]) == (401, "signature_mismatch")


@pytest.mark.parametrize("name", ["twilio", "livekit"])
def test_a_media_type_that_the_vendor_does_not_send_is_refused(gateway: Running, name: str) -> None:
    status, answer = gateway.post(b"x", f"/hooks/{name}", {"content-type": "text/plain"})
    assert (status, answer["code"]) == (415, "unsupported_media_type")


def test_a_question_of_zoom_is_answered_only_after_its_signature(gateway: Running) -> None:
    from datetime import UTC, datetime

    source = make("zoom")
    scene = Scene(type="endpoint.url_validation", number=1, now=datetime.now(UTC))
    played = source.play(scene)
    status, answer = gateway.post(played.body, "/hooks/zoom", played.headers)
    assert (status, sorted(answer)) == (200, ["encryptedToken", "plainToken"])
    status, answer = gateway.post(played.body, "/hooks/zoom")
    assert (status, answer["code"]) == (401, "signature_missing")
    assert "encryptedToken" not in answer


def test_the_url_of_twilio_is_the_configured_one_whatever_the_request_says(gateway: Running) -> None:
    from datetime import UTC, datetime

    assert "hooks.example.com" in URL
    played = make("twilio").play(Scene(type="absent", number=9, now=datetime.now(UTC)))
    status, _ = gateway.post(played.body, "/hooks/twilio?bodySHA256=x", {**played.headers, "x-forwarded-proto": "http"})
    assert status == 200


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    with contextlib.closing(sqlite3.connect(path, timeout=5)) as database:
        database.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in database.execute("select * from recordings")]
        except sqlite3.OperationalError:  # the table is not made yet
            return []
