"""Plugins that watch: told one by one, and a broken one hurts nobody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.plugin.hooks import Watchers
from gateway.plugin.hookspecs import hookimpl

from .conftest import manager


class Watch:
    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.seen: list[Any] = []

    @hookimpl
    def attempt_finished(self, attempt: Any) -> None:
        self.seen.append(attempt)
        if self.error:
            raise self.error


@pytest.mark.parametrize("error", [RuntimeError("x"), SystemExit(1), KeyboardInterrupt()])
def test_a_broken_watcher_silences_nobody_and_is_named_once(error: BaseException) -> None:
    before, broken, behind = Watch(), Watch(error), Watch()
    hooks = manager()
    for name, plugin in (("before", before), ("broken", broken), ("behind", behind)):
        hooks.register(plugin, name)
    watchers = Watchers(hooks.hook, "attempt_finished")
    with capture_logs() as logs:
        for attempt in (1, 2):
            watchers.notify(delivery=None, attempt=attempt)
    assert before.seen == broken.seen == behind.seen == [1, 2]
    assert [(line["event"], line["plugin"], line["hook"]) for line in logs] == [
        ("watch_hook_failed", "broken", "attempt_finished")
    ]


def test_a_wrapper_of_a_watching_hook_works_as_pluggy_says() -> None:
    order = []

    class Around:
        @hookimpl(wrapper=True)
        def attempt_finished(self, attempt: Any) -> Iterator[None]:
            order.append("before")
            yield
            order.append("after")

    watch = Watch()
    hooks = manager(watch, Around())
    Watchers(hooks.hook, "attempt_finished").notify(delivery=None, attempt=7)
    assert watch.seen == [7]
    assert order == ["before", "after"]


def test_without_watchers_nothing_happens() -> None:
    Watchers(manager().hook, "attempt_finished").notify(delivery=None, attempt=1)
