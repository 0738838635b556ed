"""A sink with a directory, for tests: each owner's target is a script, and what went to whom is seen."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gateway.dispatch.policy import DeliveryPolicy, OwnerPolicy
from gateway.fields import parse_rate
from gateway.model import Delivery, Event
from gateway.owners.directory import Directory
from gateway.owners.owner_key import OwnerKey
from gateway.plugin import Sink

from .conftest import Build, House, Script, Scripted, event, policy


class Target(NamedTuple):
    """The options of one owner."""

    name: str


class Owned(Scripted):
    """`scripts` say what the target of a name does; `sent` are (owner, event) as they went out."""

    type = "owned"

    def __init__(self, **scripts: Script) -> None:
        super().__init__()
        self.scripts: dict[str, Script] = dict(scripts)
        self.sent: list[tuple[str, str]] = []
        self.targets: list[OwnedTarget] = []
        self.flying: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    def for_owner(self, options: Any) -> Sink:
        made = OwnedTarget(self, options.name)
        self.targets.append(made)
        return made

    async def deliver(self, delivery: Delivery) -> str | None:
        return await self.carry("its own", delivery)

    async def carry(self, target: str, delivery: Delivery) -> str | None:
        self.sent.append((target, delivery.event.id))
        self.flying[target] += 1
        self.most[target] = max(self.most[target], self.flying[target])
        try:
            script = self.scripts.get(target)
            return None if script is None else await script(delivery)
        finally:
            self.flying[target] -= 1

    def to(self, target: str) -> list[str]:
        """What went to this target."""
        return [id_ for name, id_ in self.sent if name == target]


class OwnedTarget(Scripted):
    type = "owned"

    def __init__(self, base: Owned, target: str) -> None:
        super().__init__(base.name)
        self.base = base
        self.target = target

    async def deliver(self, delivery: Delivery) -> str | None:
        self.seen.append(delivery)
        return await self.base.carry(self.target, delivery)


def directory(owners: Iterable[str] | Mapping[str, str], *, fallback: bool = False) -> Directory:
    """Owners by the stream, each with the target of its name, or of another one."""
    named = owners if isinstance(owners, Mapping) else {owner: owner for owner in owners}
    return Directory(
        file=Path("owners.csv"),
        key=OwnerKey("event.data.stream"),
        columns=("name",),
        rows={owner: (target,) for owner, target in named.items()},
        read=lambda cells: Target(cells["name"]),
        base={},
        own=Target("its own") if fallback else None,
    )


def owned_policy(
    owners: Iterable[str] | Mapping[str, str],
    *,
    rate: str | None = None,
    at_once: int = 2,
    fallback: bool = False,
    **delivery: Any,
) -> DeliveryPolicy:
    """The policy of such a sink."""
    given = policy(**{"concurrency": 32, **delivery})
    mine = OwnerPolicy(
        directory=directory(owners, fallback=fallback), concurrency=at_once, rate=parse_rate(rate) if rate else None
    )
    return given.replace(owners=mine)


def of(owner: str | None, *numbers: int) -> list[Event]:
    """Events of one owner."""
    return [event(number, stream=owner or "").replace(stream=owner) for number in numbers]


async def hanging(delivery: Delivery) -> str | None:
    await asyncio.Event().wait()
    return None


def deliverer(house: House, sink: str = "app") -> Any:
    """What knows the owners of a lane."""
    found = house.dispatcher.lanes[sink].owners
    assert found is not None
    return found


async def house_of(build: Build, sink: Owned, owners: Any, **options: Any) -> House:
    return await build(sink, app=owned_policy(owners, **options))
