"""The rows that docs/configuration.md must have: every key of a model, its type and default, read off the model."""

from __future__ import annotations

import enum
import json
import types
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel

from gateway.config.annotations import unwrapped
from gateway.fields import Rate, Secret
from gateway.text.secret import MASK
from gateway.text.signing_key import SigningKey


class Row(NamedTuple):
    key: str
    type: str
    default: str
    text: str


def rows(model: type[BaseModel], prefix: str = "", *, skip: Sequence[str] = ()) -> Iterator[Row]:
    """One row a key, nested sections below their own."""
    defaults = model.model_construct().model_dump(mode="json", warnings=False)
    for name, info in model.model_fields.items():
        if name in skip:
            continue
        key = prefix + (info.alias or name)
        inner, metadata = unwrapped(info.annotation, info.metadata)
        nested = [leaf for leaf in (inner, *get_args(inner)) if isinstance(leaf, type) and issubclass(leaf, BaseModel)]
        default = "required" if info.is_required() else _written(defaults.get(name), bool(nested))
        if "Default:" in (info.description or ""):
            default = "as said"
        yield Row(f"`{key}`", _kind(inner, metadata), default, (info.description or "").replace("|", "\\|"))
        for section in nested:
            many = get_origin(inner) in {tuple, list, Sequence, Mapping}
            yield from rows(section, f"{key}[]." if many else f"{key}.")


def _written(value: Any, nested: bool) -> str:
    if value is None:
        return "none"
    if nested and isinstance(value, dict):
        return "see below"
    assert MASK not in json.dumps(value), "no secret has a default"
    if isinstance(value, str):
        return f"`{value}`"
    return f"`{json.dumps(value)}`"


def _kind(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    annotation, metadata = unwrapped(annotation, metadata)
    named = {type(one).__name__ for one in metadata} | {getattr(one, "expected", "")[:6] for one in metadata}
    if get_origin(annotation) in {Union, types.UnionType}:
        kinds = [_kind(branch) for branch in get_args(annotation) if branch is not type(None)]
        return " or ".join(dict.fromkeys(kinds))
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(f"`{option}`" for option in get_args(annotation))
    if get_origin(annotation) in {tuple, list, Sequence}:
        inner = _kind(get_args(annotation)[0])
        return f"{inner} or list" if "_OneOrMany" in named else f"list of {inner}"
    if get_origin(annotation) in {Mapping, dict}:
        return f"mapping to {_kind(get_args(annotation)[1])}"
    if "_AsText" in named:
        return "octal digits"
    if annotation is int and "a size" in named:
        return "size"
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return "one of " + ", ".join(f"`{member.value}`" for member in annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "mapping"
    names = {
        bool: "true or false", int: "number", float: "number", str: "text", timedelta: "duration", Rate: "rate",
        Secret: "secret", SigningKey: "key", Path: "path", IPv4Network: "network", IPv6Network: "network", Any: "anything",
    }  # fmt: skip
    return names.get(annotation, "text") if isinstance(annotation, type) else "anything"


def table(found: Iterator[Row]) -> str:
    """The rows as Markdown."""
    lines = ["| key | type | default | what it does |", "|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {row.key} | {row.type} | {row.default} | {row.text} |" for row in found)])
