"""OpenAPI 3.1 of the API, made of the same operations and models that serve it."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Sequence
from typing import Final

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from gateway.version import __version__
from gateway.web.api.endpoint import Endpoint

ABOUT: Final = """The private listener's API: see and steer a Recording Gateway (docs/api.md). Lists answer
`{items, next}`; `next` is the `cursor` of the next page. Every refusal is application/problem+json with a stable `code`."""
PROBLEM: Final = {
    "type": "object",
    "description": "RFC 9457; `code` is stable, `detail` is for people.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "candidates": {"type": "array", "items": {"type": "string"}},
        "problems": {"type": "array", "items": {"type": "object"}},
    },
}
_REF: Final = "#/components/schemas/{model}"
_EVERYWHERE: Final = {
    "400": "token_in_query, unknown_filter, unknown_value, unknown_field, malformed_body, invalid_cursor",
    "401": "unauthorized",
    "404": "not_found: nothing of that name, or no token is configured at all",
    "429": "too_many_attempts",
    "500": "internal_error",
    "503": "store_unavailable",
}
_SENDING: Final = {
    "403": "forbidden: the token may only read",
    "413": "body_too_large",
    "415": "unsupported_media_type",
}
_ONCE: Final = {
    "409": "in_progress",
    "410": "erased: it was done, and its answer held what has been erased since",
    "422": "idempotency_key_reused",
}


def document_text(endpoints: Sequence[Endpoint], prefix: str) -> str:
    """The document as JSON, laid out."""
    return json.dumps(document(tuple(endpoints), prefix), indent=2, ensure_ascii=False) + "\n"


@functools.cache
def document(endpoints: tuple[Endpoint, ...], prefix: str) -> dict[str, object]:
    """The document."""
    models = dict.fromkeys(_models(endpoints))
    _, definitions = models_json_schema([(model, mode) for model, mode in models], ref_template=_REF, by_alias=True)
    paths: dict[str, dict[str, object]] = {}
    for endpoint in endpoints:
        paths.setdefault(prefix + endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Recording Gateway",
            "version": __version__,
            "description": ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {**dict(sorted(definitions.get("$defs", {}).items())), "Problem": PROBLEM},
        },
    }


def _models(endpoints: Sequence[Endpoint]) -> Iterator[tuple[type[BaseModel], JsonSchemaMode]]:
    for endpoint in endpoints:
        if endpoint.body is not None:
            yield endpoint.body, "validation"
        for answer in _answers(endpoint):
            yield answer, "serialization"


def _answers(endpoint: Endpoint) -> Sequence[type[BaseModel]]:
    branches = getattr(endpoint.answer, "__args__", ())
    found = branches if branches and not isinstance(endpoint.answer, type) else (endpoint.answer,)
    return [one for one in found if isinstance(one, type) and issubclass(one, BaseModel)]


def _operation(endpoint: Endpoint) -> dict[str, object]:
    changes = endpoint.method != "GET"
    operation: dict[str, object] = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "x-role": endpoint.role,
        "parameters": [*_path(endpoint), *_query(endpoint), *_headers(endpoint)],
        "responses": {**_success(endpoint), **_problems(endpoint)},
    }
    if changes and endpoint.body is not None:
        required = any(field.is_required() for field in endpoint.body.model_fields.values())
        schema = {"$ref": _REF.format(model=_name(endpoint.body))}
        operation["requestBody"] = {"required": required, "content": {"application/json": {"schema": schema}}}
    return operation


def _name(model: type[BaseModel]) -> str:
    """As pydantic calls it among the definitions."""
    return re.sub(r"[^a-zA-Z0-9.\-_]", "_", model.__name__)


def _path(endpoint: Endpoint) -> Iterator[dict[str, object]]:
    for name in re.findall(r"\{(\w+)\}", endpoint.path):
        number = name in endpoint.integers
        schema = (
            {"type": "integer", "minimum": 0, "maximum": 10**18 - 1} if number else {"type": "string", "minLength": 1}
        )
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query(endpoint: Endpoint) -> Iterator[dict[str, object]]:
    if endpoint.query is None:
        return
    for name, field in endpoint.query.model_fields.items():
        schema = TypeAdapter(field.rebuild_annotation()).json_schema()
        description = schema.pop("description", None) or field.description
        is_list = schema.get("type") == "array"
        parameter = {"name": name, "in": "query", "required": False, "schema": schema}
        yield (
            parameter
            | ({"description": description} if description else {})
            | ({"style": "form", "explode": False} if is_list else {})
        )


def _headers(endpoint: Endpoint) -> Iterator[dict[str, object]]:
    if endpoint.is_once:
        text = "The same request with the same key is done once; its answer is kept for a day."
        schema = {"type": "string", "minLength": 1, "maxLength": 255}
        yield {"name": "Idempotency-Key", "in": "header", "required": False, "schema": schema, "description": text}
    if endpoint.media_type == "text/event-stream":
        schema = {"type": "string", "pattern": "^[0-9]{1,18}$"}
        yield {"name": "Last-Event-ID", "in": "header", "required": False, "schema": schema}


def _success(endpoint: Endpoint) -> dict[str, object]:
    if endpoint.media_type == "application/octet-stream":
        return {"200": {"description": "The bytes.", "content": {endpoint.media_type: {}}}}
    if endpoint.media_type == "text/event-stream":
        return {"200": {"description": "Messages.", "content": {endpoint.media_type: {"schema": {"type": "string"}}}}}
    answers: dict[str, object] = {}
    for answer in _answers(endpoint):
        status = "202" if answer.__name__ == "JobStarted" else str(endpoint.status)
        schema = {"$ref": _REF.format(model=_name(answer))}
        answers[status] = {
            "description": (answer.__doc__ or "").strip() or "Well.",
            "content": {"application/json": {"schema": schema}},
        }
    return answers


def _problems(endpoint: Endpoint) -> dict[str, object]:
    codes = dict(_EVERYWHERE)
    if endpoint.method != "GET":
        codes |= _SENDING
    if endpoint.is_once:
        codes |= _ONCE
    if endpoint.role == "operate":
        codes["403"] = _SENDING["403"]
    for status, text in endpoint.problems.items():
        there = codes.get(str(status))
        codes[str(status)] = f"{there}, {text}" if there and status not in (403, 404) else text
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": said, "content": content} for status, said in sorted(codes.items())}
