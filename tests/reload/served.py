"""A running gateway whose configuration is written anew."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.patience import PATIENCE_S
from tests.running import KEY, Receiver, Running

TOKEN = "demo-operate-0123456789abcdef0123456789"


READER = "demo-reader-0123456789abcdef01234567890"


SOURCE = f"sources:\n  live: {{type: huawei-live, keys: ['{KEY}'], domains: [push.example.com], apps: [live]}}\n"


TOKENS = f"tokens: [{{name: deploy, token: {TOKEN}, role: operate}}, {{name: look, token: {READER}}}]"


def config(receiver: Receiver, *, to: str = "app", sinks: str = "", path: str = "in") -> str:
    return (
        SOURCE
        + f"sinks:\n  app: {{type: forward, url: 'http://127.0.0.1:{receiver.port}/{path}', delivery: {{retry: {{initial: 100ms, max: 1s}}}}}}\n"
        + f"  archive: {{type: file, path: archive.jsonl}}\n{sinks}routes:\n  - {{name: all, to: [{to}]}}\n"
    )


def running_with_tokens(folder: Path, text: str) -> Running:
    running = Running(folder, text)
    running.path.write_text(running.path.read_text().replace("admin: {", f"admin: {{{TOKENS}, "))
    running.arguments = ("--no-watch",)  # so that only the test decides when
    return running


def write(running: Running, old: str, new: str) -> None:
    text = running.path.read_text()
    assert old in text
    beside = running.path.with_suffix(".new")
    beside.write_text(text.replace(old, new))
    beside.chmod(0o600)
    beside.replace(running.path)


def ask(running: Running, token: str | None = TOKEN, **headers: str) -> tuple[int, dict[str, Any]]:
    sent = {**({"Authorization": f"Bearer {token}"} if token else {}), **headers}
    request = urllib.request.Request(f"http://127.0.0.1:{running.admin}/api/v1/reload", method="POST", headers=sent)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())
