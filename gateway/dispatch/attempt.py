"""One attempt: hands deliveries to the hook under the timeout and turns whatever comes back into one result each."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Sequence
from functools import partial
from typing import Final

from gateway.errors import Refused, Retry, Stopping, Unavailable
from gateway.follow_up import DeliveryResult, Done
from gateway.model import Delivery
from gateway.plugin import Sink
from gateway.plugin.hooks import Hooks
from gateway.plugin.hookspecs import hookimpl
from gateway.runtime.time_limits import TimeLimit, TimeLimits

# tuples, because a union is made anew at each look, which costs more than the look
_RESULTS: Final = (str, Exception, Done)
_LISTS: Final = (list, tuple)
SinkAnswer = DeliveryResult | BaseException  # a sink may be cancelled, or try to end the process
AttemptResult = str | BaseException | None
"""What one attempt came to, when what follows on it was taken apart: a receipt, or what was raised."""


class Carrier:
    """Register it with pluggy once a gateway."""

    @hookimpl(trylast=True)
    def deliver(self, deliveries: Sequence[Delivery], sink: Sink) -> Awaitable[Sequence[DeliveryResult]]:
        return Carriage(deliveries, sink)


class Carriage:
    """The sink's work as an awaitable that has not begun.

    Not a coroutine, because a wrapper that raises drops what it was given, and a coroutine dropped un-awaited warns.
    """

    __slots__ = ("_deliveries", "_sink")

    def __init__(self, deliveries: Sequence[Delivery], sink: Sink) -> None:
        self._deliveries = deliveries
        self._sink = sink

    def __await__(self) -> Generator[object, object, Sequence[DeliveryResult]]:
        return self.carry().__await__()

    async def carry(self) -> Sequence[DeliveryResult]:
        if len(self._deliveries) > 1:
            return await self._sink.deliver_batch(self._deliveries)
        try:
            return [_result_of(await self._sink.deliver(self._deliveries[0]))]
        except Exception as error:
            return [error]


def _result_of(receipt: object) -> DeliveryResult:
    """What one delivery came to, of whatever its sink returned."""
    if receipt is None or isinstance(receipt, _RESULTS):  # an exception as `deliver_batch` gives it
        return receipt
    if inspect.isawaitable(receipt):
        if inspect.iscoroutine(receipt):
            receipt.close()
        return TypeError("deliver returned something that it should have awaited, so nothing was sent")
    # because returning at all means delivered: a receipt of the wrong type must not send the message again
    return f"({type(receipt).__name__})"


class Nonsense(Exception):
    """A plugin broke the contract of a hook or of its own methods; the text names the plugin."""


async def bounded(
    call: Callable[[], Awaitable[object]],
    timeout: float | TimeLimits,
    begin: Callable[[TimeLimit], None] | None = None,
) -> object:
    """What `call` gives within `timeout` (seconds), or the exception it ended with, as a value.

    Raises only the CancelledError of someone who cancels this task from outside. A plugin's own SystemExit,
    KeyboardInterrupt or CancelledError comes back as a mistake like any other; past the timeout it is a Retry of the
    service, whatever the plugin made of being stopped. `begin` gets what cuts it off, which can be set anew.
    """
    limits = timeout if isinstance(timeout, TimeLimits) else TimeLimits(timeout)
    limit = limits.limited()
    try:
        with limit:
            if begin is not None:
                begin(limit)
            given = await call()
        return _late(limits.seconds) if limit.expired and _only_failed(given) else given
    except Exception as error:
        failure: Exception = _late(limits.seconds) if limit.expired else error
    except BaseException as error:
        task = limit.task
        if isinstance(error, GeneratorExit) and not _runs(task):
            raise  # the loop itself is taken down: there is nobody left to answer
        if isinstance(error, asyncio.CancelledError) and task.cancelling():
            raise
        failure = Nonsense(f"raised {type(error).__name__}")
        failure.__cause__ = error
    return failure


async def _through(hook: Hooks, deliveries: Sequence[Delivery], sink: Sink) -> object:
    promise = hook.deliver(deliveries=deliveries, sink=sink)
    if not inspect.isawaitable(promise):
        raise Nonsense(f"the hook deliver gave {_what(promise)}, not an awaitable")
    return await promise


async def carry(
    hook: Hooks,
    deliveries: Sequence[Delivery],
    sink: Sink,
    timeout: float | TimeLimits,
    begin: Callable[[TimeLimit], None] | None = None,
) -> tuple[list[SinkAnswer], list[int]]:
    """One result for each delivery, and the positions of those that are to go alone the next time, because they failed in
    one with others and one of them may be why."""

    impls = hook.deliver.get_hookimpls()
    if len(impls) == 1 and isinstance(impls[0].plugin, Carrier):  # nobody wraps it, so there is nobody to ask
        if len(deliveries) == 1:
            given = await bounded(partial(sink.deliver, deliveries[0]), timeout, begin)
            if given is None or type(given) is str:  # as nearly always
                return [given], []
            return [_named(given, hook, sink) if isinstance(given, Nonsense) else _answer_of(given)], []
        results = await bounded(Carriage(deliveries, sink).carry, timeout, begin)
    else:
        results = await bounded(partial(_through, hook, deliveries, sink), timeout, begin)
    results_due = len(deliveries)
    if isinstance(results, BaseException):
        failure: SinkAnswer = results
    elif not isinstance(results, _LISTS):
        failure = Nonsense(f"the hook deliver gave {_what(results)}, not a list of {results_due}")
    elif len(results) != results_due:
        failure = Nonsense(f"the hook deliver gave {len(results)} results for {results_due}")
    elif all([result is None or type(result) is str for result in results]):  # noqa: C419  as nearly always, and a list is quicker
        return list(results), []
    elif results_due == 1:
        return [_checked(results[0], hook, sink)], []
    else:
        return _apart([_checked(result, hook, sink) for result in results])
    if isinstance(failure, Nonsense):
        failure = _named(failure, hook, sink)
    if results_due > 1 and isinstance(failure, Refused):
        return _apart([failure] * results_due)
    return [failure] * results_due, [] if results_due == 1 or isinstance(failure, Unavailable | Stopping) else list(
        range(results_due)
    )


def _answer_of(given: object) -> SinkAnswer:
    return given if isinstance(given, BaseException) else _result_of(given)


def _apart(results: list[SinkAnswer]) -> tuple[list[SinkAnswer], list[int]]:
    """One exception object for several deliveries refuses them together: one poisoned member must not kill the others, so
    alone each will be refused or delivered for itself."""
    refused = Counter(id(result) for result in results if isinstance(result, Refused))
    together = [n for n, result in enumerate(results) if isinstance(result, Refused) and refused[id(result)] > 1]
    for n in together:
        failure = results[n]
        assert isinstance(failure, Refused)
        results[n] = Retry(f"refused together: {failure.detail}", status=failure.status)
    return results, together


def _runs(task: asyncio.Task[object] | None) -> bool:
    """Whether it is this task that runs now, and not somebody who throws its coroutine away."""
    try:
        return asyncio.current_task() is task
    except RuntimeError:  # no loop runs
        return False


def _late(timeout: float) -> Retry:
    return Retry(f"no answer within {timeout:g} s", service=True)


def _only_failed(given: object) -> bool:
    """Whether what came after the timeout is no more than the trouble of being stopped."""
    if isinstance(given, BaseException):
        return True
    return isinstance(given, _LISTS) and bool(given) and all(isinstance(one, BaseException) for one in given)


def _checked(result: object, hook: Hooks, sink: Sink) -> SinkAnswer:
    if result is None or isinstance(result, _RESULTS):
        return result
    return _named(
        Nonsense(f"{_what(result)} is no result; expected a receipt, None, a Done or an exception"), hook, sink
    )


def _named(failure: Nonsense, hook: Hooks, sink: Sink) -> Nonsense:
    """The same, saying whose mistake it may be: the plugins that wrap `deliver`, else the sink itself."""
    others = [one.plugin_name for one in hook.deliver.get_hookimpls() if not isinstance(one.plugin, Carrier)]
    origin = f" from {sink.origin}" if sink.origin else ""
    itself = f"sink {sink.name} ({type(sink).__module__}.{type(sink).__qualname__}{origin})"
    blamed = f"plugin {', '.join(others)} or {itself}" if others else itself
    named = Nonsense(f"{blamed}: {failure}")
    named.__cause__ = failure.__cause__
    return named


def _what(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
