"""What an alarm told of and what holds still needs a person: `gateway status`, the page and the API say so until it is over."""

from __future__ import annotations

from typing import get_args

import pytest

from gateway.admin.attention import STANDING_LINKS
from gateway.cli.overview_lines import WHAT_TO_DO
from gateway.model import (
    DELIVERY_DEAD,
    EVENT_HELD,
    KEY_EXPIRING,
    REFUSALS,
    RELOAD_REFUSED,
    SINK_DOWN,
    SINK_UP,
    SOURCE_BACK,
    SOURCE_SILENT,
    STORE_LIMIT,
    STORE_OK,
)
from gateway.states import AlarmType
from gateway.store.admin.standing_alarms import STANDING
from gateway.testing.inprocess import running
from gateway.web.pages.overview import ATTENTION
from tests.alarms.configured import BASE

SAID_OTHERWISE = {SINK_DOWN, DELIVERY_DEAD, EVENT_HELD}  # by the rows of sinks, deliveries and events
OVER = {SINK_UP, SOURCE_BACK, STORE_OK}
ANYBODYS = {REFUSALS}  # whoever posts anything makes one, so it needs nobody by itself


@pytest.mark.parametrize("type", get_args(AlarmType))
def test_every_alarm_is_something_that_needs_a_person_or_says_why_not(type: AlarmType) -> None:
    assert (type in STANDING) == (type not in SAID_OTHERWISE | OVER | ANYBODYS)
    if type in STANDING:
        kind = type.removeprefix("gateway.")
        assert kind in ATTENTION
        assert kind in WHAT_TO_DO
        assert type in STANDING_LINKS


@pytest.mark.parametrize(
    ("type", "about", "detail", "text", "link"),
    [
        (KEY_EXPIRING, "live", "keys[0] is the only one", "a key of live is about to end. Cause: keys[0] is the only one", "/sources/live"),
        (SOURCE_SILENT, "live", "", "no callback has come from live for longer than its rule allows", "/sources/live"),
        (STORE_LIMIT, "store", "9 of 10", "the store is nearly full: past its limit callbacks are answered 503. Cause: 9 of 10", "/"),
        (RELOAD_REFUSED, "configuration", "", "the configuration file was not taken over; what ran before still runs: gateway check", "/config"),
    ],
)  # fmt: skip
async def test_it_is_said_as_long_as_it_holds(
    type: AlarmType, about: str, detail: str, text: str, link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(BASE) as gateway:
        alarms, admin = gateway.gateway.alarms, gateway.gateway.admin
        await gateway.advance(1)
        monkeypatch.setattr(gateway.gateway.store, "limit_used", lambda: (0.7, ""))  # neither full nor empty
        alarms.see(type, about, True, detail)
        await gateway.advance(2)
        [one] = (await admin.overview("1h")).attention
        assert (one.kind, one.text, one.link) == (type.removeprefix("gateway."), text, link)
        assert one.about == (about if about == "live" else "")
        assert one.since is not None
        alarms.see(type, about, False)
        await gateway.advance(2)
        assert (await admin.overview("1h")).attention == []


async def test_a_source_that_is_configured_no_more_needs_nobody() -> None:
    async with running(BASE) as gateway:
        gateway.gateway.alarms.see(KEY_EXPIRING, "gone", True)
        await gateway.advance(2)
        assert [alarm.type for alarm in gateway.events()] == [KEY_EXPIRING]
        assert (await gateway.gateway.admin.overview("1h")).attention == []
