"""What the tests of follow-ups share: a sink that says something follows, routes by name, and the end of it all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway import File, FollowUp
from gateway.model import RECORDING_ARCHIVED, Delivery
from gateway.routing import Router
from gateway.routing.router import Route
from tests.dispatch.conftest import House, Script
from tests.patience import eventually

COPY = FollowUp(RECORDING_ARCHIVED, files=(File(format="mp4", size_bytes=7),))


def returning(answer: Any) -> Script:
    async def script(delivery: Delivery) -> Any:
        return answer

    return script


def routes(**to: Mapping[str, Any] | Sequence[str]) -> Any:
    """Routes by name: the sinks, or `{"type": globs, "to": sinks}`."""
    made = []
    for name, said in to.items():
        match, sinks = ({"type": said["type"]}, said["to"]) if isinstance(said, Mapping) else ({}, said)
        made.append(Route(name=name, match=match, to=sinks))
    return Router(made).decide


async def settled(house: House, *, deliveries: int) -> None:
    await eventually(lambda: house.rows("state", "state <> 'delivered'") == [] and len(house.rows()) == deliveries)
    await house.calm()
