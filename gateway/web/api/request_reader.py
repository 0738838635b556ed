"""Checks what comes in by the models of an operation: unknown names and values are 400 with a near miss."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar, get_args, get_origin

from pydantic import BaseModel
from starlette.requests import Request

from gateway.admin.request_validation import validated
from gateway.errors import Problem
from gateway.text.suggest import suggestion

BODY_BYTES_MAX: Final = 64 * 1024  # bytes
NUMBER_DIGITS_MAX: Final = 18
M = TypeVar("M", bound=BaseModel)


def read_query(request: Request, model: type[M] | None) -> M | None:
    """The parameters of a request. Raises Problem: 400 `unknown_filter`, `unknown_value`."""
    items = request.query_params.multi_items()
    known = {} if model is None else model.model_fields
    pairs: dict[str, str | list[str]] = {}
    lists: dict[str, list[str]] = {}
    for name, value in items:
        if name not in known:
            raise Problem(400, "unknown_filter", f"there is no parameter {name[:60]!r} here{_near(name, known)}")
        if _is_list(known[name].annotation):
            pairs[name] = values = lists.setdefault(name, [])
            values += [part for part in value.split(",") if part]
        elif name in pairs:
            raise Problem(400, "unknown_value", f"{name} is given twice")
        elif value != "" or name == "source":
            pairs[name] = value
    return None if model is None else validated(model, pairs, known="parameter")


def _near(name: str, known: Mapping[str, object]) -> str:
    return suggestion(name, known) if known else "; it takes none"


def _is_list(annotation: object) -> bool:
    if get_origin(annotation) is Sequence:
        return True
    return any(_is_list(one) for one in get_args(annotation))


async def read_body(request: Request, model: type[M] | None) -> M | None:
    """The body of a request. Raises Problem: 400 `malformed_body`, `unknown_value`; 413; 415."""
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > BODY_BYTES_MAX:
            raise Problem(413, "body_too_large", f"a body has at most {BODY_BYTES_MAX} bytes here")
    if model is None:
        if content.strip():
            raise Problem(400, "malformed_body", "this takes no body")
        return None
    document: object = {}
    if content:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Problem(415, "unsupported_media_type", "send application/json")
        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            raise Problem(400, "malformed_body", "the body is no JSON") from None
    if not isinstance(document, dict):
        raise Problem(400, "malformed_body", "the body is no JSON object")
    return validated(model, document)


def number_of(text: str) -> int:
    """A number in a path. Raises Problem, as for anything that is not there."""
    if not text.isascii() or not text.isdigit() or len(text) > NUMBER_DIGITS_MAX:
        raise Problem(404, "not_found", f"{text[:40]!r} is no number of one")
    return int(text)
