"""`gateway sinks test` sends one marked message, as the gateway would, and says what came back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.model import EVENT_TYPES
from gateway.signing.standard_webhooks import verify_webhook
from gateway.testing.factories import callback
from plugins.sources.huawei_live import HuaweiLive, HuaweiLiveOptions
from tests.cli.conftest import KEY, Cli
from tests.running import Receiver

from .conftest import OWN_KEY, SECRET


def test_a_marked_message_is_sent_as_the_gateway_would_and_the_answer_is_told(
    place: Path, cli: Cli, receiver: Receiver
) -> None:
    said = cli("sinks", "test", "app").stdout
    assert said.startswith("app: delivered in ")
    assert said.endswith(" ms: HTTP 200\n")
    [(headers, body)] = receiver.requests
    event = json.loads(body)
    assert verify_webhook(body, headers, SECRET) == event["id"]
    assert (event["type"], event["source"], event["data"]["stream"]) == (
        "recording.file.completed",
        "/sources/test",
        "test-message",
    )
    assert "nothing was recorded" in event["data"]["extra"]["test"]
    assert headers["recording-gateway-source"] == "test"
    assert not (place / "gateway.db").exists()


def test_the_receipt_of_a_sink_that_says_what_follows_is_told(place: Path, cli: Cli) -> None:
    assert cli("sinks", "test", "followed").stdout.endswith(" ms: kept twice\n")


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_a_message_of_every_type_can_be_sent_and_each_is_new(
    kind: str, place: Path, cli: Cli, receiver: Receiver
) -> None:
    cli("sinks", "test", "app", "--type", kind)
    cli("sinks", "test", "app", "--type", kind)
    first, second = (json.loads(body) for _, body in receiver.requests)
    assert first["type"] == second["type"] == kind
    assert first["id"] != second["id"]


def test_sinks_that_pass_the_vendors_bytes_on_get_some(place: Path, cli: Cli, receiver: Receiver) -> None:
    cli("sinks", "test", "raw")
    cli("sinks", "test", "vendor")
    (_, raw), (_, afresh) = receiver.requests
    now = datetime.now(UTC)
    for key, body in ((KEY, raw), (OWN_KEY, afresh)):
        source = HuaweiLive("x", HuaweiLiveOptions.model_validate({"keys": [key]}))
        assert source.verify(callback(body, received_at=now)).scheme == "hmac-sha256-fields"


def test_without_a_source_there_is_a_sample(place: Path, cli: Cli, receiver: Receiver) -> None:
    text = (place / "gateway.yaml").read_text()
    (place / "gateway.yaml").write_text(text.replace(text[text.index("sources:") : text.index("sinks:")], ""))
    cli("sinks", "test", "app")
    cli("sinks", "test", "raw")
    assert receiver.requests[1][1] == b"{}"


@pytest.mark.parametrize(
    ("status", "outcome"), [(400, "refused"), (401, "unavailable"), (503, "not delivered"), (302, "unavailable")]
)
def test_whatever_else_comes_back_is_told_with_exit_code_1(
    status: int, outcome: str, place: Path, cli: Cli, receiver: Receiver
) -> None:
    receiver.answer = status
    said = cli("sinks", "test", "app", code=1)
    assert said.stdout == ""
    assert f"app: {outcome} in " in said.stderr
    assert f"HTTP {status} from 127.0.0.1" in said.stderr
    assert "canary" not in said.stderr


def test_other_kinds_of_sinks_are_tried_as_well(place: Path, cli: Cli) -> None:
    assert "job: delivered" in cli("sinks", "test", "job").stdout
    assert (place / "ran").exists()
    assert "lines: delivered" in cli("sinks", "test", "lines").stdout
    assert json.loads((place / "recordings.jsonl").read_text())["source"] == "/sources/test"
    lines = cli("sinks", "test", "screen").stdout.splitlines()
    assert "recording.file.completed" in lines[0]
    assert lines[1].startswith("screen: delivered")


def test_a_plugin_that_breaks_and_a_sink_that_does_not_open_say_why(place: Path, cli: Cli) -> None:
    said = cli("sinks", "test", "broken", code=1).stderr
    assert "about_to_break  sink=broken stream=test-message" in said
    assert "Error: broken: failed in " in said
    assert "RuntimeError: plugin\\x1b[31m canary" in said
    assert "shut: failed" in cli("sinks", "test", "shut", code=1).stderr
    assert "TLS files" in cli("sinks", "test", "certified", code=1).stderr


def test_what_cannot_be_tried_is_wrong_use(place: Path, cli: Cli) -> None:
    assert "did you mean 'app'" in cli("sinks", "test", "ap", code=2).stderr
    assert "did you mean" in cli("sinks", "test", "app", "--type", "recording.fail", code=2).stderr
    assert "did you mean 'app'" in cli("sinks", "preview", "ap", code=2).stderr
