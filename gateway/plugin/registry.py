"""Finds and loads plugins: entry points when a `type:` asks for them, files and modules that `plugins:` lists."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pluggy
from pydantic import BaseModel

from gateway.errors import PluginError
from gateway.plugin import Sink, Source, hookspecs
from gateway.plugin.contract import class_problem
from gateway.plugin.installed import Installed, describe, entry_points_by_type
from gateway.plugin.modules import import_file, is_edited, loading_error, own_the_plugins_package, remember
from gateway.text.file_trouble import file_trouble
from gateway.text.suggest import nearest, suggestion

P = TypeVar("P", bound=Source | Sink)


class UnknownType(PluginError):
    """No plugin has this type; `near` is the closest that one has."""

    def __init__(self, kind: str, name: str, known: Sequence[str]) -> None:
        self.near = nearest(name, known)
        self.known = known
        super().__init__(f"no {kind} type {name!r} is installed{suggestion(name, known)}")


class Registry:
    """The plugins of one configuration. Loading is done once; an edited Python file needs a restart."""

    def __init__(self, plugins: Sequence[str] = (), base: Path | None = None) -> None:
        """Load what `plugins` lists, relative to the folder `base`. Raises PluginError for the first that cannot be used."""
        own_the_plugins_package()
        self._base = (base or Path.cwd()).resolve()
        self._entry_points = entry_points_by_type()
        self._types: dict[tuple[str, str], type[object]] = {}
        self._origins: dict[tuple[str, str], str] = {}
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._listed: list[Installed] = []
        self._modules: dict[str, ModuleType] = {}
        for entry in plugins:
            self._load_listed(entry)

    @property
    def hook(self) -> Any:
        """pluggy's relay: `registry.hook.deliver(...)`."""
        return self._manager.hook

    def register(self, plugin: object, name: str) -> None:
        """Add an object with hook implementations, and the types it registers: the core's own, and a test's.

        `name` says where it came from. Raises PluginError.
        """
        self._hook_in(plugin, name)
        self._register_types(plugin, name, getattr(plugin, "__name__", name))

    def _hook_in(self, plugin: object, name: str) -> None:
        if isinstance(plugin, type):
            raise PluginError(f"plugin {name}: {plugin.__qualname__} is a class; name a module or an object instead")
        try:
            self._manager.register(plugin, name)
            self._manager.check_pending()
            for caller in self._manager.get_hookcallers(plugin) or ():
                _refuse_coroutines(caller, plugin, name)
        except (pluggy.PluginValidationError, PluginError, ValueError) as error:
            self._manager.unregister(plugin) if self._manager.is_registered(plugin) else None
            if isinstance(error, PluginError):
                raise
            raise PluginError(f"plugin {name}: {error}{_near_hook(str(error))}") from error

    # -- types

    def source(self, name: str) -> type[Source]:
        """The source class of this type. Raises UnknownType, or PluginError naming distribution and reason."""
        return self._type("source", name, Source)

    def sink(self, name: str) -> type[Sink]:
        """The sink class of this type. Raises UnknownType, or PluginError naming distribution and reason."""
        return self._type("sink", name, Sink)

    def source_types(self) -> list[str]:
        """The names of all source types, installed and listed, without importing any."""
        return self._names("source")

    def sink_types(self) -> list[str]:
        """The names of all sink types, installed and listed, without importing any."""
        return self._names("sink")

    def installed(self) -> list[Installed]:
        """Everything that can be used, for `gateway plugins list`; nothing is imported for it."""
        found = [describe(entry) for entries in self._entry_points.values() for entry in entries]
        return sorted([*found, *self._listed], key=lambda one: (one.kind, one.name))

    def origin(self, kind: str, name: str) -> str:
        """Where a type comes from, for errors and logs."""
        if (kind, name) in self._origins:
            return self._origins[kind, name]
        entries = self._entry_points.get((kind, name))
        return describe(entries[0]).origin if entries else "nowhere"

    def edited(self) -> list[str]:
        """The listed files and modules whose Python is no longer what was imported: only a restart reads it again."""
        return [entry for entry, module in self._modules.items() if is_edited(module)]

    def _names(self, kind: str) -> list[str]:
        return sorted({name for k, name in [*self._entry_points, *self._types] if k == kind})

    def _type(self, kind: str, name: str, base: type[P]) -> type[P]:
        if (cls := self._types.get((kind, name))) is not None and issubclass(cls, base):
            return cls
        entries = self._entry_points.get((kind, name))
        if not entries:
            raise UnknownType(kind, name, self._names(kind))
        self._refuse_two(kind, name, [describe(entry) for entry in entries])
        found = describe(entries[0])
        loaded = _guard(found.origin, f"{kind} {name!r}", entries[0].load)
        return self._add(kind, loaded, base, found.origin, expected=name)

    def _add(self, kind: str, cls: object, base: type[P], origin: str, expected: str | None = None) -> type[P]:
        what = f"{origin}: {getattr(cls, '__qualname__', cls)!s}"
        if not isinstance(cls, type) or not issubclass(cls, base):
            raise PluginError(f"{what} is not a subclass of gateway.{base.__name__}")
        name = cls.__dict__.get("type", getattr(cls, "type", None))
        if not isinstance(name, str) or not name:
            raise PluginError(f'{what} has no type; add `type = "…"` to the class')
        if expected is not None and name != expected:
            raise PluginError(f"{what} has the type {name!r}, but its entry point says {expected!r}; make them equal")
        options = getattr(cls, "Options", None)
        if not isinstance(options, type) or not issubclass(options, BaseModel):
            raise PluginError(f"{what}: Options is not a pydantic model; derive it from gateway.Options")
        if said := class_problem(cls, base):
            raise PluginError(f"{what}: {said}")
        if (kind, name) in self._types and self._types[kind, name] is not cls:
            raise PluginError(
                f"two plugins bring the {kind} type {name!r}: {self._origins[kind, name]} and {origin}; remove one of them"
            )
        self._types[kind, name] = cls
        self._origins[kind, name] = origin
        cls.origin = origin
        return cls

    def _refuse_two(self, kind: str, name: str, found: Sequence[Installed]) -> None:
        if len(found) > 1:
            both = " and ".join(f"{one.origin} ({one.target})" for one in found)
            raise PluginError(f"two distributions bring the {kind} {name!r}: {both}; uninstall one of them")

    # -- what `plugins:` lists

    def _load_listed(self, entry: str) -> None:
        if entry.endswith(".py") or "/" in entry:
            path = self._path_of_entry(entry)
            origin = label = str(path)
            plugin: object = _guard(origin, f"plugins: {entry}", lambda: import_file(path))
        elif ("plugin", entry) in self._entry_points:
            entries = self._entry_points["plugin", entry]
            self._refuse_two("plugin", entry, [describe(one) for one in entries])
            origin = describe(entries[0]).origin
            label = f"{origin} ({entries[0].value})"
            plugin = _guard(origin, f"plugin {entry!r}", entries[0].load)
        else:
            origin = f"the module {entry}"
            plugin = self._module(entry)
            label = f"{entry} ({getattr(plugin, '__file__', None) or 'a package'})"
        if self._manager.is_registered(plugin):
            raise PluginError(f"plugins: {entry} is listed twice")
        if isinstance(plugin, ModuleType):
            remember(plugin)
            self._modules[entry] = plugin
        self._hook_in(plugin, label)
        self._register_types(plugin, origin, getattr(plugin, "__name__", entry))

    def _register_types(self, plugin: object, origin: str, name: str) -> None:
        hooks = self._manager.hook
        for kind, base, hook in (("source", Source, hooks.register_sources), ("sink", Sink, hooks.register_sinks)):
            brought: list[object] = []
            for implementation in hook.get_hookimpls():
                if implementation.plugin is plugin:
                    answer = _guard(origin, f"register_{kind}s", implementation.function)
                    if not isinstance(answer, Iterable):
                        raise PluginError(f"{origin}: register_{kind}s must return a list of classes, not {answer!r}")
                    brought.extend(answer)
            # because a single file with one class should need no ceremony, classes written in it need no hook
            brought.extend(cls for cls in getattr(plugin, "__dict__", {}).values() if _is_written_here(cls, base, name))
            for one in {id(one): one for one in brought}.values():
                cls = self._add(kind, one, base, origin)
                entries = self._entry_points.get((kind, cls.type), [])
                if entries:
                    raise PluginError(
                        f"two plugins bring the {kind} type {cls.type!r}: {describe(entries[0]).origin} and {origin}; rename one"
                    )
                self._listed.append(
                    Installed(kind=kind, name=cls.type, origin=origin, target=f"{cls.__module__}:{cls.__qualname__}")
                )

    def _path_of_entry(self, entry: str) -> Path:
        path = (self._base / entry).resolve()
        if not path.is_relative_to(self._base):
            raise PluginError(
                f"plugins: {entry} lies outside {self._base}; only files beside or below the configuration are loaded"
            )
        try:
            mode = path.stat().st_mode
        except OSError as error:
            raise PluginError(f"plugins: {entry}: cannot read {path}: {file_trouble(path, error)}") from None
        if not stat.S_ISREG(mode):
            raise PluginError(f"plugins: {entry}: {path} is not a file; to load a package, write its module's name")
        if mode & stat.S_IWOTH:
            raise PluginError(f"plugins: {entry}: everybody may write {path}; run `chmod o-w` on it")
        return path

    def _module(self, entry: str) -> ModuleType:
        try:
            return importlib.import_module(entry)
        except ModuleNotFoundError as error:
            if error.name is not None and (entry == error.name or entry.startswith(error.name + ".")):
                names = [name for kind, name in self._entry_points if kind == "plugin"]
                hint = f"; installed plugins are: {', '.join(sorted(names))}" if names else ""
                extra = (
                    " (the name `plugins` is the gateway's own: list a file as ./plugins/name.py)"
                    if entry.split(".", maxsplit=1)[0] == "plugins"
                    else ""
                )
                raise PluginError(
                    f"plugins: no module named {entry!r} on the path{extra}{hint}; a file is written as ./name.py"
                ) from None
            raise PluginError(f"plugins: {entry} cannot be imported: {loading_error(error)}") from error
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise PluginError(f"plugins: {entry} cannot be imported: {loading_error(error)}") from error


def _guard(origin: str, what: str, load: Callable[[], object]) -> object:
    try:
        return load()
    except (PluginError, KeyboardInterrupt):
        raise
    except BaseException as error:  # also SystemExit, and what a library written in Rust raises
        raise PluginError(f"{what} from {origin} cannot be loaded: {loading_error(error, origin)}") from error


def _refuse_coroutines(caller: pluggy.HookCaller, plugin: object, name: str) -> None:
    """A hook that is a coroutine function would be called and never awaited; only `deliver` gives back an awaitable."""
    for one in caller.get_hookimpls():
        if one.plugin is plugin and caller.name != "deliver" and inspect.iscoroutinefunction(one.function):
            raise PluginError(f"plugin {name}: the hook {caller.name} is asynchronous; write `def {caller.name}(…)`")


def _near_hook(said: str) -> str:
    """The hook that was perhaps meant, where pluggy speaks of an unknown one."""
    wrong = re.match(r"unknown hook '(\w+)'", said)
    near = nearest(wrong[1], hookspecs.NAMES) if wrong else None
    return f"; did you mean {near}?" if near else ""


def _is_written_here(cls: object, base: type[object], module: str) -> bool:
    return isinstance(cls, type) and issubclass(cls, base) and cls.__module__ == module and "type" in cls.__dict__
