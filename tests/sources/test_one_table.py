"""One callback of each vendor, signed as the vendor signs, through a real gateway: one normal form in one table."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway import Scene
from tests.patience import until
from tests.running import Running
from tests.sources.vendors import NEEDED, URL, WHSEC, make

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


def configured(folder: Path, port: int) -> str:
    """Every source into one table; two of them also on to another gateway at this port."""
    sign = {"scheme": "standard-webhooks", "secrets": [WHSEC]}
    sections = {
        "sources": {name: {"type": name, **options} for name, options in NEEDED.items()},
        "sinks": {
            "table": {"type": "database", "url": f"sqlite:///{folder}/rows.db"},
            "on": {"type": "forward", "url": f"http://127.0.0.1:{port}/hooks/near", "sign": sign},
        },
        "routes": [{"to": ["table"]}, {"match": {"source": ["mux", "tencent-css"]}, "to": ["on"]}],
    }
    return "\n".join(f"{name}: {json.dumps(section)}" for name, section in sections.items())


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("far")
    sources = {"near": {"type": "standard-webhooks", "secrets": [WHSEC], "keep_ids": True}}
    sinks = {"table": {"type": "database", "url": f"sqlite:///{folder}/rows.db"}}
    config = f"sources: {json.dumps(sources)}\nsinks: {json.dumps(sinks)}\nroutes: [{{to: table}}]"
    with Running(folder, config) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, far: Running) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("near")
    with Running(folder, configured(folder, far.port)) as running:
        yield running


TRUST = {
    "huawei-live": "fields",
    "standard-webhooks": "fields",  # as the sample says that it was at the first gateway
    "tencent-css": "timestamp",
    "alibaba-live": "timestamp",
    "volcengine-live": "timestamp",
}
"""What each signature covered, where it is not the body."""


def test_send_plays_each_vendor_and_each_becomes_a_row_of_one_table(gateway: Running) -> None:
    for name, type in FINISHED.items():
        gateway.cli("send", "--source", name, "--type", type)
    rows = {row["source"]: row for row in _rows(gateway.folder / "rows.db", len(FINISHED))}
    assert rows.keys() == set(FINISHED)
    for name in FINISHED:
        row = rows[name]
        assert row["trust"] == TRUST.get(name, "body")
        assert row["stream"], name
        if name == "volcengine-live":
            assert row["event_type"] == "recording.unknown"
            continue
        assert row["event_type"] == "recording.file.completed"
        assert row["file_index"] == 0
        assert row["provider"] == ("sample" if name == "standard-webhooks" else name)
        assert row["download_url"] or row["play_url"] or row["storage_key"], name
        assert row["format"] or name == "twilio", name  # whose address says nothing of it


def test_what_one_gateway_forwards_to_another_is_the_same_event_there(gateway: Running, far: Running) -> None:
    for name in ("mux", "tencent-css"):
        gateway.cli("send", "--source", name, "--type", FINISHED[name])
    its_own = {"source", "received_at", "stored_at"}
    near: list[dict[str, Any]] = []
    there: list[dict[str, Any]] = []

    def all_came() -> bool:  # each table is written by itself
        nonlocal near, there
        near = [row for row in _rows(gateway.folder / "rows.db", 2) if row["source"] in {"mux", "tencent-css"}]
        there = _rows(far.folder / "rows.db", 2)
        return _without(its_own, near) == _without(its_own, there)

    until(all_came, said=lambda: (near, there))
    assert {row["source"] for row in there} == {"near"}
    assert {row["trust"] for row in there} == {"body", "timestamp"}


def _without(columns: set[str], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kept = [{name: value for name, value in row.items() if name not in columns} for row in rows]
    return sorted(kept, key=lambda row: str(row["event_id"]))


@pytest.mark.parametrize("name", FINISHED)
def test_a_tampered_callback_of_each_vendor_is_refused_at_the_door(gateway: Running, name: str) -> None:
    source = make(name)
    played = source.play(Scene(type=FINISHED[name], number=5, now=datetime.now(UTC), tampered=True))
    status, answer = gateway.post(played.body, f"/hooks/{name}", played.headers)
    assert (status, answer["code"]) == (401, "signature_mismatch")


@pytest.mark.parametrize("name", ["twilio", "livekit"])
def test_a_media_type_that_the_vendor_does_not_send_is_refused(gateway: Running, name: str) -> None:
    status, answer = gateway.post(b"x", f"/hooks/{name}", {"content-type": "text/plain"})
    assert (status, answer["code"]) == (415, "unsupported_media_type")


def test_a_question_of_zoom_is_answered_only_after_its_signature(gateway: Running) -> None:
    source = make("zoom")
    scene = Scene(type="endpoint.url_validation", number=1, now=datetime.now(UTC))
    played = source.play(scene)
    status, answer = gateway.post(played.body, "/hooks/zoom", played.headers)
    assert (status, sorted(answer)) == (200, ["encryptedToken", "plainToken"])
    status, answer = gateway.post(played.body, "/hooks/zoom")
    assert (status, answer["code"]) == (401, "signature_missing")
    assert "encryptedToken" not in answer


def test_the_url_of_twilio_is_the_configured_one_whatever_the_request_says(gateway: Running) -> None:
    assert "hooks.example.com" in URL
    played = make("twilio").play(Scene(type="absent", number=9, now=datetime.now(UTC)))
    status, _ = gateway.post(played.body, "/hooks/twilio?bodySHA256=x", {**played.headers, "x-forwarded-proto": "http"})
    assert status == 200


def _rows(path: Path, least: int) -> list[dict[str, Any]]:
    """The rows of the table, when there are so many."""
    rows: list[dict[str, Any]] = []

    def there() -> bool:
        nonlocal rows
        with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(path)) as database:
            database.row_factory = sqlite3.Row
            rows = [dict(row) for row in database.execute("select * from recordings")]
        return len(rows) >= least

    until(there, said=lambda: rows)
    return rows
