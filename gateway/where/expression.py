"""The `where` of a route: one CEL expression over the JSON of an event, where what is absent is absent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from gateway.errors import GatewayError
from gateway.events import cloudevents
from gateway.model import Event
from gateway.where.syntax import CelNode, WhereError, parse

LIST_ELEMENTS_MAX: Final = 200  # of any list; because one macro then costs at most 200 steps
_DETAIL_CHARS_MAX: Final = 200  # characters of a failure that are kept


class WhereFailed(GatewayError):
    """The expression could not be evaluated on this event: a missing field, a division by zero, types that do not meet."""


class Where:
    """One compiled expression. Made by `compile_where`."""

    def __init__(self, text: str, tree: CelNode, program: Any, context: Any) -> None:
        self.text = text
        self.tree = tree
        self._program = program
        self._context = context

    def __repr__(self) -> str:
        return f"Where({self.text!r})"

    def prepare(self, document: Mapping[str, object]) -> object:
        """What `value` takes: the document in the library's own form, made once for all expressions of one event.

        Making it costs ten times as much as evaluating. Raises WhereFailed for a value that CEL has no form for.
        """
        return self.prepare_names({"event": document})

    def prepare_names(self, names: Mapping[str, object]) -> object:
        """Like `prepare`, with the value of every name the expression may use."""
        try:
            return self._context(dict(names))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise WhereFailed(_said(error)) from None

    def value(self, prepared: object) -> Any:
        """What the expression says. Raises WhereFailed."""
        try:
            return self._program.execute(prepared)
        except KeyboardInterrupt:
            raise
        except (
            BaseException
        ) as error:  # because the library raises KeyError, RuntimeError and others alike, and panics are none
            raise WhereFailed(_said(error)) from None

    def matches(self, document: Mapping[str, object]) -> bool:
        """Whether it says `true` of a document made by `present`; anything else is no match. Raises WhereFailed."""
        return self.value(self.prepare(document)) is True


def compile_where(text: str) -> Where:
    """A `where` within the bounds of docs/routing.md. Raises WhereError.

    Names are not looked at here: `check_where` does that, with samples.
    """
    from gateway.runtime.lean_imports import import_cel  # because only configurations with a `where` need the library

    if not text.strip():
        raise WhereError("the expression is empty", "leave `where` out to match everything")
    tree = parse(text)
    cel = import_cel()
    try:
        program = cel.compile(text)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        said = re.search(r"ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?([^\n]*)", str(error))
        raise WhereError(said[3] if said else _said(error)) from None
    return Where(text, tree, program, cel.Context)


def present(event: Event) -> dict[str, object]:
    """The event's JSON without nulls, and with no more than 200 elements of any list.

    An empty list and an empty `extra` stay, because a list without elements is there; an object of nothing but nulls is not.
    """
    document = cloudevents.to_document(event)
    data = {key: kept for key, value in document["data"].items() if (kept := _present(value)) is not None}
    data.setdefault("extra", {})
    document["data"] = data
    return document


def _present(value: object) -> object:
    if type(value) is dict:
        return {key: kept for key, part in value.items() if (kept := _present(part)) is not None} or None
    if type(value) is list:
        return [{} if (kept := _present(part)) is None else kept for part in islice(value, LIST_ELEMENTS_MAX)]
    return value


def _said(error: BaseException) -> str:
    """The library's words in one short line. A KeyError shows only the name that is missing."""
    if isinstance(error, KeyError) and error.args:
        return f"no such field: {str(error.args[0])[:_DETAIL_CHARS_MAX]}"
    text = re.sub(r" (?:Check that|CEL does not coerce|Check function).*", "", str(error).replace("\n", " "))
    return f"{type(error).__name__}: {text}"[:_DETAIL_CHARS_MAX]
