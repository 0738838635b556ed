"""The hooks of whichever configuration runs now, and telling those that watch: a broken one hurts neither the others nor us."""

from __future__ import annotations

import contextlib
import inspect
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, Protocol

from gateway.events.private_copy import private_copy
from gateway.model import Delivery, Event
from gateway.runtime.lean_imports import import_structlog

if TYPE_CHECKING:
    from pluggy import HookCaller

log = import_structlog().get_logger("gateway.dispatcher")

CALLS_MAX: Final = 1000  # that wait for one plugin
EVENT_BYTES_MAX: Final = 8 * 2**20  # of the events in them
FLUSH_SECONDS: Final = 2.0

HookCall = Callable[[], object]
WatchHook = Literal["event_stored", "attempt_finished"]


class Hooks(Protocol):
    """The hooks of the plugins that are loaded, as pluggy's relay has them."""

    @property
    def deliver(self) -> HookCaller: ...
    @property
    def event_stored(self) -> HookCaller: ...
    @property
    def attempt_finished(self) -> HookCaller: ...


class Relay:
    """Stands where pluggy's relay stands: `relay.deliver(...)`. `change` puts another one behind it."""

    deliver: HookCaller
    event_stored: HookCaller
    attempt_finished: HookCaller

    def __init__(self, hook: Hooks) -> None:
        self.change(hook)

    def change(self, hook: Hooks) -> None:
        """From the next call on, the plugins of another registry are asked. What is asked for every event is at hand."""
        self.deliver, self.event_stored, self.attempt_finished = hook.deliver, hook.event_stored, hook.attempt_finished


class Watchers:
    """The implementations of one watching hook, such as `attempt_finished`, of whichever plugins are behind `hook` now.

    With `threads` each plugin is called on a thread of its own, so that one that blocks holds up nobody; without, here.
    """

    def __init__(self, hook: Hooks, name: WatchHook, threads: WatchThreads | None = None) -> None:
        self._hook = hook
        self._name = name
        self._threads = threads
        self._broken: set[str] = set()

    @property
    def any(self) -> bool:
        """Whether there is one."""
        caller: HookCaller = getattr(self._hook, self._name)
        return bool(caller.get_hookimpls())

    def notify(self, *, size: int = 0, **values: object) -> None:
        """Call each with the arguments it asks for. Never raises. `size`: the bytes that a waiting call keeps in memory."""
        caller: HookCaller = getattr(self._hook, self._name)
        impls = caller.get_hookimpls()
        if not impls:  # as nearly always, and this is asked for every event
            return
        values = {name: _for_plugins(value) for name, value in values.items()}
        for one in impls:
            if one.wrapper or one.hookwrapper:
                self._start(f"{one.plugin_name} and others", partial(caller, **values), size)
                return  # a wrapper means the whole call: it has been told with everyone it wraps
        for one in reversed(impls):
            self._start(one.plugin_name, partial(one.function, *(values[name] for name in one.argnames)), size)

    def _start(self, plugin: str, call: HookCall, size: int) -> None:
        if self._threads is None:
            self._call(plugin, call)
        else:
            self._threads.enqueue(plugin, self._name, partial(self._call, plugin, call), size)

    def _call(self, plugin: str, call: HookCall) -> None:
        try:
            given = call()
            if inspect.iscoroutine(given):
                given.close()
                raise TypeError("it returned a coroutine, which nobody awaits: a hook is a plain function")
        except BaseException:  # also SystemExit: a plugin that watches does not end the gateway
            if plugin not in self._broken:
                self._broken.add(plugin)
                log.exception("watch_hook_failed", plugin=plugin, hook=self._name)


def _for_plugins(value: object) -> object:
    if isinstance(value, Event):
        return private_copy(value)
    return value.replace(event=private_copy(value.event)) if isinstance(value, Delivery) else value


class DroppedOfHook(Protocol):
    """One counter."""

    def inc(self) -> None: ...


class Dropped(Protocol):
    """The metric `watch_calls_dropped`."""

    def labels(self, hook: str, /) -> DroppedOfHook: ...


class WatchThreads:
    """A thread for each plugin that watches, and what waits for it, within bounds. What does not fit is dropped and counted."""

    def __init__(self, dropped: Dropped) -> None:
        self._dropped = dropped
        self._plugins: dict[str, _PluginThread] = {}

    def enqueue(self, plugin: str, hook: str, call: HookCall, size: int) -> None:
        """Have this called, after what came before. Never raises, never waits."""
        thread = self._plugins.get(plugin)
        if thread is None:
            thread = self._plugins[plugin] = _PluginThread(plugin)
        if thread.enqueue(call, size):
            return
        self._dropped.labels(hook).inc()
        if not thread.warned:
            thread.warned = True
            log.warning("watch_hook_slow", plugin=plugin, hook=hook, waiting=thread.waiting)

    @property
    def busy(self) -> bool:
        """Whether a call waits or is under way."""
        return any(thread.waiting for thread in self._plugins.values())

    def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Wait until every plugin was told, for `seconds` at most; False: one does not come back."""
        until = time.monotonic() + seconds
        done = [thread.flush(max(until - time.monotonic(), 0.0)) for thread in self._plugins.values()]
        return all(done)

    def close(self, seconds: float = FLUSH_SECONDS) -> bool:
        """`flush`, and end the threads; one that is stuck ends with the process."""
        done = self.flush(seconds)
        for thread in self._plugins.values():
            thread.close()
        self._plugins = {}
        return done


class _PluginThread:
    def __init__(self, plugin: str) -> None:
        self._changed = threading.Condition()
        self._calls: deque[tuple[HookCall, int]] = deque()
        self._bytes = 0
        self.waiting = 0  # calls that are not done
        self.warned = False
        self._ending = False
        threading.Thread(target=self._call_until_closed, name=f"watch {plugin}", daemon=True).start()

    def enqueue(self, call: HookCall, size: int) -> bool:
        with self._changed:
            if self.waiting >= CALLS_MAX or (self.waiting and self._bytes + size > EVENT_BYTES_MAX):
                return False
            self._calls.append((call, size))
            self._bytes += size
            self.waiting += 1
            self._changed.notify_all()
            return True

    def flush(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self.waiting, seconds)

    def close(self) -> None:
        with self._changed:
            self._ending = True
            self._changed.notify_all()

    def _call_until_closed(self) -> None:
        while True:
            with self._changed:
                while not self._calls:
                    if self._ending:
                        return
                    self._changed.wait()
                call, size = self._calls.popleft()
            with contextlib.suppress(
                Exception
            ):  # it has said what is wrong; where even that fails, the next call comes
                call()
            del call  # because it would keep the last event alive
            with self._changed:
                self._bytes -= size
                self.waiting -= 1
                if not self.waiting:
                    self.warned = False
                    self._changed.notify_all()
