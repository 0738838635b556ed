"""Validates what comes in by its model, and says what was probably meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from gateway.errors import Problem
from gateway.states import ProblemCode
from gateway.text.suggest import suggestion

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

M = TypeVar("M", bound=BaseModel)
_HIDDEN = ("literal[", "bool", "list[", "function-", "constrained-", "nullable", "tagged-")


def validated(
    model: type[M], values: Mapping[str, object], *, known: str = "member", code: ProblemCode = "unknown_value"
) -> M:
    """The model. Raises Problem 400: `unknown_filter` or `unknown_field` for a name that there is not, else `code`."""
    names = model.model_fields
    for name in values:
        if name not in names:
            hint = suggestion(name[:60], names) if names else "; it takes none"
            kind: ProblemCode = "unknown_field" if known == "member" else "unknown_filter"
            raise Problem(400, kind, f"there is no {known} {name[:60]!r} here{hint}")
    try:
        return model.model_validate(values)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=True, include_input=True)
        first = errors[0]
        place = ".".join(str(part) for part in first["loc"] if not str(part).startswith(_HIDDEN))
        raise Problem(
            400, code, f"{place or 'body'}: {_said([one for one in errors if one['loc'][:1] == first['loc'][:1]])}"
        ) from None


def _said(errors: Sequence[ErrorDetails]) -> str:
    """What is wrong with one value; of one that may be of several kinds all its words are named."""
    value, words = errors[0].get("input"), dict.fromkeys(word for error in errors for word in _words(error))
    if isinstance(value, str) and any(error["type"] == "literal_error" for error in errors):
        return f"{value[:60]!r} is none of them{suggestion(value[:60], words)}"
    return str(errors[0]["msg"])


def _words(error: ErrorDetails) -> Sequence[str]:
    if error["type"] == "bool_parsing":
        return "true", "false"
    expected = str(error.get("ctx", {}).get("expected", ""))
    return [word for part in expected.replace(" or ", ", ").split(",") if (word := part.strip("' "))]
