"""A plugin that changes an event it was given changes it for nobody else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway import hookimpl
from gateway.model import Delivery, Event, Trust, Verified, event_id
from gateway.plugin import Callback, Sink, Source
from gateway.testing import running

SAID = {"phone": "+351 555 0199", "deep": {"list": [{"name": "a"}], "more": "b"}}


class Saying(Source):
    """Events with whatever a vendor may say."""

    type = "saying"

    def verify(self, callback: Callback) -> Verified:
        return Verified(trust=Trust.BODY, scheme="saying")

    def normalise(self, callback: Callback, verified: Verified) -> list[Event]:
        name = callback.body.decode()
        return [
            Event(
                id=event_id(self.name, "recording.started", None, None, name, None, [name]),
                type="recording.started",
                source=self.name,
                provider="saying",
                stream=name,
                received_at=callback.received_at,
                trust=verified.trust,
                extra=json.loads(json.dumps(SAID)),
            )
        ]


def spoil(event: Event) -> None:
    """All that Python lets one change."""
    extra: Any = event.extra
    extra["deep"]["list"][0]["name"] = extra["deep"]["more"] = "spoilt"
    extra["deep"]["list"].append("spoilt")
    extra.clear()
    extra["spoilt"] = True


class Spoiling(Sink):
    """Changes what it is given."""

    type = "spoiling"

    async def deliver(self, delivery: Delivery) -> str:
        spoil(delivery.event)
        return "spoilt"


class Watching:
    @hookimpl
    def event_stored(self, event: Event) -> None:
        spoil(event)

    @hookimpl
    def attempt_finished(self, delivery: Delivery) -> None:
        spoil(delivery.event)


class Wrapping:
    @hookimpl(wrapper=True)
    def deliver(self, deliveries: Any) -> Any:
        for one in deliveries:
            if one.sink == "spoiling":
                spoil(one.event)
        return (yield)


@pytest.mark.parametrize("spoiler", [None, Watching, Wrapping])
async def test_other_sinks_send_what_the_vendor_said(tmp_path: Path, spoiler: type[Any] | None) -> None:
    config = {
        "sources": {"live": {"type": "saying"}},
        "sinks": {
            "spoiling": {"type": "spoiling" if spoiler is None else "recorder"},
            "file": {"type": "file", "path": str(tmp_path / "out.jsonl")},
            "app": {"type": "recorder"},
        },
        "routes": [{"to": ["spoiling", "file", "app"]}],
    }
    async with running(config, plugins=[Saying, Spoiling]) as gateway:
        if spoiler is not None:
            gateway.gateway.loaded.registry.register(spoiler(), "spoiler")
        for number in range(4):
            assert (await gateway.post(f"s{number}".encode())).status == 200
        assert [dict(event.extra) for event in gateway.delivered("app")] == [SAID] * 4
        written = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
        assert [one["data"]["extra"] for one in written] == [SAID] * 4
