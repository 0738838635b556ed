"""What the private listener makes of one event with many files is made in a thread: answers, pages, the tester."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.config.load import load
from gateway.web.api import responses
from gateway.web.pages import story
from gateway.web.pages.render import render
from tests.running import Player
from tests.web.doors import Served
from tests.web.pages.browser import OPERATE, Browser
from tests.web.pages.conftest import CONFIG


def test_no_answer_and_no_page_is_written_by_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: dict[str, set[str]] = {"answer": set(), "page": set(), "story": set()}

    def watched(name: str, usual: Any) -> Any:
        def work(*args: Any, **more: Any) -> Any:
            threads[name].add(threading.current_thread().name)
            return usual(*args, **more)

        return work

    monkeypatch.setattr(responses, "_written", watched("answer", responses._written))
    monkeypatch.setattr("gateway.web.pages.visit.render", watched("page", render))
    monkeypatch.setattr("gateway.web.pages.events.story_of", watched("story", story.story_of))
    path = tmp_path / "gateway.yaml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    gateway: Any = Gateway(load(path, environ={}))
    with Served(gateway) as served:
        assert served.post(Player().body(number=1)).status == 200
        browser = Browser(served)
        assert browser.sign_in().status == 303
        asking = {"Authorization": f"Bearer {OPERATE}"}
        (event,) = browser.ask("GET", "/api/v1/events", b"", asking).json()["items"]
        for page in ("/", "/events", f"/events/{event['id']}", "/deliveries", "/route", "/config", "/nowhere"):
            browser.get(page)
        browser.ask("GET", f"/api/v1/events/{event['id']}", b"", asking)
        served.ask()
        served.result()
    for name, where in threads.items():
        assert where, name
        assert "served" not in where, name  # the thread of the loop
