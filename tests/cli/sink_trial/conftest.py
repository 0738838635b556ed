"""A configuration with a sink of every kind, among them plugins that break, stay silent or go their own way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import KEY
from tests.running import Receiver, receiving

SECRET = "whsec_" + "b2xkLXNlY3JldC1vbGQtc2VjcmV0LW9sZC0x"
OWN_KEY = "the-receivers-own-key-0123456789"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


PLUGINS = """\
import socket, sqlite3, subprocess
from gateway import Done, FollowUp, Sink


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


class Followed(Sink):
    type = "followed"

    async def deliver(self, delivery):
        return Done("kept twice", (FollowUp("recording.archived"),))


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
  followed: {{type: followed}}
  direct: {{type: direct}}
  several: {{type: several}}
routes:
  - {{to: [app, raw, vendor, certified, job, lines, screen, chat, phone, broken, shut, silent, followed, direct, several]}}
""")
    return folder
