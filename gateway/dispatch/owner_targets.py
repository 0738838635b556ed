"""The sinks of owners: made when one is wanted, kept open for the next event, and no more of them than some."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from gateway.dispatch.attempt import bounded
from gateway.owners.directory import NOBODY, Directory
from gateway.plugin import Sink
from gateway.text.redaction import Redactor, masked_within
from gateway.text.secret import secrets_of

OPEN_TARGETS_MAX: Final = 64  # that nobody uses just now; so many owners are enough for those who get something all day
_CLOSE_SECONDS: Final = 5.0


@dataclass(slots=True, eq=False)
class OwnerTarget:
    """One owner's sink. `secrets` masks what only he has, while something is sent to him."""

    owner: str
    sink: Sink
    secrets: Redactor | None = None  # None: the sink's own, which all texts are looked through for
    users: int = 0
    opened: bool = False
    stale: bool = False  # the table says something else by now
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)

    @contextmanager
    def masked(self) -> Iterator[None]:
        """Mask his secrets in all that is written meanwhile."""
        if self.secrets is None:
            yield
        else:
            with masked_within(self.secrets):
                yield

    async def open(self, timeout: float) -> BaseException | None:
        """Open it, unless it is; what it failed with."""
        async with self.opening:
            if not self.opened:
                failure = await bounded(self.sink.open, timeout)
                if isinstance(failure, BaseException):
                    return failure
                self.opened = True
        return None


class OwnerTargets:
    """One lane's. Everything is called from the event loop."""

    def __init__(self, sink: Sink, directory: Directory, is_open: Callable[[], bool]) -> None:
        """`sink` is the one that they are made of, and takes what has no owner; its lane opens it, and closes it."""
        self._sink = sink
        self._is_open = is_open
        self.directory = directory
        self._targets: OrderedDict[str, OwnerTarget] = OrderedDict()
        self._closing: set[asyncio.Task[object]] = set()

    def __len__(self) -> int:
        return len(self._targets)

    def change(self, directory: Directory) -> None:
        """From now on this table holds. What is under way goes on as it began."""
        before, self.directory = self.directory, directory
        for owner in list(self._targets):
            if before.cells(owner) != directory.cells(owner):
                target = self._targets.pop(owner)
                target.stale = True
                self._let_go(target)

    def borrow(self, owner: str) -> OwnerTarget:
        """His sink, which stays there until it is given back. It may not be opened yet."""
        target = self._targets.get(owner)
        if target is None:
            target = self._targets[owner] = self._new_target(owner)
        self._targets.move_to_end(owner)
        target.users += 1
        return target

    def give_back(self, target: OwnerTarget) -> None:
        """Pair with `borrow`."""
        target.users -= 1
        self._let_go(target)
        while len(self._targets) > OPEN_TARGETS_MAX and (idle := self._idle()) is not None:
            self._let_go(self._targets.pop(idle), now=True)

    async def close(self) -> None:
        """Close all of them."""
        for owner in list(self._targets):
            self._let_go(self._targets.pop(owner), now=True)
        if self._closing:
            await asyncio.wait(self._closing, timeout=_CLOSE_SECONDS)

    def _new_target(self, owner: str) -> OwnerTarget:
        if owner == NOBODY:
            return OwnerTarget(owner, self._sink, opened=self._is_open())  # else it is opened when it is wanted
        options = self.directory.options(owner)
        secrets = Redactor()
        for _, secret in secrets_of(options):
            secrets.learn(secret.reveal())
        with masked_within(secrets):
            sink: object = self._sink.for_owner(options)
        if not isinstance(sink, Sink):
            raise TypeError(f"for_owner gave a {type(sink).__name__}, not a sink")
        return OwnerTarget(owner, sink, secrets)

    def _idle(self) -> str | None:
        return next((owner for owner, target in self._targets.items() if not target.users), None)

    def _let_go(self, target: OwnerTarget, *, now: bool = False) -> None:
        """Close it if it is of no more use and nobody uses it."""
        if target.users or target.sink is self._sink or not (target.stale or now) or not target.opened:
            return
        target.opened = False
        task: asyncio.Task[object] = asyncio.create_task(bounded(target.sink.close, _CLOSE_SECONDS))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
