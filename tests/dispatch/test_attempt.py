"""What a plugin may do to one attempt: whatever it is, there is one result for each delivery."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Generator, Sequence
from typing import Any

import pytest

from gateway.dispatch.attempt import AttemptResult, Nonsense, bounded, carry
from gateway.errors import Refused, Retry, Unavailable
from gateway.model import Delivery
from gateway.plugin import Sink
from gateway.plugin.hookspecs import hookimpl
from gateway.runtime.clock import FrozenClock

from .conftest import Batching, Scripted, event, forever, manager, raising


def deliveries(count: int = 1) -> list[Delivery]:
    now = FrozenClock().now()
    return [
        Delivery(id=n, event=event(n), sink="app", attempt=1, first_attempt_at=now, deadline=now) for n in range(count)
    ]


async def one(sink: Sink, *plugins: object, timeout: float = 5.0, count: int = 1) -> Any:
    results, _ = await carry(manager(*plugins).hook, deliveries(count), sink, timeout)
    assert len(results) == count
    return results[0]


async def test_what_the_sink_returns_is_the_result() -> None:
    async def receipt(delivery: Delivery) -> str:
        return "202"

    assert await one(Scripted(script=receipt)) == "202"
    assert await one(Scripted()) is None


@pytest.mark.parametrize("error", [Retry("x"), Refused("x"), Unavailable("x"), KeyError("bug")])
async def test_what_the_sink_raises_is_the_result(error: Exception) -> None:
    assert await one(Scripted(script=raising(error))) is error


async def test_a_receipt_of_the_wrong_type_is_delivered_all_the_same() -> None:
    async def receipt(delivery: Delivery) -> Any:
        return {"status": 200}

    assert await one(Scripted(script=receipt)) == "(dict)"


@pytest.mark.parametrize("error", [Retry("x"), Refused("x"), KeyError("bug")])
async def test_an_exception_that_is_returned_and_not_raised_is_no_delivery(error: Exception) -> None:
    async def given(delivery: Delivery) -> Any:
        return error

    assert await one(Scripted(script=given)) is error


async def test_a_call_that_the_sink_forgot_to_await_is_no_delivery() -> None:
    async def post() -> str:
        return "sent"

    async def forgetful(delivery: Delivery) -> Any:
        return post()

    result = await one(Scripted(script=forgetful))
    assert isinstance(result, TypeError)
    assert "should have awaited" in str(result)
    gc.collect()  # a coroutine left un-awaited would warn


async def test_a_sink_that_never_answers_is_a_failure_of_its_service() -> None:
    result = await one(Scripted(script=forever), timeout=0.01)
    assert isinstance(result, Retry)
    assert result.service
    assert result.detail == "no answer within 0.01 s"


async def test_a_sink_that_ends_its_timeout_with_another_error_has_still_not_answered() -> None:
    async def unclean(delivery: Delivery) -> None:
        try:
            await forever(delivery)
        finally:
            raise OSError("while closing")

    result = await one(Scripted(script=unclean), timeout=0.01)
    assert isinstance(result, Retry)
    assert result.service


async def test_a_sinks_own_timeout_error_is_its_own_exception() -> None:
    assert isinstance(await one(Scripted(script=raising(TimeoutError))), TimeoutError)


@pytest.mark.parametrize(
    "error", [SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit(), BaseException("x")]
)
async def test_a_sink_that_tries_to_end_the_process_is_tried_again_and_named(error: BaseException) -> None:
    result = await one(Scripted(script=raising(error)))
    assert isinstance(result, Nonsense)
    assert "sink app" in str(result)
    assert "Scripted" in str(result)
    assert type(error).__name__ in str(result)
    assert result.__cause__ is error


async def test_a_deliver_that_is_no_coroutine_is_an_ordinary_failure() -> None:
    class Sync(Scripted):
        def deliver(self, delivery: Delivery) -> Any:
            return None

    assert isinstance(await one(Sync()), TypeError)


async def test_our_own_cancellation_passes_through() -> None:
    task = asyncio.create_task(one(Scripted(script=forever)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_coroutine_that_is_taken_down_with_the_loop_goes_quietly() -> None:
    work = bounded(lambda: forever(deliveries()[0]), 5)
    work.send(None)
    work.close()


# --- plugins around it ----------------------------------------------------------------------------------------------


class Wrapper:
    """Wraps `deliver` with what the test says."""

    def __init__(self, around: Any) -> None:
        self.around = around

    @hookimpl(wrapper=True)
    def deliver(
        self, deliveries: Sequence[Delivery], sink: Sink
    ) -> Generator[None, Awaitable[Sequence[AttemptResult]], Awaitable[Sequence[AttemptResult]]]:
        inner = yield
        return self.around(inner)


async def test_a_wrapper_receives_the_awaitable_and_returns_another() -> None:
    async def rehearse(inner: Any) -> Sequence[AttemptResult]:
        return [f"rehearsed {result}" for result in await inner]

    assert await one(Scripted(), Wrapper(rehearse)) == "rehearsed None"


async def test_a_wrapper_that_raises_leaves_no_coroutine_un_awaited() -> None:
    def broken(inner: Any) -> Any:
        raise RuntimeError("on purpose")

    sink = Scripted()
    result = await one(sink, Wrapper(broken))
    gc.collect()  # a dropped coroutine would warn here, and warnings are errors
    assert isinstance(result, RuntimeError)
    assert sink.seen == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "None, not an awaitable"),
        (["ok"], "a list, not an awaitable"),
    ],
)
async def test_a_hook_that_gives_no_awaitable_is_nonsense_and_the_plugin_is_named(given: Any, said: str) -> None:
    class Odd:
        @hookimpl(wrapper=True)
        def deliver(self, deliveries: Any, sink: Any) -> Any:
            yield
            return given

    result = await one(Scripted(), Odd())
    assert isinstance(result, Nonsense)
    assert said in str(result)
    assert "plugin" in str(result)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("ok", "a str, not a list of 1"),
        (None, "None, not a list of 1"),
        ([], "0 results for 1"),
        (["a", "b"], "2 results for 1"),
        ([200], "a int is no result"),
        ([SystemExit(3)], "a SystemExit is no result"),
    ],
)
async def test_results_that_do_not_fit_are_nonsense_and_the_plugin_is_named(given: Any, said: str) -> None:
    async def odd(inner: Any) -> Any:
        return given

    plugin = Wrapper(odd)
    hooks = manager()
    hooks.register(plugin, "oddity")
    ((result,), _) = await carry(hooks.hook, deliveries(), Scripted(), 5)
    assert isinstance(result, Nonsense)
    assert said in str(result)
    assert "plugin oddity or sink app" in str(result)


# --- batches --------------------------------------------------------------------------------------------------------


async def together(sink: Batching, count: int = 3, timeout: float = 5.0) -> tuple[list[Any], bool]:
    """The results, and whether each was judged for itself."""
    results, apart = await carry(manager().hook, deliveries(count), sink, timeout)
    assert apart in ([], list(range(count)))
    return list(results), not apart


async def test_a_batch_has_one_result_each() -> None:
    sink, poison = Batching(), KeyError("poison")

    async def some(given: Sequence[Delivery]) -> list[Any]:
        return ["ok", poison, None]

    sink.together = some
    assert await together(sink) == (["ok", poison, None], True)
    assert len(sink.batches) == 1


async def test_one_of_a_batch_is_carried_alone() -> None:
    sink = Batching()
    assert await together(sink, 1) == ([None], True)
    assert sink.batches == [[deliveries(1)[0].event.id]]


@pytest.mark.parametrize("error", [KeyError("bug"), Retry("x", service=True), asyncio.CancelledError()])
async def test_a_batch_that_fails_as_a_whole_says_that_nobody_was_judged(error: BaseException) -> None:
    async def fail(given: Sequence[Delivery]) -> list[Any]:
        raise error

    sink = Batching()
    sink.together = fail
    results, each = await together(sink)
    assert len(results) == 3
    assert not each


async def test_a_batch_refused_as_a_whole_kills_nobody() -> None:
    async def refuse(given: Sequence[Delivery]) -> list[Any]:
        raise Refused("400", status=400)

    sink = Batching()
    sink.together = refuse
    results, each = await together(sink)
    assert all(isinstance(result, Retry) and result.status == 400 and not result.service for result in results)
    assert not each


async def test_an_unavailable_target_is_no_batch_members_fault() -> None:
    async def gone(given: Sequence[Delivery]) -> list[Any]:
        raise Unavailable("revoked")

    sink = Batching()
    sink.together = gone
    results, each = await together(sink)
    assert all(isinstance(result, Unavailable) for result in results)
    assert each
