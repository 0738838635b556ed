"""The kit for plugin authors: what it makes is what a gateway would, and what breaks a promise does not pass."""

from __future__ import annotations

import pytest

from gateway import Delivery, Refused, Retry, Sink
from gateway.testing import callbacks, delivery, event, opened, running
from gateway.testing.http_sinks import _fail
from plugins.sources.huawei_live import HuaweiLive
from tests.testing.test_running import CONFIG, KEY


def test_there_is_a_callback_of_every_type_that_a_source_plays_and_each_is_taken() -> None:
    source = HuaweiLive("live", HuaweiLive.Options.model_validate({"keys": [KEY]}))
    made = callbacks(source)
    assert len(made) == len(source.scenes)
    events = [source.normalise(one, source.verify(one)) for one in made]
    assert len({event.type for taken in events for event in taken}) >= 5


class Careless(Sink):
    type = "careless"

    async def deliver(self, delivery: Delivery) -> str:
        return "sent"


async def test_a_sink_that_says_sent_where_it_must_fail_breaks_its_promise() -> None:
    async with opened(Careless, {}) as sink:
        with pytest.raises(AssertionError, match="must not be delivered, but the receipt is 'sent'"):
            await _fail(sink, delivery(event()))


async def test_time_can_pass_without_waiting_for_what_falls_due() -> None:
    async with running(CONFIG) as gateway:
        gateway.recorder().answers.append(Retry("not now"))
        await gateway.send()
        before = gateway.clock.now()
        await gateway.advance(3 * 3600, settle=False)
        assert (gateway.clock.now() - before).total_seconds() == 3 * 3600
        await gateway.settle()
        assert len(gateway.delivered("app")) == 1


async def test_what_followed_on_an_event_is_found_by_it() -> None:
    async with running(CONFIG) as gateway:
        gateway.recorder().answers.append(Refused("no"))
        await gateway.send()
        [one] = gateway.events()
        assert gateway.following(one) == []
