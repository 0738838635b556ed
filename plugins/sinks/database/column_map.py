"""The rows of an event for a table of somebody else's: one CEL expression a column."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from gateway import Event, Refused
from gateway.where import Where, WhereError, WhereFailed, compile_where
from gateway.where.names import misnamed, shape_of_event, walk
from gateway.where.syntax import CelNode
from plugins.sinks.database import whole

_OF_FILE: Final = frozenset({"file", "index"})
_MISSING: Final = ("no such field", "IndexError")  # of what is absent: the column is then null
_CHUNK_ELEMENTS: Final = 100  # elements that a macro is given at a time, because the library needs the cube of that
_MACRO_ELEMENTS_MAX: Final = 200  # of any list, where a macro cannot be given parts of it
_BUILDING: Final = ("map", "filter")  # the macros that cost more than their elements


PrepareValue = Callable[[Mapping[str, object]], object]


class ColumnExpression:
    """One compiled expression. Made by `compile_column`."""

    def __init__(self, where: Where) -> None:
        self._where = where
        self.names = frozenset(node.word for node in walk(where.tree) if node.kind == "name")
        self._path = whole.path_of(where.tree)
        self._list, self._rest = _over_a_list(where)
        macros = [node for node in walk(where.tree) if node.kind == "call" and node.word in _BUILDING]
        self.builds = bool(macros) and self._rest is None

    def misnamed(self, *, files: bool) -> Sequence[str]:
        """The names and fields it uses that there are not; `files`: whether `file` and `index` are there."""
        shapes = dict(shape_of_event())
        if files:
            shapes |= {"file": shapes["event"]["data"]["files"][0], "index": 0}
        return [str(problem) for problem in misnamed(self._where.tree, shapes)]

    def prepare(self, names: Mapping[str, object]) -> object:
        """What `ExpressionInput` needs: names in the library's own form."""
        return self._where.prepare_names(names)

    def value(self, shown: ExpressionInput) -> object:
        """What it says; None where a field it uses is absent. Raises WhereFailed."""
        if self._path is not None:
            return whole.part(shown.exact, self._path)
        try:
            if self._rest is not None and self._list is not None:
                elements = whole.part(shown.names, self._list)
                if isinstance(elements, list) and len(elements) > _CHUNK_ELEMENTS:
                    return self._in_parts(self._rest, elements, shown)
            elif self.builds and shown.longest > _MACRO_ELEMENTS_MAX:
                raise WhereFailed(
                    f"a list of it has {shown.longest} elements, and map and filter inside an expression go over at most "
                    f"{_MACRO_ELEMENTS_MAX}; begin the expression with the list, or write the list itself"
                )
            return self._where.value(shown.prepared)
        except WhereFailed as failure:
            if str(failure).startswith(_MISSING):
                return None
            raise

    def _in_parts(self, rest: Where, elements: Sequence[object], shown: ExpressionInput) -> list[object]:
        used = {node.word for node in walk(rest.tree) if node.kind == "name"}
        names = {name: value for name, value in shown.names.items() if name in used}
        made: list[object] = []
        for start in range(0, len(elements), _CHUNK_ELEMENTS):
            made += rest.value(rest.prepare_names({**names, "elements": elements[start : start + _CHUNK_ELEMENTS]}))
        return made


class ExpressionInput:
    """What expressions are shown: `names` without what is absent, `exact` with every null; prepared when it is needed."""

    def __init__(
        self, names: Mapping[str, object], exact: Mapping[str, object], prepare: PrepareValue, longest: int = 0
    ) -> None:
        self.names = names
        self.exact = exact
        self.longest = longest  # elements of the longest list
        self._prepare = prepare

    @functools.cached_property
    def prepared(self) -> Any:
        """What the library takes; making it costs more than evaluating."""
        return self._prepare(self.names)


def _over_a_list(where: Where) -> tuple[whole.ValuePath | None, Where | None]:
    """For `event.data.files.filter(…).map(…)` the list, and the same expression over a name `elements`: what it says of
    the whole list is what it says of the parts, one after the other."""
    node: CelNode | None = where.tree
    first = None
    while node is not None and node.kind == "call" and node.word in _BUILDING and node.parts[0] is not None:
        first = node
        node = node.parts[0]
    path = None if first is None else whole.path_of(node)
    if path is None:
        return None, None
    text = where.text.strip()
    at = min((found for word in _BUILDING if (found := text.find(f".{word}(")) >= 0), default=-1)
    if at < 0:  # written with spaces
        return None, None
    try:
        return path, compile_where("elements" + text[at:])
    except WhereError:
        return None, None


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

    def rows(self, event: Event) -> list[dict[str, object]]:
        """One row a file (one for an event without files), or one for the event. Raises Refused, naming the column.

        A column that names a part of the event gets that part as it is forwarded: no list is cut, no null left out.
        """
        exact = whole.document(event)
        document = whole.without_absent(exact)
        longest = max(_lengths(document), default=0)
        shown = ExpressionInput({"event": document}, {"event": exact}, self._prepare, longest)
        common = _values(self._of_event, shown)
        rows = []
        for index, (file, of_file) in enumerate(_files(exact, document) if self._files else [({}, {})]):
            row = dict(common)
            names, kept = {"file": of_file, "index": index}, {"file": file, "index": index}
            if self._of_file:
                row |= _values(self._of_file, ExpressionInput(names, kept, self._prepare))
            if self._of_both:
                both = ExpressionInput(
                    {"event": document, **names}, {"event": exact, **kept}, self._also(shown, names), longest
                )
                row |= _values(self._of_both, both)
            rows.append({name: row[name] for name in self._order})
        return rows

    def _also(self, shown: ExpressionInput, names: Mapping[str, object]) -> PrepareValue:
        """The event is prepared once; a file's names are put beside it."""

        def prepare(_: Mapping[str, object]) -> object:
            prepared = shown.prepared
            for name, value in names.items():
                prepared.add_variable(name, value)
            return prepared

        return prepare


def _values(expressions: Mapping[str, ColumnExpression], shown: ExpressionInput) -> dict[str, object]:
    row = {}
    for name, expression in expressions.items():
        try:
            row[name] = expression.value(shown)
        except WhereFailed as failure:
            raise Refused(f"column {name}: its expression fails on this event: {failure}") from None
    return row


def _files(exact: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[tuple[object, object]]:
    if not exact["data"]["files"]:
        return iter([({}, {})])
    return zip(exact["data"]["files"], document["data"]["files"], strict=True)


def _lengths(value: object) -> Iterator[int]:
    if type(value) is dict:
        for part in value.values():
            yield from _lengths(part)
    elif type(value) is list:
        yield len(value)
        for part in value:
            yield from _lengths(part)
