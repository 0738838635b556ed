"""Imports of libraries whose own imports are not wanted: start-up time and memory are promises."""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any, ForwardRef

_SERVERS = ("gzip", "http.server", "socketserver", "urllib.error", "urllib.request", "wsgiref", "wsgiref.simple_server")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_lock = threading.RLock()  # because sys.modules is everybody's, and a first request may import in a thread


@contextlib.contextmanager
def without(stand_ins: Mapping[str, ModuleType | None]) -> Iterator[None]:
    """Put these in the place of modules that were not imported yet, and take them out again.

    None makes `import` raise ImportError, which optional imports expect. A module that is loaded already stays.
    """
    with _lock:
        placed = {name: stand_in for name, stand_in in stand_ins.items() if name not in sys.modules}
        modules: dict[str, Any] = sys.modules
        modules.update(placed)
        try:
            yield
        finally:
            for name, stand_in in placed.items():
                if modules.get(name) is stand_in:
                    del modules[name]


class Later(ModuleType):
    """Stands in for a module that is imported when somebody asks something of it. `functions`, and what is `known`, are there before."""

    def __init__(self, name: str, *functions: str, **known: object) -> None:
        super().__init__(name)
        vars(self).update(known)
        for function in functions:
            setattr(self, function, _later(name, function))

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # what the machinery of imports asks
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:  # a library asks for more at once than it did when this was written
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


class _Hollow(ModuleType):
    """Stands in for a module whose classes others are made of: whatever is asked of it is an empty class."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def _later(module: str, name: str) -> Callable[..., object]:
    def call(*arguments: object, **options: object) -> object:
        return getattr(importlib.import_module(module), name)(*arguments, **options)

    return call


def import_httpx() -> ModuleType:
    """httpx without its command line, which would bring rich and pygments where they are installed."""
    return _import("httpx", {"httpx._main": None})


def import_structlog() -> ModuleType:
    """structlog without rich: 10 MB that only its default traceback renderer wants, and that one prints locals. Without
    greenlet too, which brings C++'s library, and whose threads nobody here has, and without what pickles."""
    return _import("structlog", {"rich": None, "greenlet": None, "pickle": Later("pickle", "PicklingError")})


def import_cel() -> ModuleType:
    """The CEL library without its command line (typer, rich, prompt_toolkit: 0.1 s and 24 MB)."""
    return _import("cel", {"cel.cli": ModuleType("cel.cli")})


def _mails() -> Later:
    """What writes a date as in mails, without what else mails have (and calendars: 0.3 MB)."""
    return Later("email.utils", "format_datetime", formatdate=_formatdate)


def _formatdate(timeval: float | None = None, localtime: bool = False, usegmt: bool = False) -> str:
    """As `email.utils` has it: a time in seconds as `Sun, 06 Nov 1994 08:49:37 GMT`."""
    if localtime or not usegmt:
        from email.utils import formatdate

        return formatdate(timeval, localtime, usegmt)
    at = time.gmtime(timeval)
    return f"{_DAYS[at.tm_wday]}, {at.tm_mday:02d} {_MONTHS[at.tm_mon - 1]} {at.tm_year:04d} {at.tm_hour:02d}:{at.tm_min:02d}:{at.tm_sec:02d} GMT"


def import_uvicorn() -> ModuleType:
    """uvicorn without what supervises worker processes and configures logs; who calls one of these still gets it."""
    return _import_later(
        "uvicorn",
        Later("uvicorn.supervisors", "ChangeReload", "Multiprocess"),
        Later("configparser", "RawConfigParser"),
        Later("logging.config"),
        _mails(),
    )


def import_starlette() -> ModuleType:
    """Starlette's applications without clients of HTTP, cookies, mails, the letters of HTML, and what reads forms, until somebody
    sends one."""
    import http  # which costs most commands nothing this way

    client = Later("http.client", responses={status.value: status.phrase for status in http.HTTPStatus})
    forms = Later("python_multipart")
    if (spec := PathFinder.find_spec(forms.__name__)) is not None:
        forms.__path__ = spec.submodule_search_locations or []  # because its exceptions are asked for at once
    parser = Later("python_multipart.multipart", "parse_options_header")
    files = Later("tempfile", "SpooledTemporaryFile")
    later = (client, Later("http.cookies"), forms, parser, files, Later("html"), _mails())
    return _import_later("starlette.applications", *later)


def import_pydantic() -> None:
    """pydantic without `importlib.metadata`, unless a distribution brings a plugin of pydantic's."""
    metadata = ModuleType("importlib.metadata")
    known = {"entry_points": _pydantic_plugins, "distributions": _with_pydantic_plugins}
    vars(metadata).update(known, __getattr__=_of_whole_metadata)
    with contextlib.suppress(ImportError):  # a name of its own, which may change: the first model imports it then
        _import("pydantic.plugin._loader", {metadata.__name__: metadata})
    _as_written("pydantic_core.core_schema")


def _as_written(name: str) -> None:
    """Let what a module says of its dictionaries' values (0.3 MB) be read when somebody asks `typing.get_type_hints`, as it is
    of a class that is none."""
    for one in vars(sys.modules.get(name, object())).values():
        if isinstance(one, type) and issubclass(one, dict):
            written = vars(one).get("__annotations__", {})  # not inspect.get_annotations, because that is a copy
            written.update(
                {key: value.__forward_arg__ for key, value in written.items() if isinstance(value, ForwardRef)}
            )


def _of_whole_metadata(name: str) -> object:
    """What another version of pydantic may ask for, once it is imported."""
    if name.startswith("__"):  # the import itself asks for such
        raise AttributeError(name)
    return getattr(importlib.import_module("importlib.metadata"), name)


def _with_pydantic_plugins() -> Iterable[object]:
    """All distributions, where one has a plugin. pydantic before 2.14.1 looks through them by itself."""
    from gateway.runtime.entry_points import entry_points

    if not entry_points("pydantic"):
        return ()
    from importlib import metadata

    return metadata.distributions()


def _pydantic_plugins(*, group: str) -> Iterable[object]:
    from gateway.runtime.entry_points import entry_points

    if not entry_points(group):
        return ()
    from importlib import metadata

    return metadata.entry_points(group=group)


def import_prometheus() -> ModuleType:
    """prometheus_client's way to write what is counted, without the servers and clients that it has beside (1.3 MB).

    Who imports prometheus_client itself afterwards gets all of it, and the same registry.
    """
    exposition = "prometheus_client.exposition"
    if (there := sys.modules.get(exposition)) is not None:
        return there
    with without({name: _Hollow(name) for name in _SERVERS}):
        module = importlib.import_module(exposition)
        for name in ("prometheus_client", exposition):  # because others want them whole
            del sys.modules[name]
    return module


def _import_later(name: str, *later: Later) -> ModuleType:
    module = _import(name, {one.__name__: one for one in later})
    for one in later:  # as a module is its parent's attribute; its import puts the module there
        parent, _, own = one.__name__.rpartition(".")
        if parent in sys.modules and not hasattr(sys.modules[parent], own):
            setattr(sys.modules[parent], own, one)
    return module


def _import(name: str, stand_ins: Mapping[str, ModuleType | None]) -> ModuleType:
    if name in sys.modules:
        return importlib.import_module(name)  # not sys.modules[name]: another thread may be in the middle of it
    with without(stand_ins):
        return importlib.import_module(name)
