"""One act done to many: in transactions of many rows each, told as it goes, stopped between two of them, one audit row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeVar, overload

import msgspec

from gateway.errors import PageDamaged, StoreError
from gateway.store.admin import audit
from gateway.store.admin.audit import AuditEntry
from gateway.store.engine.batch import Bulk

BATCH_ROWS_MAX: Final = 200  # rows of one transaction, because accepts wait behind it

ItemT = TypeVar("ItemT")
Prepared = TypeVar("Prepared")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of one of them. `well`: it was done; else `text` says why it could not be."""

    item: str
    text: str
    well: bool = True
    ref: str = ""  # what the audit log calls it, where that is not how it was named


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What became of all: how many there were to begin with, how many were done and how many could not be."""

    matched: int
    answers: Sequence[ItemResult]
    stopped: bool = False

    @property
    def done(self) -> int:
        return sum(answer.well for answer in self.answers)

    @property
    def failed(self) -> int:
        return sum(not answer.well for answer in self.answers)


class Watcher:
    """Who asked for a bulk act, while it runs. This one does not listen and never stops it."""

    def committed(self, answers: Sequence[ItemResult]) -> None:
        """These were committed."""

    def stopping(self) -> bool:
        """Whether to end before the next transaction."""
        return False


class Changing(Protocol):
    """What runs a transaction: `Connections`."""

    def change(self, work: Callable[[Bulk], T]) -> T: ...


BulkRule = Callable[[Bulk, Sequence[ItemT]], Sequence[ItemResult]]


@overload
def run_act(
    connections: Changing,
    entry: AuditEntry,
    items: Sequence[ItemT],
    rule: BulkRule[ItemT],
    watcher: Watcher,
    *,
    summary: Callable[[Sequence[ItemResult]], str] | None = None,
) -> Total: ...
@overload
def run_act(
    connections: Changing,
    entry: AuditEntry,
    items: Sequence[ItemT],
    rule: BulkRule[Prepared],
    watcher: Watcher,
    *,
    prepare: Callable[[Sequence[ItemT]], Sequence[Prepared]],
) -> Total: ...
def run_act(
    connections: Changing,
    entry: AuditEntry,
    items: Sequence[ItemT],
    rule: Callable[..., Sequence[ItemResult]],
    watcher: Watcher,
    *,
    prepare: Callable[[Sequence[ItemT]], Sequence[object]] = list,
    summary: Callable[[Sequence[ItemResult]], str] | None = None,
) -> Total:
    """Do one act to each, in order. Where it is stopped or fails midway, what was committed stays done and is written down.

    `prepare` makes of a batch, before its transaction, what `rule` is given. Raises StoreUnavailable. `summary` is what the audit log says at the end.
    """
    log = _Log(entry, len(items), summary or _done)
    try:
        for start in range(0, len(items), BATCH_ROWS_MAX):
            if watcher.stopping():
                break
            for answers in _committed(connections, items[start : start + BATCH_ROWS_MAX], rule, prepare, log):
                watcher.committed(answers)
    finally:
        if log.unfinished:
            with suppress(Exception):  # because what ended it is what is to be said
                connections.change(log.stop)
    return Total(matched=entry.matched, answers=log.answers, stopped=log.unfinished)


def _committed(
    connections: Changing,
    batch: Sequence[ItemT],
    rule: BulkRule[object],
    prepare: Callable[[Sequence[ItemT]], Sequence[object]],
    log: _Log,
) -> Iterator[Sequence[ItemResult]]:
    """The answers of one transaction; where something of it lies on a damaged page, of one for each half, so that in the end
    only that is not done."""
    pieces = [batch]
    while pieces:
        piece = pieces.pop(0)
        try:
            answers, row = connections.change(partial(_batch, rule=rule, batch=prepare(piece), log=log))
        except PageDamaged as error:
            half = len(piece) // 2
            if half:
                pieces[:0] = [piece[:half], piece[half:]]
                continue
            answers = [ItemResult(str(piece[0]), str(error), well=False)]
            row = connections.change(partial(log.write, more=answers))
        log.committed(answers, row)
        yield answers


def each(act: Callable[[Bulk, ItemT], ItemResult]) -> BulkRule[ItemT]:
    """The rule of a batch whose members are done one by one; StoreError is the answer of the one it cannot be done to."""

    def rule(session: Bulk, batch: Sequence[ItemT]) -> Sequence[ItemResult]:
        return [_one(session, act, item) for item in batch]

    return rule


def _one(session: Bulk, one: Callable[[Bulk, ItemT], ItemResult], item: ItemT) -> ItemResult:
    try:
        return one(session, item)
    except StoreError as error:  # raised before anything was changed
        return ItemResult(str(item), str(error), well=False)


def _batch(
    session: Bulk, *, rule: BulkRule[object], batch: Sequence[object], log: _Log
) -> tuple[Sequence[ItemResult], int | None]:
    answers = rule(session, batch)
    return answers, log.write(session, answers)


def _done(answers: Sequence[ItemResult]) -> str:
    failed = sum(not answer.well for answer in answers)
    return f"done; {failed} could not be" if failed else answers[0].text if len(answers) == 1 else "done"


class _Log:
    """The audit row of one bulk act: written in the transaction of the first that was done, brought up to date in the others."""

    def __init__(self, entry: AuditEntry, items: int, summary: Callable[[Sequence[ItemResult]], str]) -> None:
        self._entry = entry
        self._items = items
        self._summary = summary
        self._row: int | None = None
        self.answers: list[ItemResult] = []

    @property
    def unfinished(self) -> bool:
        return len(self.answers) < self._items

    def write(self, session: Bulk, more: Sequence[ItemResult]) -> int | None:
        every = [*self.answers, *more]
        done = sum(answer.well for answer in every)
        if not done:
            return None  # nothing has changed
        entry = self._entry
        result = audit.UNDER_WAY if len(every) < self._items else self._summary(every)
        if self._row is None:
            return audit.begin_act(
                session, msgspec.structs.replace(entry, target=entry.target or _names(every)), done, result
            )
        audit.go_on(session, self._row, done, result, "" if entry.target else f" {_names(more)}")
        return self._row

    def committed(self, answers: Sequence[ItemResult], row: int | None) -> None:
        self.answers += answers
        self._row = row

    def stop(self, session: Bulk) -> None:
        if self._row is not None:
            audit.end_act(session, self._row, f"stopped after {len(self.answers)} of {self._items}")


def _names(answers: Sequence[ItemResult]) -> str:
    return " ".join(answer.ref or answer.item for answer in answers if answer.well)
