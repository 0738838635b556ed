"""Puts what a test brings along into a gateway's registry: classes of its own, hooks, and the type `recorder`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gateway.model import Attempt, Delivery
from gateway.plugin import Sink, Source
from gateway.plugin.hookspecs import hookimpl
from gateway.plugin.registry import Registry
from gateway.testing.recorder import Recorder


class Watch:
    """Keeps every attempt."""

    def __init__(self, attempts: list[tuple[Delivery, Attempt]]) -> None:
        self._attempts = attempts

    @hookimpl
    def attempt_finished(self, delivery: Delivery, attempt: Attempt) -> None:
        self._attempts.append((delivery, attempt))


class _Types:
    def __init__(self, classes: Sequence[type[object]]) -> None:
        self._classes = classes

    @hookimpl
    def register_sources(self) -> list[type[Source]]:
        return [cls for cls in self._classes if issubclass(cls, Source)]

    @hookimpl
    def register_sinks(self) -> list[type[Sink]]:
        return [Recorder, *(cls for cls in self._classes if issubclass(cls, Sink))]


def registry_with(listed: Sequence[str], base: Path, plugins: Sequence[object]) -> Registry:
    """What the configuration lists, and beside it `plugins`: classes, and objects with hooks. Raises PluginError."""
    registry = Registry(listed, base)
    classes = [plugin for plugin in plugins if isinstance(plugin, type)]
    registry.register(_Types(classes), "the test")
    for plugin in plugins:
        if not isinstance(plugin, type):
            registry.register(plugin, f"the test ({type(plugin).__name__})")
    return registry
