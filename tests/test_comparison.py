"""docs/comparison.md: what it says of a script of sixty lines is shown with that script, beside the gateway."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.config.document.diagnostics import ConfigError
from gateway.config.load import load
from gateway.testing import running
from tests.patience import PATIENCE_S, until
from tests.ports import free_port
from tests.running import Player, Receiver, receiving

PAGE = Path(__file__).resolve().parent.parent / "docs/comparison.md"
TEXT = PAGE.read_text()
KEY = "a-key-of-the-vendors-console-0123456789"
SIGNED = ("auth_timestamp", "event_type", "publish_domain", "app", "stream", "download_url", "play_url")
CONFIG: dict[str, Any] = {
    "sources": {
        "live": {
            "type": "huawei-live",
            "keys": [KEY],
            "min_trust": "fields",
            "domains": ["push.example.com"],
            "apps": ["live"],
        }
    },
    "sinks": {"app": {"type": "recorder"}},
    "routes": [{"to": ["app"]}],
}


def script() -> str:
    [found] = re.findall(r"^```python\n# script.py\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    return str(found)


def callback(expires: int, **changes: Any) -> dict[str, Any]:
    said = {
        "event_type": "RECORD_FILE_COMPLETE",
        "publish_domain": "push.example.com",
        "app": "live",
        "stream": "main",
        "job_id": "job-1",
        "download_url": "https://cdn.example.com/a.mp4",
        "auth_timestamp": str(expires),
    } | changes
    text = "".join(str(said.get(name, "")) for name in SIGNED)
    return said | {"auth_sign": hmac.new(KEY.encode(), text.encode(), hashlib.sha256).hexdigest()}


class Script:
    """The script as it stands, in a process of its own."""

    def __init__(self, folder: Path, target: str, key: str) -> None:
        (folder / "script.py").write_text(script())
        self.port = free_port()
        environ = {**os.environ, "KEY": key, "TARGET": target, "PORT": str(self.port)}
        self.process = subprocess.Popen(
            [sys.executable, "script.py"], cwd=folder, env=environ, stderr=subprocess.DEVNULL
        )
        until(self._listens, said=lambda: "the script does not listen")

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S):
            return True
        return False

    def post(self, said: Any) -> int | None:
        """The status; None: no answer at all."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request("POST", "/", said if isinstance(said, bytes) else json.dumps(said).encode())
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_S)


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Callable[..., Script]]:
    made: list[Script] = []

    def make(target: str, key: str = KEY) -> Script:
        made.append(Script(tmp_path, target, key))
        return made[-1]

    yield make
    for one in made:
        one.kill()


@pytest.fixture
def target() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def url(receiver: Receiver) -> str:
    return f"http://127.0.0.1:{receiver.port}/"


def now() -> int:
    return int(time.time())


def test_it_is_as_long_as_it_says() -> None:
    assert 40 <= len(script().splitlines()) <= 60


async def test_a_target_that_is_away(scripted: Callable[..., Script], target: Receiver) -> None:
    target.answer = 503
    made = scripted(url(target))
    assert made.post(callback(now() + 600)) == 200
    assert target.wait_for(lambda one: len(one.requests) == 3)
    target.answer = 200
    assert not target.wait_for(lambda one: len(one.requests) > 3, within=0.5)
    from gateway import Retry

    async with running(CONFIG) as gateway:
        gateway.recorder().answers += [Retry("away")] * 4
        assert (await gateway.post(callback(int(gateway.clock.now().timestamp()) + 600))).status == 200
        await gateway.advance(600)
        assert len(gateway.delivered()) == 1


async def test_a_process_that_is_killed(scripted: Callable[..., Script], target: Receiver) -> None:
    target.answer, target.delay = 503, 0.5  # in trouble and slow, and the script has answered already
    made = scripted(url(target))
    assert made.post(callback(now() + 600)) == 200
    made.kill()
    target.answer = 200
    assert not target.wait_for(lambda one: len(one.requests) > 1, within=1.0)
    from gateway import Retry

    async with running(CONFIG) as gateway:  # kill -9 of the real thing is in tests/test_promises.py
        gateway.recorder().otherwise = Retry("slow")
        await gateway.post(callback(int(gateway.clock.now().timestamp()) + 600))
        await gateway.restart()
        await gateway.advance(600)
        assert len(gateway.delivered()) == 1


async def test_a_second_try_of_the_vendor(scripted: Callable[..., Script], target: Receiver) -> None:
    made = scripted(url(target))
    assert [made.post(callback(now() + 600)) for _ in range(2)] == [200, 200]
    assert target.wait_for(lambda one: len(one.requests) == 2)
    async with running(CONFIG) as gateway:
        said = callback(int(gateway.clock.now().timestamp()) + 600)
        assert [(await gateway.post(said)).json()["status"] for _ in range(2)] == ["accepted", "duplicate"]
        assert len(gateway.delivered()) == 1


async def test_an_expired_callback(scripted: Callable[..., Script], target: Receiver) -> None:
    assert scripted(url(target)).post(callback(now() - 86400)) == 200
    async with running(CONFIG) as gateway:
        answer = await gateway.post(callback(int(gateway.clock.now().timestamp()) - 86400))
        assert (answer.status, answer.json()["code"]) == (401, "signature_expired")


async def test_text_that_moves_between_signed_fields(scripted: Callable[..., Script], target: Receiver) -> None:
    def moved(said: dict[str, Any]) -> dict[str, Any]:
        return said | {"stream": said["stream"] + said["download_url"], "download_url": ""}

    assert scripted(url(target)).post(moved(callback(now() + 600))) == 200
    async with running(CONFIG) as gateway:
        answer = await gateway.post(moved(callback(int(gateway.clock.now().timestamp()) + 600)))
        assert (answer.status, answer.json()["code"]) == (401, "trust_too_low")


def test_an_empty_key(scripted: Callable[..., Script], target: Receiver, tmp_path: Path) -> None:
    said = callback(now() + 600)
    text = "".join(str(said.get(name, "")) for name in SIGNED)
    forged = said | {"auth_sign": hmac.new(b"", text.encode(), hashlib.sha256).hexdigest()}
    assert scripted(url(target), key="").post(forged) == 200
    file = tmp_path / "gateway.yaml"
    file.write_text("version: 1\nsources: {live: {type: huawei-live, keys: ['${KEY}']}}\n")
    file.chmod(0o600)
    with pytest.raises(ConfigError):
        load(file, environ={"KEY": ""})


async def test_a_body_that_is_no_json(scripted: Callable[..., Script], target: Receiver) -> None:
    assert scripted(url(target)).post(b"{") is None
    async with running(CONFIG) as gateway:
        answer = await gateway.post(b"{")
        assert (answer.status, answer.json()["code"]) == (400, "malformed_body")


def test_each_row_of_the_table_has_a_test() -> None:
    table = TEXT.split("| | the script | the gateway |")[1].split("\n\n")[0]
    tests = [name for name in globals() if re.match(r"test_(a|an|text)_", name)]
    assert len(re.findall(r"^\| (?!---)", table, re.MULTILINE)) == len(tests) == 7


def test_the_player_and_the_page_sign_alike() -> None:
    said = json.loads(Player(keys=[KEY]).body())
    text = "".join(str(said.get(name, "")) for name in SIGNED)
    assert said["auth_sign"] == hmac.new(KEY.encode(), text.encode(), hashlib.sha256).hexdigest()
