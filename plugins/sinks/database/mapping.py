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
from gateway.where.names import misnamed, shape_of_event

_MISSING: Final = ("no such field", "IndexError")  # of what is absent: the column is then null


class ColumnExpression:
    """One compiled expression. Made by `compile_column`."""

    def __init__(self, where: Where) -> None:
        self._where = where

    def misnamed(self, *, files: bool) -> Sequence[str]:
        """The names and fields it uses that there are not; `files`: whether `file` and `index` are there."""
        shapes = dict(shape_of_event())
        if files:
            shapes |= {"file": shapes["event"]["data"]["files"][0], "index": 0}
        return [str(problem) for problem in misnamed(self._where.tree, shapes)]

    def value(self, names: Mapping[str, Any]) -> Any:
        """What it says; None where a field it uses is absent. Raises WhereFailed."""
        try:
            return self._where.value(self._where.prepare_names(names))
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
    """Rows by the configured expressions."""

    def __init__(self, columns: Mapping[str, str], *, files: bool) -> None:
        self._columns = {name: compile_column(text) for name, text in columns.items()}
        self._files = files

    def rows(self, event: Event) -> list[dict[str, Any]]:
        """One row a file (one for an event without files), or one for the event. Raises Refused, naming the column."""
        return [self._row(names) for names in self._names(event)]

    def _names(self, event: Event) -> Iterator[Mapping[str, Any]]:
        document = present(event)
        if not self._files:
            yield {"event": document}
            return
        yield from (
            {"event": document, "file": file, "index": index} for index, file in enumerate(_files(event, document))
        )

    def _row(self, names: Mapping[str, Any]) -> dict[str, Any]:
        row = {}
        for name, expression in self._columns.items():
            try:
                row[name] = expression.value(names)
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
