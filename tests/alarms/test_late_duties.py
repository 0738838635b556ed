"""A duty that hangs or fails for long is among what needs a person, until it gets through."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from gateway.errors import StoreUnavailable
from gateway.runtime.duty import LATE_SECONDS_MAX
from gateway.store.store import Store
from gateway.testing import running

from .test_alarms import BASE


async def test_a_duty_that_fails_for_long_needs_a_person_until_it_gets_through(monkeypatch: pytest.MonkeyPatch) -> None:
    serving = Store.serving

    def away(*_: object) -> None:
        raise StoreUnavailable("away")

    async with running(BASE) as gateway:

        async def needs() -> list[tuple[str, str]]:
            seen = await gateway.gateway.admin.overview()
            return [(one.kind, one.about) for one in seen.attention]

        with capture_logs():
            monkeypatch.setattr(Store, "serving", away)
            await gateway.advance(LATE_SECONDS_MAX)
            assert await needs() == []
            await gateway.advance(90)
            assert await needs() == [("duty.late", "serving")]
            monkeypatch.setattr(Store, "serving", serving)
            await gateway.advance(70)
            assert await needs() == []
