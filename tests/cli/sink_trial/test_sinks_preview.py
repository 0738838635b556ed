"""`gateway sinks preview` shows what would be sent, and sends nothing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

from gateway.cli import no_side_effects
from gateway.model import EVENT_TYPES
from tests.cli.conftest import Cli
from tests.running import Receiver

from .conftest import SECRET


def test_the_request_is_shown_whole_without_its_secrets_and_not_sent(place: Path, cli: Cli, receiver: Receiver) -> None:
    result = cli("sinks", "preview", "app")
    head, _, body = result.stdout.partition("\n\n")
    lines = head.splitlines()
    assert lines[0] == f"POST {receiver.url}/in?token=********"
    shown = dict(line.split(": ", 1) for line in lines[1:])
    assert shown["content-type"] == "application/cloudevents+json"
    assert shown["webhook-signature"] == shown["authorization"] == shown["x-short"] == "********"
    assert json.loads(body)["data"]["stream"] == "test-message"
    assert "Nothing was sent." in result.stderr
    assert SECRET[6:] not in result.output
    assert "canary" not in result.output
    assert receiver.connections == 0


def test_the_event_may_be_described_in_a_file(place: Path, cli: Cli) -> None:
    (place / "event.json").write_text(json.dumps({"type": "recording.failed", "stream": "vip-7"}))
    body = cli("sinks", "preview", "app", "--event", "event.json").stdout.partition("\n\n")[2]
    said = json.loads(body)
    assert (said["type"], said["data"]["stream"], said["source"]) == ("recording.failed", "vip-7", "/sources/live")
    assert "not JSON" in cli("sinks", "preview", "app", "--event", "-", input="{", code=2).stderr
    assert "one event" in cli("sinks", "preview", "app", "--event", "-", "--type", "x", input="{}", code=2).stderr


def test_a_vendors_callback_is_shown_as_it_would_be_passed_on_without_its_signature(place: Path, cli: Cli) -> None:
    said = {
        "event_type": "RECORD_START",
        "publish_domain": "push.example.com",
        "app": "live",
        "stream": "s",
        "auth_sign": "sign-canary",
        "auth_timestamp": "1",
    }
    (place / "callback.json").write_text(json.dumps(said))
    for sink in ("raw", "vendor"):
        result = cli("sinks", "preview", sink, "--callback", "callback.json", "--source", "live")
        body = json.loads(result.stdout.partition("\n\n")[2])
        assert body == {**said, "auth_sign": "********", "auth_timestamp": "********"}
        assert "recording-gateway-trust: none" in result.stdout


@pytest.mark.parametrize(
    ("sink", "words"),
    [
        ("job", ["command: 'touch' 'ran'", "GATEWAY_PIN=********", "GATEWAY_SOURCE=test", '"stream":"test-message"']),
        ("lines", ['"stream":"test-message"']),
        ("screen", ["recording.failed push.example.com/live/test-message"]),
        ("chat", ['"sign": "********"', "test-message", "POST"]),
        ("phone", ["ntfy:// (failure)", "❌ Recording failed · test-message"]),
        ("several", ["GET http", "x-api-key: ********", "\n\nPOST http", "line\\x1b one\nline two"]),
    ],
)
def test_every_kind_of_sink_shows_what_it_would_do_and_does_nothing(
    sink: str, words: list[str], place: Path, cli: Cli, receiver: Receiver
) -> None:
    before = sorted(place.iterdir())
    result = cli("sinks", "preview", sink, "--type", "recording.failed")
    for word in words:
        assert word in result.stdout
    assert "canary" not in result.output
    assert receiver.connections == 0
    assert sorted(one for one in place.iterdir() if one.name != "__pycache__") == [
        one for one in before if one.name != "__pycache__"
    ]


def test_what_a_sink_would_not_send_is_told_with_exit_code_1(place: Path, cli: Cli) -> None:
    (place / "event.json").write_text(json.dumps({"type": "recording.failed", "trust": "timestamp"}))
    assert "job: refused: the vendor's signature covers `timestamp`" in (
        cli("sinks", "preview", "job", "--event", "event.json", code=1).stderr
    )
    assert "vendor: refused: the vendor's callback cannot be signed afresh" in (
        cli("sinks", "preview", "vendor", "--event", "event.json", code=1).stderr
    )
    assert "shut: failed: OSError: will not open" in cli("sinks", "preview", "shut", code=1).stderr
    assert "no preview of its own" in cli("sinks", "preview", "silent", code=1).stderr


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_a_sink_that_sends_in_a_way_of_its_own_is_kept_from_it(
    kind: str, place: Path, cli: Cli, receiver: Receiver
) -> None:
    result = cli("sinks", "preview", "direct", "--type", kind, code=1)
    assert "which a preview keeps it from" in result.stderr
    assert receiver.connections == 0
    assert not (place / "ran").exists()


def test_a_preview_works_where_the_secrets_are_not(place: Path, cli: Cli) -> None:
    path = place / "gateway.yaml"
    path.write_text(path.read_text().replace(SECRET, "${NO_SUCH_SECRET}"))
    result = cli("sinks", "preview", "app")
    assert "webhook-signature: ********" in result.stdout


def test_after_a_preview_the_process_may_reach_out_again(tmp_path: Path) -> None:
    with no_side_effects.nothing_leaves() as tried:
        with pytest.raises(no_side_effects.Reached):
            (tmp_path / "x").write_text("x")
        with pytest.raises(no_side_effects.Reached):
            os.remove(tmp_path / "x")
        with pytest.raises(no_side_effects.Reached), socket.socket() as one:
            one.connect(("127.0.0.1", 9))
        with open(os.devnull, "w") as nothing:
            nothing.write("x")
        assert Path(__file__).read_bytes()
        (tmp_path / "__pycache__").mkdir(exist_ok=True)
        (tmp_path / "__pycache__" / "x.pyc").write_bytes(b"")
    assert tried == ["open", "os.remove", "socket.connect"]
    (tmp_path / "x").write_text("x")
    subprocess.run(["true"], check=True)


def test_a_source_that_cannot_play_leaves_a_sample(place: Path, cli: Cli) -> None:
    (place / "odd.py").write_text(
        "from gateway import Source\n\n\nclass Odd(Source):\n    type = 'odd'\n    scenes = ('once',)\n\n"
        "    def play(self, scene):\n        raise KeyError('canary')\n\n"
        "    def verify(self, callback): ...\n    def normalise(self, callback, verified): ...\n"
    )
    (place / "odd.py").chmod(0o600)
    path = place / "gateway.yaml"
    text = path.read_text()
    text = text.replace("plugins: [", "plugins: [./odd.py, ")
    path.write_text(text.replace("sources:\n", "sources:\n  first: {type: odd}\n", 1))
    result = cli("sinks", "preview", "app", "--type", "recording.failed")
    assert json.loads(result.stdout.partition("\n\n")[2])["type"] == "recording.failed"
    assert "canary" not in result.output
