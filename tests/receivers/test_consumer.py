"""The consumer of docs/receivers.md fetches what a running gateway has for it, and says what became of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.web.admin_api import ask
from tests.web.admin_api import serve as serving
from tests.web.pull_api import PULL, PULLING, put


def test_the_consumer_of_the_page_fetches_acknowledges_and_gives_back(
    load: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = load("consumer")
    with serving(tmp_path, config=PULLING) as served:
        host, port = served.addresses.private.sockets[0].getsockname()
        monkeypatch.setenv("GATEWAY_URL", f"http://{host}:{port}")
        monkeypatch.setenv("GATEWAY_TOKEN", PULL)
        monkeypatch.setenv("GATEWAY_SINK", "q")
        put(served, 2)
        seen: list[Any] = []

        def handle(event: Any) -> None:
            seen.append(event)
            if len(seen) == 1:
                raise RuntimeError("no space left")

        consumer.consume(handle, wait=0)
        consumer.consume(handle, wait=5)
        assert len(seen) == 3
        assert {event["type"] for event in seen} == {"recording.file.completed"}
        assert len({event["id"] for event in seen}) == 2
        rows = ask(served, "/deliveries").json()["items"]
        assert {(row["state"], row["last_error"]) for row in rows} == {
            ("delivered", None),
            ("delivered", "no space left"),
        }
        served.ask()
        served.result()
