"""Decides where an event goes, and keeps why: every route's verdict, clause by clause."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import translate
from operator import attrgetter
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from gateway.compact_json import encode_json
from gateway.model import ABOUT_SINKS, FOLLOW_UP_TYPES, Event, alarm_globs, names_type
from gateway.where.expression import Where, WhereFailed, compile_where, present

MATCH_KEYS: Final = ("type", "source", "provider", "domain", "app", "stream", "format", "project_id", "trust")
"""What `match` can compare; `source` is the configured name."""

RECORDINGS: Final = ("recording.*", "stream.*")
"""What a route means that names no alarms."""

MATCHED: Final = "matched"
FAILED: Final = "failed"  # a clause did not hold
ERROR: Final = "error"  # `where` could not be evaluated
NOT_REACHED: Final = "not reached"  # an earlier route had `stop: true`

_VALUE_CHARS_MAX: Final = 200  # characters of a value that a verdict keeps


class RouteLike(Protocol):
    """What the router reads of a route; `gateway.config.grammar.settings.RouteSettings` is one."""

    @property
    def name(self) -> str: ...
    @property
    def match(self) -> Mapping[str, Sequence[str]]: ...
    @property
    def where(self) -> Any: ...  # None, the text of an expression, or a compiled Where
    @property
    def to(self) -> Sequence[str]: ...
    @property
    def stop(self) -> bool: ...


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A route as a value, where no configuration is at hand."""

    name: str
    match: Mapping[str, Sequence[str]] = msgspec.field(default_factory=dict)
    where: Where | str | None = None
    to: Sequence[str] = ()
    stop: bool = False


class Verdict(msgspec.Struct, frozen=True):
    """What one route said. `text` is its JSON, made when it was reached."""

    route: str
    outcome: str
    text: str


class RoutingDecision(NamedTuple):
    """The sinks an event goes to, each once, in the order of the routes; and the verdict of every route."""

    sinks: tuple[str, ...]
    verdicts: tuple[Verdict, ...]

    def json(self) -> str:
        """The verdicts as compact JSON, for the store; `explain` reads it."""
        return "[" + ",".join([verdict.text for verdict in self.verdicts]) + "]"


class Router:
    """All routes, compiled once. `on_error` is called with the route's name when a `where` fails on a live event.

    Raises WhereError for an expression and ValueError for a match key that does not exist.
    """

    def __init__(self, routes: Sequence[RouteLike], *, on_error: Callable[[str], None] | None = None) -> None:
        self._routes = [_CompiledRoute(route) for route in routes]
        self._asks = any(route.where is not None for route in self._routes)
        self._on_error = on_error

    def decide(self, event: Event) -> RoutingDecision:
        """Where this event goes, and why. Raises nothing of its own: a failing `where` is no match."""
        scene = _Evaluation(event) if self._asks else None
        sinks: dict[str, None] = {}
        verdicts: list[Verdict] = []
        routes = iter(self._routes)
        spared = _left_out(event)
        for route in routes:
            verdict = route.evaluate(event, scene, spared)
            verdicts.append(verdict)
            if verdict.outcome == MATCHED:
                sinks.update(route.sinks)
                if route.stop:
                    verdicts += [later.not_reached for later in routes]
            elif verdict.outcome == ERROR and self._on_error is not None:
                self._on_error(route.name)
        for name in spared:
            sinks.pop(name, None)
        return RoutingDecision(tuple(sinks), tuple(verdicts))


def _left_out(event: Event) -> Sequence[str]:
    """The sinks that an alarm is about, and those that a follow-up came of: it is told to others."""
    if event.alarm is not None:
        return event.alarm.names if event.type in ABOUT_SINKS else ()
    return () if event.cause is None else event.cause.sinks


def _field(key: str) -> Callable[[Event], str | None]:
    """What a key of `match` is compared with."""
    return attrgetter("trust.value" if key == "trust" else key)


class _Evaluation:
    """What all `where` of one event share; made when the first is reached."""

    def __init__(self, event: Event) -> None:
        self._event = event
        self._prepared: object = None

    def value(self, where: Where) -> object:
        if self._prepared is None:
            self._prepared = where.prepare(present(self._event))
        return where.value(self._prepared)


class _Clause:
    """One key of `match`: any of several globs, compared with the whole value, case-sensitively."""

    def __init__(self, route: str, key: str, globs: Sequence[str], satisfied: Sequence[str]) -> None:
        self.field = _field(key)
        self.plain = frozenset(glob for glob in globs if not set(glob) & set("*?["))
        self.patterns = [re.compile(translate(glob)) for glob in globs if glob not in self.plain]
        self._failed = _Failed(route, {"held": list(satisfied), "clause": key, "pattern": list(globs)})

    def holds(self, value: str | None) -> bool:
        if not value:
            return False  # because what is absent matches nothing, not even *
        return value in self.plain or (bool(self.patterns) and any(pattern.match(value) for pattern in self.patterns))

    def failed(self, value: str | None) -> Verdict:
        return self._failed(value or None)


class _Failed:
    """The verdict of one clause that did not hold: all but the value seen is written once."""

    def __init__(self, route: str, said: Mapping[str, object]) -> None:
        self._route = route
        self._head = encode_json({"route": route, **said})[:-1] + ',"value":'
        self._last: tuple[object, Verdict] | None = None

    def __call__(self, value: object) -> Verdict:
        if self._last is not None and self._last[0] == value:
            return self._last[1]
        shown = value[:_VALUE_CHARS_MAX] + "…" if isinstance(value, str) and len(value) > _VALUE_CHARS_MAX else value
        verdict = Verdict(self._route, FAILED, f"{self._head}{encode_json(shown)}}}")
        self._last = (value, verdict)
        return verdict


class _CompiledRoute:
    def __init__(self, route: RouteLike) -> None:
        self.name = route.name
        self.sinks = dict.fromkeys(route.to)
        self.stop = route.stop
        self.where = compile_where(route.where) if isinstance(route.where, str) else route.where
        if unknown := [key for key in route.match if key not in MATCH_KEYS]:
            raise ValueError(f"route {route.name}: match has no key {unknown[0]!r}; known: {', '.join(MATCH_KEYS)}")
        keys = list(route.match)
        self.clauses = [_Clause(route.name, key, route.match[key], keys[:n]) for n, key in enumerate(keys)]
        satisfied = [*keys, "where"] if self.where is not None else keys
        matched = {"route": route.name, "held": satisfied, "to": list(route.to)} | (
            {"stop": True} if route.stop else {}
        )
        globs = alarm_globs(route.match.get("type", ()))
        self._alarms = _Clause(route.name, "type", globs, ()) if globs else None
        self._no_alarms = _Failed(route.name, {"held": [], "clause": "type", "pattern": list(RECORDINGS)})
        self._types = route.match.get("type", ())
        self._unnamed = _Failed(
            route.name, {"held": [], "clause": "type", "pattern": list(self._types), "named": False}
        )
        self._matched = Verdict(route.name, MATCHED, encode_json(matched))
        self.not_reached = Verdict(route.name, NOT_REACHED, encode_json({"route": route.name, "reached": False}))
        self._where_failed = _Failed(route.name, self._where_said(keys))
        self._error_head = encode_json({"route": route.name, **self._where_said(keys)})[:-1] + ',"error":'

    def _where_said(self, satisfied: Sequence[str]) -> Mapping[str, object]:
        return {"held": list(satisfied), "clause": "where", "pattern": None if self.where is None else self.where.text}

    def evaluate(self, event: Event, scene: _Evaluation | None, spared: Sequence[str]) -> Verdict:
        """What this route says of the event; `spared` are sinks that do not get it whatever the routes say."""
        if event.alarm is not None:
            if self._alarms is None or not self._alarms.holds(event.type):
                return self._no_alarms(event.type)
        elif (event.cause is not None or event.type in FOLLOW_UP_TYPES) and not names_type(self._types, event.type):
            return self._unnamed(event.type)
        verdict = self._evaluate(event, scene)
        here = [name for name in self.sinks if name in spared] if spared else ()
        if verdict is not self._matched or not here:
            return verdict
        why = "about" if event.alarm is not None else "cause"
        return Verdict(self.name, MATCHED, encode_json({**json.loads(verdict.text), why: here}))

    def _evaluate(self, event: Event, scene: _Evaluation | None) -> Verdict:
        for clause in self.clauses:
            value = clause.field(event)
            if not clause.holds(value):
                return clause.failed(value)
        if self.where is None or scene is None:
            return self._matched
        try:
            answer = scene.value(self.where)
        except WhereFailed as failure:
            return Verdict(self.name, ERROR, f"{self._error_head}{encode_json(str(failure))}}}")
        if answer is True:
            return self._matched
        return self._where_failed(answer if answer is False else type(answer).__name__)
