"""A source whose only key in use is to end is told of: once, days ahead, by what was really used, on any gateway."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from gateway.plugin.key_state import ends_soon, key_states
from gateway.testing.factories import NOW
from gateway.testing.inprocess import RunningGateway, running
from gateway.text.signing_key import SigningKey

DAY = timedelta(days=1)
OLD, NEW = "demo-key-that-is-old-now", "demo-key-that-is-new-now"


def states(*keys: tuple[int | None, int | None, int | None]) -> Any:
    """Keys as (begins, ends, used), each in days from now."""

    def at(days: int | None) -> Any:
        return None if days is None else NOW + days * DAY

    made = [SigningKey(f"key number {n}", valid_from=at(one[0]), valid_until=at(one[1])) for n, one in enumerate(keys)]
    used = {key.mark: at(one[2]) for key, one in zip(made, keys, strict=True) if one[2] is not None}
    return key_states(made, used, NOW)


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        ([(None, None, 0)], None),
        ([(None, 20, 0)], None),  # not soon
        ([(None, 5, 0)], 0),
        ([(None, 5, None)], 0),  # nothing was used yet
        ([(None, 5, 0), (None, None, None)], 0),  # the next key is there, and the vendor does not use it
        ([(None, 5, 0), (None, None, 0)], None),  # both are used
        ([(None, 5, -3), (None, None, 0)], None),  # the old one is not used any more
        ([(None, 5, None), (3, None, None)], None),  # one comes before it ends
        ([(None, 5, 0), (3, None, None)], 0),  # though the vendor must be told
        ([(None, -1, -1), (None, 6, 0)], 1),
        ([(None, -1, -2)], 0),  # it ended, and callbacks are refused
        ([(None, 5, 0), (None, 9, 0)], 1),
    ],
)
def test_the_key_that_leaves_nothing_in_use_is_named(keys: list[Any], place: int | None) -> None:
    key = ends_soon(states(*keys), NOW, 14 * DAY)
    assert (None if key is None else key.place) == place


@pytest.mark.parametrize(
    ("keys", "may_go"),
    [
        ([(None, None, -90)], [False]),  # the only one
        ([(None, None, -3), (None, None, 0)], [True, False]),
        ([(None, None, 0), (None, None, 0)], [False, False]),
        ([(None, None, 0), (None, None, None)], [False, False]),  # never used: it may be the next one
        ([(None, -1, 0), (None, None, 0)], [True, False]),
        ([(None, None, 0), (1, None, None)], [False, False]),
        ([(None, None, None), (None, None, None)], [False, False]),
    ],
)
def test_a_key_may_go_where_another_is_used_in_its_stead_or_it_ended(keys: list[Any], may_go: list[bool]) -> None:
    assert [one.may_go for one in states(*keys)] == may_go


def config(ends: str, **more: Any) -> Mapping[str, Any]:
    return {
        "version": 1,
        "sources": {
            "live": {
                "type": "huawei-live",
                "keys": [{"key": OLD, "name": "old", "valid_until": ends}, *more.get("then", [])],
            }
        },
        "sinks": {"ops": {"type": "recorder"}},
        "routes": [{"name": "alarms", "match": {"type": "gateway.key.*"}, "to": ["ops"]}],
        "alarms": {"key_ends_within": "10d"},
    }


def told(gateway: RunningGateway) -> list[str]:
    return [event.alarm.detail for event in gateway.events() if event.alarm is not None]


async def test_it_is_told_once_when_the_end_comes_near_and_not_again_after_a_restart() -> None:
    async with running(config((NOW + 12 * DAY).isoformat())) as gateway:
        await gateway.advance(120)
        assert told(gateway) == []
        await gateway.advance(3 * 86_400)
        await gateway.advance(120)
        assert len(told(gateway)) == 1
        assert "keys[0] (old) is the only one in use and holds until" in told(gateway)[0]
        assert OLD not in told(gateway)[0]
        await gateway.restart()
        await gateway.advance(300)
        assert len(told(gateway)) == 1
        assert [one.event.type for one in gateway.recorder("ops").seen] == []  # the restarted one's: told before


async def test_what_a_key_verified_is_remembered_and_who_signs_with_an_ended_one_hears_no_more_than_a_stranger() -> (
    None
):
    ends = NOW + 30 * DAY
    async with running(config(ends.isoformat(), then=[NEW])) as gateway:
        assert (await gateway.send()).status == 200
        await gateway.advance(30)
        await gateway.gateway._duties.close()  # counts are stored
        await gateway.restart()
        await gateway.advance(30 * 86_400)
        told = await gateway.send()
        tampered = await gateway.send(tampered=True)
        assert (told.status, tampered.status) == (401, 401)
        assert told.json()["detail"] == tampered.json()["detail"]
        refused = await gateway.gateway.store.ask(
            lambda session: session.rows("SELECT detail FROM refused ORDER BY id")
        )
        assert "it fits a key that does not hold now: keys[0] (old) until " in refused[0][0]
        assert "does not hold" not in refused[1][0]
        known = await gateway.gateway.admin.source("live")
        assert [(one.name, one.time, one.may_go, one.last_used_at is None) for one in known.keys] == [
            ("old", "ended", True, False),
            (None, "holds", False, True),
        ]
