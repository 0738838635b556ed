"""Marks that nobody writes by hand: what a test starts is read from the code that it and its fixtures reach."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import pytest

from tests.wide import wide_tests

PROCESS = {"subprocess", "Popen", "create_subprocess_exec", "multiprocessing", "fork"}
POSTGRES = {"postgres", "postgresql"}  # parameters of fixtures that ask for it only then
PROCESS_ROOMS = ("plugins.sinks.exec",)  # whoever uses these starts processes too
WRAPPED = (MethodType, staticmethod, classmethod)
LOOKED_INTO = (FunctionType, type)


def mark(item: pytest.Item) -> None:
    """Put `postgres`, `process` and `wide` where they belong."""
    named = item.fixturenames  # type: ignore[attr-defined]
    if "postgres_server" in named or any(one in POSTGRES for one in _parameters(item).values() if isinstance(one, str)):
        item.add_marker("postgres")
    if _reaches_one(item):
        item.add_marker("process")
    if item.nodeid.partition("[")[0] in wide_tests():
        item.add_marker("wide")


def _parameters(item: pytest.Item) -> dict[str, Any]:
    callspec = getattr(item, "callspec", None)
    return callspec.params if callspec is not None else {}


def _reaches_one(item: pytest.Item) -> bool:
    function = getattr(item, "obj", None)
    fixtures = item._fixtureinfo  # type: ignore[attr-defined]
    if (function, id(fixtures)) not in _tests:  # the cases of one test share them
        inner = getattr(getattr(function, "hypothesis", None), "inner_test", function)
        code = [inner, *(one.func for definitions in fixtures.name2fixturedefs.values() for one in definitions)]
        _tests[function, id(fixtures)] = any(map(starts_process, code)), fixtures
    return _tests[function, id(fixtures)][0] or any(map(starts_process, _parameters(item).values()))


_tests: dict[tuple[Any, int], tuple[bool, Any]] = {}
_known: dict[Any, bool] = {}


def starts_process(thing: Any) -> bool:
    """Whether a function or class of the tests, or anything of the tests that it names, starts a process."""
    if isinstance(thing, WRAPPED):
        thing = thing.__func__
    if not isinstance(thing, LOOKED_INTO):
        return False
    if thing in _known:
        return _known[thing]
    given, thing = thing, inspect.unwrap(thing) if isinstance(thing, FunctionType) else thing
    if not isinstance(thing, LOOKED_INTO):
        return False
    if thing not in _known:
        _known[thing] = False  # meanwhile, for what calls itself
        _known[thing] = _looks(thing)
    _known[given] = _known[thing]
    return _known[thing]


def _looks(thing: FunctionType | type) -> bool:
    if thing.__module__.startswith(PROCESS_ROOMS):
        return True
    if not thing.__module__.startswith("tests."):
        return False
    if isinstance(thing, type):
        members = [getattr(one, "fget", one) for one in vars(thing).values()]
        return any(map(starts_process, [*members, *thing.__bases__]))
    names = set(_names(thing.__code__))
    return bool(names & PROCESS) or any(map(starts_process, _named(thing, names)))


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _named(function: FunctionType, names: set[str]) -> Iterator[Any]:
    for name in names:
        value = function.__globals__.get(name)
        if isinstance(value, ModuleType):
            yield from (getattr(value, one, None) for one in names)
        else:
            yield value
