"""CEL expressions over what a callback says, bounded as the `where` of a route is, with nothing for what they do not find."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from gateway.runtime.lean_imports import import_cel
from gateway.where.names import misnamed, walk
from gateway.where.syntax import CelNode, WhereError, parse

BODY: Final = "body"
FILE: Final = "file"
HEADERS: Final = "headers"
ANY_HEADER: Final = "*"
_OF_HEADERS: Final = re.compile(r"""\bheaders\s*\[\s*(["'])([^"'\\]*)\1\s*\]""")
UNREADABLE: Final = object()
"""What an expression gives that failed for another reason than that something is absent."""


class Expression:
    """One compiled expression over these names. Raises WhereError where it cannot be used.

    Names of headers are found in any case, as HTTP has it.
    """

    def __init__(self, text: str, *names: str) -> None:
        if HEADERS in names:
            text = _OF_HEADERS.sub(lambda found: f'headers["{found[2].lower()}"]', text)
        self.tree = parse(text)
        for problem in misnamed(self.tree, dict.fromkeys(names)):
            raise problem
        self.headers = frozenset(_headers_read(self.tree)) if HEADERS in names else frozenset()
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

    def value(self, context: object) -> object:
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

    def header(self) -> str | None:
        """The header that it reads, where it reads one that it names."""
        return next(iter(self.headers - {ANY_HEADER}), None)


def _path(node: CelNode) -> tuple[str, ...]:
    if node.kind != "select" or node.parts[0] is None:
        return ()
    target = node.parts[0]
    if target.kind == "name":
        return () if target.word == HEADERS else (node.word,)
    before = _path(target)
    return (*before, node.word) if before else ()


def _headers_read(tree: CelNode) -> Iterator[str]:
    named = 0
    for node in walk(tree):
        of = node.parts[0] if node.parts else None
        if of is None or of.kind != "name" or of.word != HEADERS:
            continue
        key = node.parts[1] if node.kind == "index" else None
        if node.kind == "select":
            named += 1
            yield node.word
        elif key is not None and key.kind == "text":
            named += 1
            yield key.word[1:-1]
    if named < sum(node.kind == "name" and node.word == HEADERS for node in walk(tree)):
        yield ANY_HEADER


def context(**names: object) -> object:
    """What expressions over these names are evaluated with: without nulls, so that what is absent is absent.

    Lists are whole, because no macro may stand in another one: each costs a step an element. CEL has a form for whatever
    JSON, or an expression, can say.
    """
    return import_cel().Context({name: _present(value) for name, value in names.items()})


def _present(value: object) -> object:
    # The decoder bounds the depth, so recursion is safe here.
    if isinstance(value, Mapping):
        return {key: _present(part) for key, part in value.items() if part is not None}
    if isinstance(value, list):
        return [_present(part) for part in value if part is not None]
    return value


def _checked(*names: str) -> AfterValidator:
    def check(text: str) -> str:
        try:
            Expression(text, *names)
        except WhereError as error:
            expected = f"a CEL expression over `{names[0]}`: {error}"
            raise PydanticCustomError("cel", "{expected}", {"expected": expected}) from None
        return text

    return AfterValidator(check)


OfBody = Annotated[str, _checked(BODY, HEADERS)]
"""An expression over `body`, the JSON of the callback, and `headers`, by their names in lower case."""

OfFile = Annotated[str, _checked(FILE)]
"""An expression over `file`, one element of what `files` gives."""
