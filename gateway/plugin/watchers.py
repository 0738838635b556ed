"""Tells the plugins that watch, one by one: a broken one is named in the log once and hurts neither the others nor us."""

from __future__ import annotations

from typing import Any

from gateway.runtime.lean_imports import import_structlog

log = import_structlog().get_logger("gateway.dispatcher")


class Watchers:
    """The implementations of one watching hook, such as `attempt_finished`, of whichever plugins are behind `hook` now."""

    def __init__(self, hook: Any, name: str) -> None:
        self._hook = hook
        self._name = name
        self._broken: set[str] = set()

    def tell(self, **values: Any) -> None:
        """Call each with the arguments it asks for. Never raises."""
        caller = getattr(self._hook, self._name)
        for one in caller.get_hookimpls():
            if one.wrapper or one.hookwrapper:
                self._call(f"{one.plugin_name} and others", lambda: caller(**values))
                return  # a wrapper means the whole call: it has been told with everyone it wraps
        for one in reversed(caller.get_hookimpls()):
            self._call(one.plugin_name, lambda one=one: one.function(*(values[name] for name in one.argnames)))

    def _call(self, plugin: str, call: Any) -> None:
        try:
            call()
        except BaseException:  # also SystemExit: a plugin that watches does not end the gateway
            if plugin not in self._broken:
                self._broken.add(plugin)
                log.exception("watch_hook_failed", plugin=plugin, hook=self._name)
