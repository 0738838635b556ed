"""A source that cannot read a body as it came still names it so that no other original has its id, and the same one always has."""

from __future__ import annotations

import hashlib

import pytest

from gateway import Callback, Event, Source, Trust, Verified, event_id
from gateway.testing import NOW, FrozenClock, RunningGateway, running

BRITTLE = {"sources": {"mine": {"type": "brittle"}}, "store": {"url": "sqlite:///g.db"}}


class Brittle(Source):
    """Its author takes for granted what `normalise` is handed: `size` are digits, and `parts` begin with a letter."""

    type = "brittle"

    def verify(self, callback: Callback) -> Verified:
        room = str(callback.json()["room"])
        return Verified(Trust.FIELDS, hashlib.sha256(room.encode("latin-1")).hexdigest()[:4])

    def normalise(self, callback: Callback, verified: Verified) -> list[Event]:
        said = callback.json()
        names = (self.name, "recording.started", None, None, said["room"], None)
        parts = [part for part in said.get("parts", ["a"]) if not part.startswith("\\")]
        return [
            Event(
                id=event_id(*names, [n]),
                type="recording.started",
                source=self.name,
                provider="mine",
                received_at=callback.received_at,
                stream=f"{said['room']} {int(said.get('size', '1'))} {part}",
            )
            for n, part in enumerate(parts)
        ]


async def ids(gateway: RunningGateway, body: str) -> list[str]:
    answer = await gateway.post(body.encode())
    assert answer.status == 200, answer.body
    return list(answer.events)


@pytest.mark.parametrize(
    ("one", "other", "events"),
    [
        # the reading that names it ends in a ValueError: a wide number stands there as no digits
        ('"size": 123456789012345678901234567890', '"size": 123456789012345678901234567891', 1),
        # it gives fewer events than what is taken
        (r'"parts": ["a", "b\ud800"]', r'"parts": ["a", "b\ud801"]', 2),
        # and none at all
        (r'"parts": ["\ud800"]', r'"parts": ["\ud801"]', 1),
    ],
)
async def test_what_a_source_cannot_read_as_it_came_is_named_by_its_bytes(one: str, other: str, events: int) -> None:
    async with running(BRITTLE, plugins=[Brittle], clock=FrozenClock(NOW)) as gateway:
        first, second = [await ids(gateway, f'{{"room": "r", {more}}}') for more in (one, other)]
        again = await ids(gateway, f'{{"room": "r", {one}}}')
        plain = await ids(gateway, '{"room": "r", "parts": ["a", "b"]}')
    assert len(first) == len(second) == events
    assert again == first
    assert len({*first, *second, *plain}) == 2 * events + len(plain)


async def test_a_text_that_the_signature_covers_and_its_formula_cannot_hold_is_malformed() -> None:
    async with running(BRITTLE, plugins=[Brittle], clock=FrozenClock(NOW)) as gateway:
        answer = await gateway.post('{"room": "房间"}'.encode())
        assert (answer.status, answer.json()["code"]) == (400, "malformed_body")
        assert "no Unicode" in answer.json()["detail"]
