"""CEL expressions over what a callback says, bounded as the `where` of a route is, and a value that is absent where they find none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from typing import Annotated, Any, Final

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from gateway.runtime.lean_imports import import_cel
from gateway.where.names import misnamed, walk
from gateway.where.syntax import Node, WhereError, parse

MOST_ELEMENTS: Final = 200  # of any list; because one macro then costs at most 200 steps
UNREADABLE: Final = object()
"""What an expression gives that failed for another reason than that something is absent."""


class Expression:
    """One compiled expression over one name. Raises WhereError where it cannot be used."""

    def __init__(self, text: str, name: str) -> None:
        self.tree = parse(text)
        for problem in misnamed(self.tree, {name: None}):
            raise problem
        for node in walk(self.tree):
            if node.kind == "call" and node.word == "matches":
                # because the library compiles a pattern anew each time, and it may take a third of a second
                raise WhereError("matches() is not for callbacks", "use contains(), startsWith() or ==", node.column)
        try:
            self._program = import_cel().compile(text)
        except Exception as error:
            said = re.search(r"ERROR: <input>:\d+:(\d+): (?:Syntax error: )?([^\n]*)", str(error))
            column = int(said[1]) if said else None
            raise WhereError(said[2] if said else "it cannot be compiled", "", column) from None

    def value(self, context: Any) -> Any:
        """What it says: None where a field or element is missing, UNREADABLE where it fails otherwise."""
        try:
            return self._program.execute(context)
        except (KeyError, IndexError):
            return None
        except Exception:  # because the library raises RuntimeError, OverflowError and others alike
            return UNREADABLE

    def path(self) -> tuple[str, ...] | None:
        """The first chain of fields in it, such as (payload, id) of `string(body.payload.id)`; None: there is none."""
        return next((path for node in walk(self.tree) if (path := _path(node))), None)


def _path(node: Node) -> tuple[str, ...]:
    if node.kind != "select" or node.parts[0] is None:
        return ()
    target = node.parts[0]
    if target.kind == "name":
        return (node.word,)
    before = _path(target)
    return (*before, node.word) if before else ()


def context(name: str, value: Any) -> Any:
    """What expressions over `name` are evaluated with: without nulls, so that what is absent is absent, and with no more
    than 200 elements of any list. CEL has a form for whatever JSON, or an expression, can say."""
    return import_cel().Context({name: _present(value)})


def _present(value: Any) -> Any:
    # The decoder bounds the depth to 16, so recursion is safe here.
    if isinstance(value, Mapping):
        return {key: _present(part) for key, part in value.items() if part is not None}
    if isinstance(value, list):
        return [_present(part) for part in islice(value, MOST_ELEMENTS) if part is not None]
    return value


def _checked(name: str) -> AfterValidator:
    def check(text: str) -> str:
        try:
            Expression(text, name)
        except WhereError as error:
            expected = f"a CEL expression over `{name}`: {error}"
            raise PydanticCustomError("cel", "{expected}", {"expected": expected}) from None
        return text

    return AfterValidator(check)


OfBody = Annotated[str, _checked("body")]
"""An expression over `body`, the JSON of the callback."""

OfFile = Annotated[str, _checked("file")]
"""An expression over `file`, one element of what `files` gives."""
