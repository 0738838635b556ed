"""Warns of routes that can never match: what no source brings, what an earlier route takes away, and sinks that none names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final

from gateway.config.document.diagnostics import Diagnostic, near
from gateway.config.document.nodes import Items, Scalar, Table, YamlNode, is_null
from gateway.config.grammar.settings import RouteSettings, Settings
from gateway.model import (
    ALARM_SOURCE,
    ALARM_TYPES,
    ALL_TYPES,
    EVENT_TYPES,
    FOLLOW_UP_TYPES,
    RECORDING_OVERDUE,
    RECORDING_RECOVERED,
    Trust,
    alarm_globs,
    names_type,
    reached_types,
)

SourceBounds = Mapping[str, Sequence[str]]
"""Of one source, by key of `match`: globs, one of which all its events fit. None for a key: they never have it."""

WATCH_TYPES: Final = (RECORDING_OVERDUE, RECORDING_RECOVERED)
OURSELVES: Final = "the gateway itself"
ALARM_BOUNDS: Final[SourceBounds] = {
    "type": ALARM_TYPES,
    "source": [ALARM_SOURCE],
    "provider": [ALARM_SOURCE],
    "trust": [Trust.BODY.value],
    **dict.fromkeys(("domain", "app", "stream", "format", "project_id"), ()),
}
_WILD: Final = frozenset("*?[")
_IN_BRACKETS: Final = re.compile(r"\[[^\]]*\]")
_REGULAR: Final = re.compile(
    r"^\^|\$$|\\[dws.]|^\.\*|[-_/]\.[*+]|\[[^\]]*\][+{]|\([^)]*\|[^)]*\)"
)  # of a regular expression, not a glob
_STOPPERS_MAX: Final = 50  # routes that stop which each later one is compared with, because that grows with the square
_SHOWN_MAX: Final = 8  # values that a hint lists


def reach(
    routes: Sequence[tuple[Table, RouteSettings]],
    settings: Settings,
    root: Table,
    bounds: Mapping[str, SourceBounds] | None,
) -> Iterator[Diagnostic]:
    """Warnings. `bounds` of every source by its name; None: not all of them could be read. Whether a sink has no route is
    asked where all routes of the file could be read."""
    watched = WATCH_TYPES if settings.watch else ()
    bounds = bounds and {name: _with_types(one, watched) for name, one in bounds.items()}
    stoppers: list[RouteSettings] = []
    for table, route in routes:
        yield from _unconditional(table, route)
        unmet = list(_unmet(table, route, bounds))
        yield from unmet
        before = next((one for one in stoppers if _covers(one, route, bounds)), None)
        if route.stop and route.where is None and len(stoppers) < _STOPPERS_MAX:
            stoppers.append(route)
        if before is not None and not unmet:
            all_of_it = "everything" if not before.match else "all that it does"
            yield table.problem(
                found=f"the route {route.name!r} is never reached: {before.name!r} before it matches {all_of_it} and stops",
                hint="move it up",
            )
    routed = {name for _, route in routes for name in route.to} | set(settings.alarms.to)
    sinks, written = root.entries.get("sinks"), root.entries.get("routes")
    whole = is_null(written) or (isinstance(written, Items) and len(written.items) == len(routes))
    for name in settings.sinks if whole else ():
        if name not in routed and isinstance(sinks, Table):
            yield sinks.key(name).problem(
                found=f"no route names the sink {name!r}", hint="add it to the `to` of a route"
            )


def _unconditional(table: Table, route: RouteSettings) -> Iterator[Diagnostic]:
    """A condition that is written down and is none."""
    match = table.entries.get("match")
    if isinstance(match, Table) and not match.entries:
        yield match.problem(
            found="`match` holds no condition, so every event fits", hint="leave it out where that is meant"
        )
    if route.where is not None and "event" not in route.where and not _placeholder(table.entries.get("where")):
        yield table.entries["where"].problem(found="`where` asks nothing of the event: it says the same of each")


def _placeholder(node: YamlNode | None) -> bool:
    return isinstance(node, Scalar) and node.placeholder


# -- what no event has


def _with_types(bounds: SourceBounds, watched: Sequence[str]) -> SourceBounds:
    """With the types of what may follow on an event of such a source."""
    if "type" not in bounds:
        return bounds
    return {**bounds, "type": [*bounds["type"], *sorted(FOLLOW_UP_TYPES), *watched]}


def _unmet(table: Table, route: RouteSettings, bounds: Mapping[str, SourceBounds] | None) -> Iterator[Diagnostic]:
    """A glob that no event fits, or where each is good by itself, conditions that no source fulfils together."""
    known: dict[str, Sequence[str]] = {"type": ALL_TYPES, "trust": [trust.value for trust in Trust]}
    if bounds:
        bounds = {**bounds, OURSELVES: ALARM_BOUNDS} if alarm_globs(route.match.get("type", ())) else bounds
        known["source"] = [name for one in bounds.values() for name in one["source"]]
    alone = False
    for key, globs in route.match.items():
        for number, glob in enumerate(globs):
            values = known.get(key, ())
            if odd := _odd(key, glob):
                yield _place(table, key, number).problem(found=f"{key} is compared with {glob!r} as a glob", hint=odd)
                alone = True
                continue
            if values and not any(fnmatchcase(value, glob) for value in values):
                hint = (near(glob, values) if not set(glob) & _WILD else "") or "known are: " + ", ".join(values)
            elif key == "format" and glob != glob.lower():
                hint = f"a format is lower case: {glob.lower()}"
            elif bounds and key != "trust" and not any(_meets(one, key, [glob]) for one in bounds.values()):
                hint = _known_of_sources(key, glob, bounds)
            else:
                continue
            alone = True
            yield _place(table, key, number).problem(found=f"{key} is never {glob!r}", hint=hint)
    if bounds and not alone:
        yield from _unmet_together(table, route.match, bounds)


def _unmet_together(
    table: Table, match: Mapping[str, Sequence[str]], bounds: Mapping[str, SourceBounds]
) -> Iterator[Diagnostic]:
    why = []
    for name, one in bounds.items():
        key = next((key for key, globs in match.items() if not _meets(one, key, globs)), None)
        if key is None:
            return
        why.append((name, key))
    keys = {key for _, key in why}
    if keys == {"trust"}:
        takes = ", ".join(f"{name!r} brings {', '.join(bounds[name]['trust']) or 'nothing'}" for name in bounds)
        yield _place(table, "trust", None).problem(
            found=f"trust is never {_shown(match['trust'])}", hint=f"the source {takes}"
        )
        return
    said = "; ".join(f"{key} of {name!r} is never {_shown(match[key])}" for name, key in why[:_SHOWN_MAX])
    yield _place(table, None, None).problem(
        found=f"no source brings what fits all of these: {said}", hint="mend the condition, or write two routes"
    )


def _known_of_sources(key: str, glob: str, bounds: Mapping[str, SourceBounds]) -> str:
    if key == "type":
        watched = any(fnmatchcase(type, glob) for type in WATCH_TYPES)
        return "only a rule of `watch` makes it" if watched else f"none of these brings it: {', '.join(bounds)}"
    values = list(dict.fromkeys(value for one in bounds.values() for value in one[key]))
    if not values:
        return f"no source of these has it: {', '.join(bounds)}"
    hint = "" if set(glob) & _WILD else near(glob, values)
    more = ", …" if len(values) > _SHOWN_MAX else ""
    return hint if hint.startswith("did") else f"the sources take: {', '.join(values[:_SHOWN_MAX])}{more}"


def _meets(bounds: SourceBounds, key: str, globs: Sequence[str]) -> bool:
    """Whether an event of such a source may fit one of these globs; where both sides have wildcards it may."""
    if key not in bounds:
        return True
    return any(
        fnmatchcase(value, glob) or fnmatchcase(glob, value) or bool(_WILD & set(glob) and _WILD & set(value))
        for value in bounds[key]
        for glob in globs
    )


def _odd(key: str, glob: str) -> str:
    """What to write instead of a glob that was meant for a list, or for a regular expression; empty: it is a glob."""
    if "," in _IN_BRACKETS.sub("", glob):
        return f"a comma is a part of it; several are a list: [{', '.join(one.strip() for one in glob.split(','))}]"
    if _REGULAR.search(glob) and key != "type":
        return (
            "`*` alone is any text; a regular expression goes into `where`: event.data.stream.matches('^vip-[0-9]+$')"
        )
    return ""


# -- what an earlier route takes away


def _covers(first: RouteSettings, later: RouteSettings, bounds: Mapping[str, SourceBounds] | None) -> bool:
    """Whether every event of the later route is one of the first, as far as globs alone can say it."""
    for key, globs in first.match.items():
        if key != "type" and (own := later.match.get(key)) and not _all_within(own, globs):
            return False
    if not _met(later.match.get("type")) <= _met(first.match.get("type")):
        return False
    fitting = [
        one for one in (bounds or {}).values() if all(_meets(one, key, globs) for key, globs in later.match.items())
    ]
    only_recordings = _met(later.match.get("type")).isdisjoint(ALARM_TYPES)
    for key, globs in first.match.items():
        if key == "type" or key in later.match:
            continue
        asked: Sequence[str] = ()
        if fitting and only_recordings and all(one.get(key) for one in fitting):
            asked = [value for one in fitting for value in one[key]]
        if not asked or not _all_within(asked, globs):
            return False
    return True


@lru_cache(256)  # because it is asked for each pair of routes
def _met(globs: tuple[str, ...] | None) -> frozenset[str]:
    """The types that a route with these globs can meet. A follow-up, and an alarm, goes only to routes that name it."""
    types = EVENT_TYPES if globs is None else reached_types(globs)
    return frozenset(type for type in types if type not in FOLLOW_UP_TYPES or names_type(globs or (), type))


def _all_within(asked: Sequence[str], globs: Sequence[str]) -> bool:
    return all(any(_within(narrow, glob) for glob in globs) for narrow in asked)


def _within(narrow: str, wide: str) -> bool:
    """Whether all that fits the first glob fits the second; of two with wildcards only where it is plain to see."""
    if not set(narrow) & _WILD:
        return fnmatchcase(narrow, wide)
    start = wide.removesuffix("*")
    return narrow == wide or (wide.endswith("*") and not set(start) & _WILD and narrow.startswith(start))


# -- where it stands, and how it is said


def _place(table: Table, key: str | None, number: int | None) -> YamlNode:
    match = table.entries.get("match")
    if not isinstance(match, Table):
        return table
    node = match if key is None else match.entries[key]
    return node.items[number] if number is not None and isinstance(node, Items) else node


def _shown(globs: Sequence[str]) -> str:
    return " or ".join(repr(glob) for glob in globs[:_SHOWN_MAX]) + (" or …" if len(globs) > _SHOWN_MAX else "")
