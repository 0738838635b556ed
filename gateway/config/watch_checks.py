"""Checks what a rule of `watch` says about the rest of the file: names, sources, and event types that there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from gateway.config.document.diagnostics import Diagnostic, near
from gateway.config.document.nodes import Items, Table
from gateway.config.grammar.watch import EXPECTED_TYPES, WatchSettings


def watch_problems(rules: Sequence[tuple[Table, WatchSettings]], sources: Sequence[str]) -> Iterator[Diagnostic]:
    """Two rules of one name, a source that is not configured, a type that no event has."""
    seen: dict[str, int] = {}
    for table, rule in rules:
        if rule.name in seen:
            yield table.entries.get("name", table).problem(
                found=f"the name {rule.name!r} again",
                expected="a name for each rule",
                hint=f"the first one is in line {seen[rule.name]}",
            )
        seen.setdefault(rule.name, table.line)
        if rule.source is not None and rule.source not in sources:
            yield table.entries["source"].problem(
                found=f"the source {rule.source!r}",
                expected="the name of a configured source",
                hint=near(rule.source, sources),
            )
        for key, known in (("type", EXPECTED_TYPES), ("source", tuple(sources))):
            yield from _unmatchable(table, rule, key, known)


def _unmatchable(table: Table, rule: WatchSettings, key: str, known: Sequence[str]) -> Iterator[Diagnostic]:
    when = table.entries.get("when")
    for number, glob in enumerate(() if rule.when is None else rule.when.globs.get(key, ())):
        if not any(fnmatchcase(value, glob) for value in known):
            node = when.entries[key] if isinstance(when, Table) else table
            place = node.items[number] if isinstance(node, Items) else node
            yield place.problem(
                found=f"{key} is never {glob!r}", hint=near(glob, known) or "known are: " + ", ".join(known)
            )
