"""Tries routes that a person wrote, beside the configuration that runs: no plugin, file or variable is loaded for them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.config import crosschecks
from gateway.config.document.diagnostics import ConfigError, Diagnostic
from gateway.config.document.nodes import Items, Scalar, Table
from gateway.config.document.yaml import compose
from gateway.config.entries import Entries
from gateway.config.grammar.settings import RouteSettings, TestSettings
from gateway.config.loaded import Loaded
from gateway.config.route_tests import run_tests
from gateway.config.validation import Validation
from gateway.events.samples import event_of
from gateway.model import Event
from gateway.routing import Router, RoutingDecision
from gateway.where import WhereError, compile_where

FILE: Final = "(routes)"
BYTES_MAX: Final = 64 * 1024
ROUTES_MAX: Final = 100
TESTS_MAX: Final = 100
BUDGET_SECONDS: Final = 0.25  # over all routes together, because an expression cannot be interrupted


@dataclass(frozen=True, slots=True)
class Trial:
    """Routes and tests that could be read."""

    routes: Sequence[RouteSettings]
    tests: Sequence[TestSettings]


def read_routes(text: str, running: Loaded) -> Trial:
    """Routes, and tests where there are some: a list of routes, or a mapping with `routes` and `tests`; every other part
    of a configuration is ignored. Raises ConfigError with all that is wrong."""
    content = text.encode()
    if len(content) > BYTES_MAX:
        raise ConfigError([Diagnostic(file=FILE, found=f"{len(content)} bytes", expected=f"at most {BYTES_MAX}")])
    root = compose(content, FILE)
    if isinstance(root, Items):
        root = Table(file=FILE, line=1, column=1, path="", entries={"routes": root})
    if not isinstance(root, Table):
        raise ConfigError([root.problem(found="no mapping", expected="routes, or a mapping with `routes` and `tests`")])
    validation = Validation(running.path.absolute().parent)
    _bounded(root, validation)
    entries = Entries(validation, running.registry)
    routes, tests = entries.routes(root.entries.get("routes")), entries.tests(root.entries.get("tests"))
    sinks = list(running.settings.sinks)
    validation.problems += crosschecks.names(routes)
    for table, route in routes:
        validation.problems += crosschecks.sinks_exist(table, "to", route.to, sinks)
        if route.where is not None:
            validation.problems += _where(table, route.where)
    for table, test in tests:
        validation.problems += crosschecks.sinks_exist(table, "expect", test.expect, sinks)
        if test.callback is not None:
            validation.problems.append(table.problem(found="`callback`", expected="`event`: no file is read here"))
    if validation.problems:
        raise ConfigError(validation.problems)
    return Trial([route for _, route in routes], [test for _, test in tests])


def _bounded(root: Table, validation: Validation) -> None:
    for key, most in (("routes", ROUTES_MAX), ("tests", TESTS_MAX)):
        node = root.entries.get(key)
        if isinstance(node, Items) and len(node.items) > most:
            raise ConfigError([node.problem(found=f"{len(node.items)} {key}", expected=f"at most {most}")])


def _where(table: Table, text: str) -> Sequence[Diagnostic]:
    node = table.entries["where"]
    assert isinstance(node, Scalar)  # it was read as a text
    try:
        compile_where(text)
    except WhereError as error:
        place = f"column {error.column} of the expression: " if error.column else ""
        return [node.problem(found=place + error.detail, hint=error.hint)]
    return []


def described(event: Mapping[str, object], running: Loaded) -> Event:
    """The event that a person wrote: CloudEvents JSON or the flat form. Raises ValueError."""
    sources = running.settings.sources
    named = event.get("source")
    name = next(iter(sources)) if named is None and len(sources) == 1 else named
    usual = {"source": name, "provider": sources[name].type} if isinstance(name, str) and name in sources else {}
    return running.redact(event_of(event, **usual))


def decide(routes: Sequence[RouteSettings], event: Event) -> RoutingDecision:
    """Where the event goes. Raises ConfigError where the expressions of all routes take too long together."""
    _timed(routes, event)
    return Router(routes).decide(event)


def test_problems(trial: Trial, running: Loaded) -> Sequence[Diagnostic]:
    """What the tests say of these routes."""
    settings = running.settings.model_copy(update={"routes": tuple(trial.routes), "tests": tuple(trial.tests)})
    if trial.tests:
        first = trial.tests[0].event
        _timed(trial.routes, described(first or {}, running), times=len(trial.tests))
    return run_tests(replace(running, settings=settings, places={}, guessed=False))


test_problems.__test__ = False  # type: ignore[attr-defined]  # because pytest takes every such name for a test


def _timed(routes: Sequence[RouteSettings], event: Event, *, times: int = 1) -> None:
    started = time.perf_counter()
    for route in routes:
        Router([route]).decide(event)
        if (time.perf_counter() - started) * times > BUDGET_SECONDS:
            found = f"the expressions up to {route.name} take more than {BUDGET_SECONDS:g} s together"
            raise ConfigError([Diagnostic(file=FILE, path=f"routes.{route.name}.where", found=found)])
