"""Imports of libraries whose own imports are not wanted: start-up time and memory are promises."""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

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


def import_httpx() -> ModuleType:
    """httpx without its command line, which would bring rich and pygments where they are installed."""
    return _import("httpx", {"httpx._main": None})


def import_structlog() -> ModuleType:
    """structlog without rich: 10 MB that only its default traceback renderer wants, and that one prints locals."""
    return _import("structlog", {"rich": None})


def import_cel() -> ModuleType:
    """The CEL library without its command line (typer, rich, prompt_toolkit: 0.1 s and 24 MB)."""
    return _import("cel", {"cel.cli": ModuleType("cel.cli")})


def _import(name: str, stand_ins: Mapping[str, ModuleType | None]) -> ModuleType:
    if name in sys.modules:
        return importlib.import_module(name)  # not sys.modules[name]: another thread may be in the middle of it
    with without(stand_ins):
        return importlib.import_module(name)
