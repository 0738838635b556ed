"""Finds names, fields and functions in an expression that do not exist, because CEL itself notices them only on a live event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.events import cloudevents
from gateway.events.samples import sample
from gateway.model import ALL_TYPES, RECORDING_ARCHIVED, SINK_DOWN, Fault, Trust
from gateway.text.suggest import suggestion
from gateway.where.syntax import MACROS, CelNode, WhereError

_FUNCTIONS: Final = (
    "has", "size", "string", "bytes", "double", "int", "uint", "timestamp", "duration", "type", "dyn",
)  # fmt: skip
_METHODS: Final = (
    *MACROS, "size", "contains", "startsWith", "endsWith", "matches", "getFullYear", "getMonth", "getDate", "getDayOfMonth",
    "getDayOfWeek", "getDayOfYear", "getHours", "getMinutes", "getSeconds", "getMilliseconds",
)  # fmt: skip
_TYPE_NAMES: Final = ("bool", "bytes", "double", "int", "list", "map", "null_type", "string", "uint")
_OPEN: Final = ("extra",)  # whatever the vendor sends

ValueShape = Any
"""What is known of a value: a dict of fields, [shape of the elements], a scalar of the sample, or None: anything."""


def shape_of_event() -> Mapping[str, ValueShape]:
    """Every field the JSON of an event can have, taken from the code that writes it."""
    everything = sample(RECORDING_ARCHIVED, error=Fault(code="x", message="x")).replace(alarm=sample(SINK_DOWN).alarm)
    (file,) = everything.files
    everything = everything.replace(
        supersedes="x",
        reconciled=True,
        cause=None if everything.cause is None else everything.cause.replace(earlier=("x",)),
        files=(file.replace(confirmed=file.measured),),
    )
    return {"event": _shape(cloudevents.to_document(everything))}


def _shape(value: object) -> ValueShape:
    if isinstance(value, dict):
        return {key: None if key in _OPEN else _shape(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_shape(value[0])] if value else ["text"]
    return value if value is not None else "text"


def misnamed(tree: CelNode, names: Mapping[str, ValueShape] | None = None) -> Iterator[WhereError]:
    """Every name, field and function of the expression that does not exist, each with a near miss.

    `names` are the names there are, with their shapes; None: `event` alone.
    """
    reader = _ShapeReader()
    reader.shape(tree, shape_of_event() if names is None else names)
    yield from reader.errors


def suspicious(tree: CelNode) -> Iterator[str]:
    """Comparisons that can never hold, such as `event.type` with a type that does not exist."""
    for node in walk(tree):
        if node.kind == "operator" and node.word in {"==", "!=", "in"}:
            for field, other in (node.parts, node.parts[::-1]):
                yield from _never_equal(field, other)


def _never_equal(field: CelNode | None, other: CelNode | None) -> Iterator[str]:
    if field is None or other is None or field.kind != "select" or (field.parts[0] or field).word != "event":
        return
    literals = [node for node in (other.parts if other.kind == "list" else (other,)) if node and node.kind == "text"]
    for literal in literals:
        text = literal.word[1:-1]
        if field.word == "source" and not text.startswith(cloudevents.SOURCE_PREFIX):
            yield (
                f"column {literal.column}: event.source is never {literal.word}: in the JSON of an event it is the URI "
                f'"{cloudevents.SOURCE_PREFIX}{text}"'
            )
        known = {"type": ALL_TYPES, "trust": tuple(Trust)}.get(field.word)
        if known and text not in known:
            yield f"column {literal.column}: event.{field.word} is never {literal.word}{suggestion(text, known)}"


class _ShapeReader:
    def __init__(self) -> None:
        self.errors: list[WhereError] = []

    def shape(self, node: CelNode | None, names: Mapping[str, ValueShape]) -> ValueShape:
        if node is None:
            return None
        if node.kind == "name":
            return self._name(node, names)
        if node.kind == "select":
            return self._field(self.shape(node.parts[0], names), node.word, node)
        if node.kind == "index":
            of, key = self.shape(node.parts[0], names), node.parts[1]
            self.shape(key, names)
            if isinstance(of, list):
                return of[0]
            literal = key is not None and key.kind == "text"
            return self._field(of, key.word[1:-1], node) if literal and key else None
        if node.kind == "call":
            return self._call(node, names)
        shapes = [self.shape(part, names) for part in node.parts]
        if node.kind == "list":
            return [shapes[0] if shapes and all(shape == shapes[0] for shape in shapes) else None]
        return None

    def _name(self, node: CelNode, names: Mapping[str, ValueShape]) -> ValueShape:
        if node.word in names:
            return names[node.word]
        if node.word not in _TYPE_NAMES:
            path = next(iter(_paths(names.get("event"), node.word)), "")
            advice = f"did you mean event.{path}?" if path else suggestion(node.word, names)[2:]
            if advice.startswith("there are"):
                advice += f"; a text stands in quotes: '{node.word}'"
            self._wrong(f"there is no name {node.word!r}", advice, node)
        return None

    def _field(self, of: ValueShape, field: str, node: CelNode) -> ValueShape:
        if of is None:
            return None
        if not isinstance(of, dict):
            what = "a list: use [0], exists() or all()" if isinstance(of, list) else "a single value"
            self._wrong(f"{field!r} is not a field here: the value before it is {what}", "", node)
            return None
        if field in of:
            return of[field]
        advice = suggestion(field, of)[2:]
        if "did you mean" not in advice and (path := next(iter(_paths(shape_of_event()["event"], field)), "")):
            advice = f"did you mean event.{path}?"
        self._wrong(f"there is no field {field!r}", advice, node)
        return None

    def _call(self, node: CelNode, names: Mapping[str, ValueShape]) -> ValueShape:
        target, *arguments = node.parts
        known = _FUNCTIONS if target is None else _METHODS
        if node.word not in known:
            self._wrong(f"there is no function {node.word!r}", suggestion(node.word, known)[2:], node)
        of = self.shape(target, names)
        if target is None or node.word not in MACROS:
            for argument in arguments:
                self.shape(argument, names)
            return None
        variable, *bodies = arguments or (None,)
        if variable is None or variable.kind != "name" or not 1 <= len(bodies) <= 1 + (node.word == "map"):
            self._wrong(f"{node.word}() takes a name and a condition, such as {node.word}(f, has(f.format))", "", node)
            return None
        element = of[0] if isinstance(of, list) else None
        last = [self.shape(body, {**names, variable.word: element}) for body in bodies][-1]
        return of if node.word == "filter" else [last] if node.word == "map" else None

    def _wrong(self, detail: str, advice: str, node: CelNode) -> None:
        self.errors.append(WhereError(detail, advice, node.column))


def _paths(shape: ValueShape, field: str, path: str = "") -> Iterator[str]:
    """Where else a field of this name is."""
    if isinstance(shape, dict):
        if field in shape:
            yield path + field
        for key, part in shape.items():
            yield from _paths(
                part[0] if isinstance(part, list) else part, field, f"{path}{key}{'[0]' * isinstance(part, list)}."
            )


def walk(node: CelNode) -> Iterator[CelNode]:
    """The node and everything under it."""
    yield node
    for part in node.parts:
        if part is not None:
            yield from walk(part)
