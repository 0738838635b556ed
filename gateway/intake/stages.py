"""A stage on a callback's way: what is computed, what follows in the loop, and what is answered where either fails."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Generic, NamedTuple, NoReturn, TypeVar

from gateway.intake.under_way import CallbackAnswer, CallbackUnderWay

T = TypeVar("T")


class Stage(NamedTuple, Generic[T]):
    """`compute` touches nothing that is shared, so it may be done in a thread; `go_on` follows in the loop, with what it gave,
    and `failed` makes the answer of what either raised."""

    compute: Callable[[CallbackUnderWay], T]
    go_on: Callable[[CallbackUnderWay, T], bool]  # False: it was answered
    failed: Callable[[CallbackUnderWay, BaseException], BaseException]


def fail(stage: Stage[T], work: CallbackUnderWay, error: BaseException) -> None:
    """Answer a callback that did not get through this stage."""
    work.answer(answer_of(partial(stage.failed, work, error)))


def answer_of(make: Callable[[], CallbackAnswer | BaseException]) -> CallbackAnswer | BaseException:
    """What `make` gives; where it fails, that: a caller without an answer would wait for ever."""
    try:
        return make()
    except BaseException as mistake:
        return mistake


def compute_or_raise(
    compute: Callable[[CallbackUnderWay], T], work: CallbackUnderWay
) -> Callable[[CallbackUnderWay], T]:
    """What gives or raises again what `compute` did: a thread's future does not carry every exception (StopIteration)."""
    try:
        given = compute(work)
    except BaseException as error:
        return partial(_raise, error)
    return lambda _: given


def _raise(error: BaseException, _: CallbackUnderWay) -> NoReturn:
    raise error
