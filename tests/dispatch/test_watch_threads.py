"""A plugin that watches can neither undo nor hold up what it is told of, whatever it does."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.plugin.hooks import CALLS_MAX, EVENT_BYTES_MAX, Watchers, WatchThreads
from gateway.plugin.hookspecs import hookimpl
from gateway.runtime.metrics import LABEL_VALUES_MAX, BoundedLabel, Metrics
from gateway.testing import running
from tests.patience import PATIENCE_S

from .conftest import manager

CONFIG = """
version: 1
sources: {live: {type: huawei-live, keys: [0123456789abcdef0123456789abcdef]}}
sinks: {app: {type: recorder}}
routes: [{to: [app]}]
"""


class Own(BaseException):
    pass


def _raising(error: BaseException) -> Callable[[], Any]:
    def misbehave() -> None:
        raise error

    return misbehave


async def _coroutine() -> None: ...


MISBEHAVIOURS: dict[str, Callable[[], Any]] = {
    "raises": _raising(RuntimeError("a bug")),
    "exits": _raising(SystemExit(3)),
    "interrupts": _raising(KeyboardInterrupt()),
    "is cancelled": _raising(asyncio.CancelledError()),
    "leaves": _raising(GeneratorExit()),
    "raises what nobody catches": _raising(Own()),
    "returns a coroutine": _coroutine,
    "returns a value": lambda: 7,
    "blocks": lambda: threading.Event().wait(PATIENCE_S * 6),
}


class Watch:
    def __init__(self, misbehave: Callable[[], Any]) -> None:
        self.misbehave = misbehave
        self.seen: list[str] = []

    @hookimpl
    def event_stored(self, event: Any, sinks: Any) -> Any:
        self.seen.append("stored")
        return self.misbehave()

    @hookimpl
    def attempt_finished(self, delivery: Any, attempt: Any) -> Any:
        self.seen.append("finished")
        return self.misbehave()


class Sound(Watch):
    def __init__(self) -> None:
        super().__init__(lambda: None)


@pytest.mark.parametrize("how", MISBEHAVIOURS)
async def test_whatever_a_watching_hook_does_callbacks_are_taken_delivered_and_the_gateway_ends(how: str) -> None:
    broken, sound = Watch(MISBEHAVIOURS[how]), Sound()
    began = time.monotonic()
    async with running(CONFIG, plugins=[broken, sound]) as gateway:
        for _ in range(3):
            assert (await gateway.send(settle=False)).status == 200
        await gateway.settle()
        assert len(gateway.delivered("app")) == 3
        assert (await gateway.gateway.readiness())[0]
        assert sorted(sound.seen) == ["finished"] * 3 + ["stored"] * 3
    assert broken.seen
    assert time.monotonic() - began < PATIENCE_S


def test_what_a_blocked_plugin_is_not_told_is_counted_and_memory_is_bounded() -> None:
    free = threading.Event()
    watch, other = Watch(lambda: free.wait(PATIENCE_S)), Sound()
    hooks = manager()
    hooks.register(watch, "blocked")
    hooks.register(other, "other")
    metrics = Metrics()
    threads = WatchThreads(metrics.watch_calls_dropped)
    watchers = Watchers(hooks.hook, "attempt_finished", threads)
    with capture_logs() as logs:
        for number in range(CALLS_MAX + 50):
            watchers.notify(delivery=None, attempt=number)
            if number % 100 == 0:
                assert threads._plugins["other"].flush(PATIENCE_S)
    assert [(line["event"], line["plugin"]) for line in logs] == [("watch_hook_slow", "blocked")]
    assert _dropped(metrics) == 50
    assert threads._plugins["other"].flush(PATIENCE_S)
    assert len(other.seen) == CALLS_MAX + 50
    assert not threads.flush(0.01)
    free.set()
    assert threads.flush(PATIENCE_S)
    assert len(watch.seen) == CALLS_MAX
    assert threads._plugins["blocked"]._bytes == 0
    watchers.notify(delivery=None, attempt=1)
    assert threads.close(PATIENCE_S)
    assert len(watch.seen) == CALLS_MAX + 1


def test_events_that_wait_for_a_blocked_plugin_are_bounded_by_their_bytes() -> None:
    free = threading.Event()
    metrics = Metrics()
    threads = WatchThreads(metrics.watch_calls_dropped)
    for _ in range(5):
        threads.enqueue("blocked", "event_stored", lambda: free.wait(PATIENCE_S), EVENT_BYTES_MAX // 2)
    assert _dropped(metrics, "event_stored") == 3
    free.set()
    assert threads.close(PATIENCE_S)


def test_a_coroutine_that_a_hook_returns_is_named_once_and_does_not_warn() -> None:
    hooks = manager()
    hooks.register(Watch(_coroutine), "late")
    watchers = Watchers(hooks.hook, "attempt_finished")
    with capture_logs() as logs:
        for _ in range(2):
            watchers.notify(delivery=None, attempt=1)
    assert [(line["event"], line["plugin"]) for line in logs] == [("watch_hook_failed", "late")]


def test_labels_that_a_plugin_makes_up_are_bounded() -> None:
    bounded = BoundedLabel()
    values = {bounded(f"scheme-{number}") for number in range(LABEL_VALUES_MAX * 3)}
    assert len(values) == LABEL_VALUES_MAX + 1
    assert bounded("scheme-0") == "scheme-0"
    assert BoundedLabel()("x" * 1000) == "other"


def _dropped(metrics: Metrics, hook: str = "attempt_finished") -> float | None:
    return metrics.registry.get_sample_value("recording_gateway_watch_calls_dropped_total", {"hook": hook})
