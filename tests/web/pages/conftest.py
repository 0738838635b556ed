"""A real gateway with its pages, shared by the tests of a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.config.load import load
from tests.running import KEY, Player
from tests.web.doors import Served
from tests.web.pages.browser import OPERATE, READ, Browser

CONFIG = f"""
version: 1
server: {{port: 0}}
admin:
  port: 0
  tokens: [{{name: ops, token: {OPERATE}, role: operate}}, {{name: look, token: {READ}}}]
store: sqlite:///gateway.db
sources:
  live: {{type: huawei-live, keys: ["{KEY}"], domains: [push.example.com], apps: [live]}}
sinks:
  file: {{type: file, path: events.jsonl}}
routes:
  - {{name: all, to: [file]}}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    path = tmp_path_factory.mktemp("pages") / "gateway.yaml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    gateway: Any = Gateway(load(path, environ={}))
    with Served(gateway) as served:
        for number in range(3):
            assert served.post(Player().body(number=number)).status == 200
        assert served.post(b'{"event_type": "RECORD_START"}').status == 401
        yield served
        served.ask()
        served.result()


@pytest.fixture
def browser(served: Served) -> Browser:
    return Browser(served)


@pytest.fixture
def operator(browser: Browser) -> Browser:
    assert browser.sign_in().status == 303
    return browser


@pytest.fixture
def reader(served: Served) -> Browser:
    browser = Browser(served)
    assert browser.sign_in(READ).status == 303
    return browser
