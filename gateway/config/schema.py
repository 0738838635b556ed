"""The whole grammar as JSON Schema, for editors: the core's sections and the options of every installed type."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, JsonSchemaWarningKind

from gateway.config.entries import SINK_KEYS, SOURCE_KEYS
from gateway.config.grammar.identifiers import NAME
from gateway.config.grammar.settings import Settings, SinkSettings, SourceSettings
from gateway.errors import PluginError
from gateway.fields import Rate, Secret, format_duration
from gateway.plugin import Sink, Source
from gateway.plugin.registry import Registry
from gateway.text.secret import MASK

_SUBSTITUTION: Final = {"type": "string", "pattern": r"\$\{"}
_SCALARS: Final = {"type": ["string", "number", "boolean"]}  # because a bare number is text where text is wanted
_NUMBERS: Final = frozenset({"integer", "number", "boolean"})
_FORMS: Final = frozenset({"enum", "const", "pattern", "format"})
_PREFIX: Final = "#/$defs/"


def schema(registry: Registry | None = None) -> dict[str, object]:
    """JSON Schema 2020-12 of the file. A type whose plugin cannot be loaded is left open, with the reason beside it."""
    registry = registry or Registry()
    definitions: dict[str, JsonSchemaValue] = {}
    whole = _model_schema(Settings, definitions, "")
    whole["properties"]["sources"] = _alternatives(
        registry.source_types(), registry.source, SourceSettings, SOURCE_KEYS, definitions, "source"
    )
    whole["properties"]["sinks"] = _alternatives(
        registry.sink_types(), registry.sink, SinkSettings, SINK_KEYS, definitions, "sink"
    )
    whole["properties"]["store"] = {
        "anyOf": [whole["properties"]["store"], {"type": "string"}],
        "description": "Where events are kept. A text is short for `url`.",
    }
    definitions["RouteSettings"].pop("required")  # a route without a name gets one
    for name, body in definitions.items():
        definitions[name] = _lenient(body)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Recording Gateway",
        **_lenient(whole),
        "$defs": definitions,
    }


class _Generator(GenerateJsonSchema):
    ignored_warning_kinds: set[JsonSchemaWarningKind] = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012  # as its base declares it

    def encode_default(self, dft: object) -> object:
        if isinstance(dft, Secret):
            return MASK  # taken out below: not even that there is one is said
        if isinstance(dft, timedelta):
            return format_duration(dft)
        return str(dft) if isinstance(dft, Rate) else super().encode_default(dft)


def _model_schema(model: type[BaseModel], definitions: dict[str, JsonSchemaValue], prefix: str) -> JsonSchemaValue:
    """The model's schema; its own $defs go to `definitions`, each name with the prefix, so that no two plugins meet."""
    mode: JsonSchemaMode = "validation"
    body = model.model_json_schema(ref_template=f"{_PREFIX}{prefix}{{model}}", schema_generator=_Generator, mode=mode)
    for name, definition in body.pop("$defs", {}).items():
        definitions[f"{prefix}{name}"] = definition
    return body


def _alternatives(
    types: Sequence[str],
    load: Callable[[str], type[Source | Sink]],
    core: type[BaseModel],
    keys: Sequence[str],
    definitions: dict[str, JsonSchemaValue],
    kind: str,
) -> JsonSchemaValue:
    shared = _model_schema(core, definitions, "")
    common = {key: shared["properties"][key] for key in keys if key != "type"}
    alternatives: list[JsonSchemaValue] = []
    for name in types:
        tag = {"const": name, "description": shared["properties"]["type"].get("description", "")}
        try:
            cls = load(name)
            options = _model_schema(cls.Options, definitions, f"{kind}.{name}.")
        except PluginError as error:
            alternatives.append(
                {"type": "object", "properties": {"type": tag, **common}, "required": ["type"], "$comment": str(error)}
            )
            continue
        owned = {option.removesuffix("[]") for option in getattr(cls, "owner_columns", {}).values()}
        required = options.get("required", ())
        by_owner = [key for key in required if key in owned]
        alternatives.append(
            {
                "type": "object",
                "title": name,
                "description": options.get("description", ""),
                "properties": {"type": tag, **common, **options.get("properties", {})},
                "required": ["type", *(key for key in required if key not in owned)],
                **({"anyOf": [{"required": by_owner}, {"required": ["directory"]}]} if by_owner else {}),
                "additionalProperties": False,
            }
        )
    for one in alternatives:
        one["properties"] = {
            key: value if key == "type" else _lenient(value) for key, value in one["properties"].items()
        }
    definitions[kind] = {"oneOf": alternatives} if alternatives else {"type": "object"}
    return {
        "type": ["object", "null"],
        "description": Settings.model_fields[f"{kind}s"].description or "",
        "propertyNames": {"pattern": f"^{NAME}$"},
        "additionalProperties": {"$ref": f"{_PREFIX}{kind}"},
    }


def _lenient(body: Any) -> Any:
    """The schema, with `${…}` wherever something other than any text is wanted, and numbers where text is."""
    if isinstance(body, list):
        return [_lenient(part) for part in body]
    if not isinstance(body, dict) or body.get("$ref", "").startswith(_PREFIX):
        return body
    if "oneOf" in body and all("properties" in part for part in body["oneOf"]):
        return body  # the alternatives of a kind, which are lenient already
    if isinstance(body.get("default"), dict) or MASK in json.dumps(body.get("default")):
        body = {key: value for key, value in body.items() if key != "default"}
    kind = body.get("type") if isinstance(body.get("type"), str) else None
    if kind in _NUMBERS or _FORMS & body.keys():
        outer = {key: body[key] for key in ("title", "description", "default", "examples") if key in body}
        inner = {key: value for key, value in body.items() if key not in outer}
        return {**outer, "anyOf": [inner, dict(_SUBSTITUTION)]}
    if kind == "string":
        return {**body, **_SCALARS}
    inside = {key: _lenient(value) for key, value in body.items() if key in {"anyOf", "items", "prefixItems"}}
    if "properties" in body:
        inside["properties"] = {key: _lenient(value) for key, value in body["properties"].items()}
    if isinstance(body.get("additionalProperties"), dict):
        inside["additionalProperties"] = _lenient(body["additionalProperties"])
    return {**body, **inside}
