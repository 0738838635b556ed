"""What was counted while the store was away is stored when it is there again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.admin import news_exchange
from gateway.errors import StoreUnavailable
from gateway.store.admin import key_uses, minutes
from tests.web.admin_api import ask, fill, serve, until


@pytest.mark.parametrize(
    ("away", "write"), [(minutes, "write_minutes"), (key_uses, "write_uses")], ids=["minutes", "uses of keys"]
)
def test_nothing_that_was_counted_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, away: Any, write: str
) -> None:
    put, failed = getattr(away, write), []

    def fails_twice(*arguments: Any) -> None:
        if len(failed) < 2:
            failed.append(arguments)
            raise StoreUnavailable("the disk is away")
        put(*arguments)

    monkeypatch.setattr(news_exchange, "COUNTS_SECONDS", 0.02)
    monkeypatch.setattr(away, write, fails_twice)
    with serve(tmp_path) as served:
        fill(served)
        until(served, "/overview?window=1h", lambda seen: seen["last_1h"]["arrived"] == 3)
        until(served, "/sources/live", lambda source: source["keys"][0]["last_used_at"] is not None)
        assert len(failed) == 2
        assert ask(served, "/overview?window=1h").json()["last_1h"]["arrived"] == 3
        served.ask()
        served.result()
