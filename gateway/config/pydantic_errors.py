"""Turns pydantic's errors into problems at their place in the file, in our words and without the values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from pydantic import ValidationError

from gateway.config.document.diagnostics import Diagnostic
from gateway.config.document.nodes import Items, Scalar, Table, YamlNode, describe, scalars, shown_key, stand_ins
from gateway.fields import format_duration
from gateway.text.secret import MASK

_EXPECTED: Final = {
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of reasonable size",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a number that is not infinite",
    "string_type": "text",
    "string_sub_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "iterable_type": "a list",
    "sequence_str": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dataclass_type": "a mapping",
    "path_type": "a path",
    "none_required": "nothing",
    "missing": "a value for this key",
    "time_delta_type": "a duration",
    "time_delta_parsing": "a duration",
}
_BOUNDS: Final = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
    "multiple_of": ("a multiple of", "multiple_of"),
}
_LENGTHS: Final = {
    "string_too_short": ("a text of at least {} characters", "min_length"),
    "string_too_long": ("a text of at most {} characters", "max_length"),
    "too_short": ("at least {} entries", "min_length"),
    "too_long": ("at most {} entries", "max_length"),
    "string_pattern_mismatch": ("a text that matches {}", "pattern"),
}
_OF_A_VALUE: Final = frozenset(_EXPECTED) - {"missing"} | {"secret_type", "quantity_type", "literal_error", "enum"}
_SENTENCES: Final = frozenset({"value_error", "assertion_error"})  # an author's own words


class MistakePlace:
    """Where an error's `loc` leads: the node, or the key that is missing below it, and what of `loc` was no place."""

    def __init__(self, root: YamlNode, loc: Sequence[int | str], kind: str) -> None:
        self.node = root
        self.key: str | None = None
        self.foreign = False  # of a union's branch that this was not meant for
        self.branch: tuple[int, int] | None = None  # id of the node where a union began, and depth of what came after
        depth = 0
        for number, part in enumerate(loc):
            last = number == len(loc) - 1
            child = _child(self.node, part)
            if child is not None:
                self.node = child
                depth += 1
            elif part in self.node.refused:
                self.foreign = True
            elif last and isinstance(self.node, Table) and isinstance(part, str) and kind not in _OF_A_VALUE:
                self.key = part
            elif self.branch is None:
                self.branch = (id(self.node), depth)
        if self.branch is not None:
            self.branch = (self.branch[0], depth - self.branch[1])


def _child(node: YamlNode, part: int | str) -> YamlNode | None:
    if isinstance(node, Table):
        return node.entries.get(str(part))
    if isinstance(node, Items) and isinstance(part, int) and 0 <= part < len(node.items):
        return node.items[part]
    return None


def problems_of(error: ValidationError, root: YamlNode) -> list[tuple[Sequence[Scalar], Diagnostic]]:
    """Every error, those of a union's branches put together; and the stand-ins that may be to blame for it."""
    hidden = _hidden(root)
    mistakes: list[tuple[MistakePlace, str, str, str]] = []
    for mistake in error.errors(include_url=False, include_input=False):
        kind = mistake["type"]
        place = MistakePlace(root, mistake["loc"], kind)
        if place.foreign:
            continue
        if kind == "missing" and place.key is None:
            continue  # of a union's branch that does not even look like this
        sentence, expected = _said(kind, mistake["msg"], mistake.get("ctx", {}))
        mistakes.append((place, kind, _mask(sentence, hidden), _mask(expected, hidden)))
    deepest: dict[int, int] = {}
    for place, *_ in mistakes:
        if place.branch is not None:
            start, depth = place.branch
            deepest[start] = max(deepest.get(start, 0), depth)
    merged: dict[tuple[int, str | None], list[tuple[MistakePlace, str, str]]] = {}
    for place, _, sentence, expected in mistakes:
        if place.branch is None or place.branch[1] == deepest[place.branch[0]]:
            merged.setdefault((id(place.node), place.key), []).append((place, sentence, expected))
    if not merged:  # because a refusal without a reason would pass for none
        return [((), root.problem(found="values that do not fit together", expected="one of the forms of its type"))]
    return [(_blamed(group), _problem(group, root)) for group in merged.values()]


def _blamed(group: Sequence[tuple[MistakePlace, str, str]]) -> Sequence[Scalar]:
    place, sentence, _ = group[0]
    if isinstance(place.node, Scalar) or (sentence and place.key is None):
        return stand_ins(place.node)
    return ()  # what is missing, or of another shape, is so whatever a variable holds


def _problem(group: Sequence[tuple[MistakePlace, str, str]], root: YamlNode) -> Diagnostic:
    place, sentence, _ = group[0]
    node = place.node
    expected = " or ".join(dict.fromkeys(expected for _, _, expected in group if expected))
    path = node.below(shown_key(place.key)) if place.key is not None else node.path
    if sentence:
        found = sentence
        expected = ""
    elif node is root and isinstance(node, Table) and place.key is None:
        found = "options that do not go together"  # because that it is a mapping is nobody's mistake
    else:
        found = "nothing" if place.key is not None else describe(node)
    return Diagnostic(file=node.file, line=node.line, column=node.column, path=path, found=found, expected=expected)


def _said(kind: str, message: str, context: dict[str, object]) -> tuple[str, str]:
    """(a whole sentence, or "", what was expected)."""
    if kind in _SENTENCES:
        return re.sub(r"^(Value|Assertion) error, ", "", message) or "a value that is refused", ""
    if kind in {"retry", "to", "test", "tokens"}:  # sentences of our own models
        return message, ""
    if kind in _EXPECTED:
        return "", _EXPECTED[kind]
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        bound = context.get(key)
        return "", f"{words} {format_duration(bound) if isinstance(bound, timedelta) else bound}"
    if kind in _LENGTHS:
        words, key = _LENGTHS[kind]
        return "", words.format(context.get(key))
    if kind in {"literal_error", "enum"}:
        return "", str(context.get("expected")).replace("'", "")
    return "", re.sub(r"^Input should (be|have) ", "", message)


def _hidden(root: YamlNode) -> list[str]:
    """Texts that an author's own message must not repeat: they came from outside, or stand where a secret does."""
    texts = {scalar.text for scalar in scalars(root) if scalar.text and (scalar.secret or scalar.substituted)}
    return sorted(texts | {repr(text)[1:-1] for text in texts}, key=len, reverse=True)


def _mask(text: str, hidden: Iterable[str]) -> str:
    for secret in hidden:
        if len(secret) >= 4:
            text = text.replace(secret, MASK)
        else:  # because a single letter would shred the sentence
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, text)
    return text
