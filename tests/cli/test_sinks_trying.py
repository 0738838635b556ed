"""`gateway sinks test` sends one marked message; `gateway sinks preview` shows what would be sent, and sends nothing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.cli import no_side_effects
from gateway.model import EVENT_TYPES
from gateway.signing.standard_webhooks import verify_webhook
from gateway.testing.factories import callback
from plugins.sources.huawei_live import HuaweiLive, HuaweiLiveOptions
from tests.cli.conftest import KEY, Cli
from tests.running import Receiver, receiving

SECRET = "whsec_" + "b2xkLXNlY3JldC1vbGQtc2VjcmV0LW9sZC0x"
OWN_KEY = "the-receivers-own-key-0123456789"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


PLUGINS = """\
import socket, sqlite3, subprocess
from gateway import Sink


class Broken(Sink):
    type = "broken"

    async def deliver(self, delivery):
        self.log.warning("about_to_break", stream=delivery.event.stream)
        raise RuntimeError("plugin\\x1b[31m canary")


class Shut(Sink):
    type = "shut"

    async def open(self):
        raise OSError("will not open")

    async def deliver(self, delivery):
        return "never"


class Silent(Sink):
    type = "silent"

    async def deliver(self, delivery):
        return "done"


class Direct(Sink):
    type = "direct"

    async def deliver(self, delivery):
        match delivery.event.type:
            case "recording.started":
                socket.create_connection(("127.0.0.1", PORT), 1).close()
            case "recording.ended":
                subprocess.run(["touch", "ran"])
            case "recording.failed":
                open("ran", "w").close()
            case "recording.unknown":
                sqlite3.connect("ran").close()
            case _:
                socket.getaddrinfo("example.com", 80)
        return "reached"


class Several(Sink):
    type = "several"

    async def deliver(self, delivery):
        await self.http.get("URL/token", headers={"x-api-key": "k"})
        await self.http.post("URL/send", content="line\\x1b one\\nline two")
"""


@pytest.fixture
def place(folder: Path, receiver: Receiver) -> Path:
    port = str(receiver.port)
    (folder / "mine.py").write_text(PLUGINS.replace("PORT", port).replace("URL", receiver.url))
    (folder / "gateway.yaml").write_text(f"""\
plugins: [./mine.py]
store: sqlite:///gateway.db
sources:
  live: {{type: huawei-live, keys: [{KEY}], sign_type: hmac-sha256-fields}}
sinks:
  app:
    type: forward
    url: {receiver.url}/in?token=url-canary-token
    sign: {{secrets: ["{SECRET}"]}}
    headers: {{Authorization: Bearer header-canary, X-Short: abc}}
    delivery: {{timeout: 5s}}
  raw: {{type: forward, url: {receiver.url}, body: raw}}
  vendor:
    type: forward
    url: {receiver.url}
    body: huawei-live
    sign: {{scheme: huawei-live, key: {OWN_KEY}}}
  certified: {{type: forward, url: https://127.0.0.1:1/, ca: gone.pem}}
  job: {{type: exec, command: [touch, ran], environment: {{GATEWAY_PIN: "12345"}}}}
  lines: {{type: file, path: recordings.jsonl}}
  screen: {{type: console}}
  chat: {{type: chat, service: feishu, url: {receiver.url}/hook/chat-canary-token, secret: chat-canary-secret}}
  phone: {{type: apprise, url: "ntfy://127.0.0.1:{port}/phone-canary-topic"}}
  broken: {{type: broken}}
  shut: {{type: shut}}
  silent: {{type: silent}}
  direct: {{type: direct}}
  several: {{type: several}}
routes:
  - {{to: [app, raw, vendor, certified, job, lines, screen, chat, phone, broken, shut, silent, direct, several]}}
""")
    return folder


# -- test


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


# -- preview


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
