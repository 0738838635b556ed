"""The rows of an event for a table of somebody else's: one CEL expression a column."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from gateway.errors import Refused
from gateway.model import Event
from gateway.where import Where, WhereError, WhereFailed, compile_where, present
from gateway.where.expression import MOST_ELEMENTS
from gateway.where.names import misnamed, shape_of_event, walk

_OF_FILE: Final = frozenset({"file", "index"})
_MISSING: Final = ("no such field", "IndexError")  # of what is absent: the column is then null


class ColumnExpression:
    """One compiled expression. Made by `compile_column`."""

    def __init__(self, where: Where) -> None:
        self._where = where
        self.names = frozenset(node.word for node in walk(where.tree) if node.kind == "name")

    def misnamed(self, *, files: bool) -> Sequence[str]:
        """The names and fields it uses that there are not; `files`: whether `file` and `index` are there."""
        shapes = dict(shape_of_event())
        if files:
            shapes |= {"file": shapes["event"]["data"]["files"][0], "index": 0}
        return [str(problem) for problem in misnamed(self._where.tree, shapes)]

    def prepare(self, names: Mapping[str, Any]) -> Any:
        """What `value` of any expression takes; making it costs more than evaluating."""
        return self._where.prepare_names(names)

    def value(self, prepared: Any) -> Any:
        """What it says; None where a field it uses is absent. Raises WhereFailed."""
        try:
            return self._where.value(prepared)
        except WhereFailed as failure:
            if str(failure).startswith(_MISSING):
                return None
            raise


@functools.lru_cache(maxsize=1024)
def compile_column(text: str) -> ColumnExpression:
    """Raises ValueError."""
    try:
        return ColumnExpression(compile_where(text))
    except WhereError as error:
        raise ValueError(str(error)) from None


def names_event_id(text: str) -> bool:
    """Whether the expression is the event's id and nothing else."""
    return text.strip() == "event.id"


def names_index(text: str) -> bool:
    """Whether the expression is the file's number and nothing else."""
    return text.strip() == "index"


class Mapped:
    """Rows by the configured expressions.

    Those that use nothing of a file are evaluated once an event, and those that use nothing else without the event, because
    every evaluation costs as much as what it is shown is long.
    """

    def __init__(self, columns: Mapping[str, str], *, files: bool) -> None:
        compiled = {name: compile_column(text) for name, text in columns.items()}
        self._order = tuple(compiled)
        self._files = files
        of_file = {name: one for name, one in compiled.items() if one.names & _OF_FILE} if files else {}
        self._of_event = {name: one for name, one in compiled.items() if name not in of_file}
        self._of_file = {name: one for name, one in of_file.items() if "event" not in one.names}
        self._of_both = {name: one for name, one in of_file.items() if "event" in one.names}
        self._prepare = next(iter(compiled.values())).prepare

    def rows(self, event: Event) -> list[dict[str, Any]]:
        """One row a file (one for an event without files), or one for the event. Raises Refused, naming the column."""
        document = present(event)
        whole = self._prepare({"event": document})
        said = _values(self._of_event, whole)
        rows = []
        for index, file in enumerate(_files(event, document) if self._files else [{}]):
            row = dict(said)
            if self._of_file:
                row |= _values(self._of_file, self._prepare({"file": file, "index": index}))
            if self._of_both:
                whole.add_variable("file", file)
                whole.add_variable("index", index)
                row |= _values(self._of_both, whole)
            rows.append({name: row[name] for name in self._order})
        return rows


def _values(expressions: Mapping[str, ColumnExpression], prepared: Any) -> dict[str, Any]:
    row = {}
    for name, expression in expressions.items():
        try:
            row[name] = expression.value(prepared)
        except WhereFailed as failure:
            raise Refused(f"column {name}: its expression fails on this event: {failure}") from None
    return row


def _files(event: Event, document: Mapping[str, Any]) -> Iterator[Any]:
    if not event.files:
        yield {}
        return
    yield from document["data"]["files"]
    for start in range(MOST_ELEMENTS, len(event.files), MOST_ELEMENTS):  # because `present` cuts lists
        part = replace(event, files=event.files[start : start + MOST_ELEMENTS])
        yield from present(part)["data"]["files"]
