"""Checks rules of `redact` against the sinks that an event goes to: what is taken out cannot be delivered any more."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from gateway.config.document.diagnostics import Diagnostic
from gateway.config.document.nodes import Items, Table, YamlNode
from gateway.config.grammar.settings import RouteSettings, Settings, SinkSettings
from gateway.config.loaded import redactions_of
from gateway.events.field_path import RAW, parse_path
from gateway.model import FILE_COMPLETED

if TYPE_CHECKING:
    from gateway.events.redacted_event import Redaction

_WORD: Final = re.compile(r"\w+")


def redacted_needs(
    routes: Sequence[tuple[Table, RouteSettings]], settings: Settings, needed_fields: Mapping[str, Sequence[str]]
) -> Iterator[tuple[bool, Diagnostic]]:
    """A sink that cannot do without what is taken out of the events of a source that a route brings. True: it is a mistake; False:
    a warning, because a condition of the route may leave those events out."""
    redactions = redactions_of(settings)
    for table, route in routes if redactions else ():
        yield from _blind(table, route, settings, redactions)
        for number, sink in enumerate(route.to):
            for name, rules in redactions.items():
                needs = [field for field in needed_fields.get(sink, ()) if field == RAW or rules.names(*_place(field))]
                unkeyed = _key_words(settings.sinks.get(sink)) & rules.last_names
                if not (needs or unkeyed) or not _may_bring(route, name, settings.sources[name].type):
                    continue
                node = table.entries.get("to", table)
                place = node.items[number] if isinstance(node, Items) and number < len(node.items) else node
                if unkeyed:
                    yield False, _ownerless(place, sink, name, sorted(unkeyed))
                if not needs:
                    continue
                yield (
                    route.where is None,
                    place.problem(
                        found=f"the sink {sink!r} cannot do without {_needs_text(needs)}, and of the events of the source {name!r} that is "
                        "redacted (`redact`) before they are stored",
                        hint=f"take the source out of the route (`match: {{source: …}}`), or the rule out of `sources.{name}.redact` "
                        "or `store.redact`",
                    ),
                )


def _blind(
    table: Table, route: RouteSettings, settings: Settings, redactions: Mapping[str, Redaction]
) -> Iterator[tuple[bool, Diagnostic]]:
    """A condition that looks at what is not there any more."""
    words = set(_WORD.findall(route.where or ""))
    for name, rules in redactions.items():
        seen = sorted(words & rules.last_names)
        if seen and _may_bring(route, name, settings.sources[name].type, None):
            yield (
                False,
                table.entries["where"].problem(
                    found=f"`where` looks at {', '.join(seen)}, which is redacted of the events of the source {name!r} before it is asked",
                    hint='a text that was taken out is "[redacted]", a number is absent',
                ),
            )


def _key_words(sink: SinkSettings | None) -> set[str]:
    """What the key of a sink's directory may look at."""
    return set() if sink is None or sink.directory is None else set(_WORD.findall(sink.directory.key))


def _ownerless(place: YamlNode, sink: str, source: str, names: Sequence[str]) -> Diagnostic:
    return place.problem(
        found=f"the key of the directory of {sink!r} looks at {', '.join(names)}, which is redacted of the events of the source "
        f"{source!r}: they have no owner then",
        hint="let the key look at what stays, or take the rule out of `redact`",
    )


def _place(field: str) -> Sequence[str | int]:
    return [0 if step.name is None else step.name for step in parse_path(field)]


def _needs_text(needs: Sequence[str]) -> str:
    return " and ".join("the vendor's bytes" if field == RAW else field for field in needs)


def _may_bring(route: RouteSettings, source: str, provider: str, type: str | None = FILE_COMPLETED) -> bool:
    """Whether this route may carry an event of this source, of this type where one is given."""
    match = {"source": source, "provider": provider, **({} if type is None else {"type": type})}
    return all(any(fnmatchcase(value, glob) for glob in route.match.get(key, ("*",))) for key, value in match.items())
