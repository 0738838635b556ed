"""What the expressions of columns are shown of an event: all of it, since what they say is kept, not only looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway import Event, to_document
from gateway.where.syntax import CelNode

ValuePath = tuple[str | int, ...]
_EXACT: Final = frozenset({"extra"})  # what the vendor said: a null there is said, not absent


def document(event: Event) -> dict[str, object]:
    """The event as it is forwarded, with every null."""
    made = to_document(event)
    made["data"].setdefault("extra", {})
    return made


def without_absent(whole: Mapping[str, Any]) -> dict[str, object]:
    """The same, but a field of the event's own form that has nothing is absent, so that `has` finds out. No list is cut
    and nothing of `extra` is changed."""
    data = {
        key: value if key in _EXACT else kept
        for key, value in whole["data"].items()
        if key in _EXACT or (kept := _present(value)) is not None
    }
    return {**whole, "data": data}


def _present(value: object) -> Any:
    if type(value) is dict:
        return {key: kept for key, part in value.items() if (kept := _present(part)) is not None} or None
    if type(value) is list:
        return [{} if (kept := _present(part)) is None else kept for part in value]
    return value


def path_of(tree: CelNode | None) -> ValuePath | None:
    """The steps of an expression that does nothing but name a part (`event.data.files[0].format`); else None."""
    if tree is None or tree.kind == "name":
        return None if tree is None else (tree.word,)
    if tree.kind == "select":
        before = path_of(tree.parts[0])
        return None if before is None else (*before, tree.word)
    if tree.kind == "index":
        before, step = path_of(tree.parts[0]), _constant(tree.parts[1])
        return None if before is None or step is None else (*before, step)
    return None


def _constant(node: CelNode | None) -> str | int | None:
    if node is None:
        return None
    if node.kind == "number" and node.word.isdecimal():
        return int(node.word)
    if node.kind == "text" and node.word[:1] in "'\"" and node.word[:3] not in ("'''", '"""') and "\\" not in node.word:
        return node.word[1:-1]
    return None


def part(names: Mapping[str, object], path: ValuePath) -> object:
    """What stands there, as it is; None where there is nothing."""
    value: object = names
    for step in path:
        if isinstance(value, Mapping) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value
