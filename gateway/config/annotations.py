"""What the type of a field says: its branches, its metadata, whether a secret or a model stands in it."""

from __future__ import annotations

import types
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Annotated, Final, Literal, TypeGuard, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, PlainValidator, WrapValidator
from pydantic.fields import FieldInfo

from gateway.text.secret import Secret

LISTS: Final = (list, tuple, set, frozenset, Sequence, AbstractSet, Collection, Iterable)

TABLES: Final = (dict, Mapping)


def unwrapped(annotation: object, metadata: Sequence[object] = ()) -> tuple[object, tuple[object, ...]]:
    """The annotation without Annotated, NewType and `type` aliases, and the metadata that was around it."""
    constraints = tuple(metadata)
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *more = get_args(annotation)
            constraints = (*more, *constraints)
        elif hasattr(annotation, "__value__"):
            annotation = annotation.__value__
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        else:
            return annotation, constraints


def holds_secret(annotation: object, _seen: frozenset[object] = frozenset()) -> bool:
    """Whether a Secret stands anywhere in the values of this type."""
    annotation, _ = unwrapped(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Secret):
        return True
    if is_model(annotation):
        return annotation not in _seen and any(
            holds_secret(info.annotation, _seen | {annotation}) for info in annotation.model_fields.values()
        )
    return any(
        holds_secret(argument, _seen) for argument in get_args(annotation) if get_origin(annotation) is not Literal
    )


def leaves_of(annotation: object) -> Iterable[object]:
    annotation, _ = unwrapped(annotation)
    if not is_union(annotation):
        yield annotation
        return
    for branch in get_args(annotation):
        yield from leaves_of(branch)


def metadata_of(annotation: object, metadata: Sequence[object]) -> Iterable[object]:
    yield from metadata
    if is_union(annotation):
        for branch in get_args(annotation):
            inner, more = unwrapped(branch)
            yield from metadata_of(inner, more)


def reads_first(metadata: Sequence[object]) -> bool:
    """Whether somebody looks at the value before its type does."""
    return any(
        isinstance(one, (BeforeValidator, PlainValidator, WrapValidator))
        or hasattr(one, "__get_pydantic_core_schema__")
        for one in metadata
    )


def before_validators(model: type[BaseModel], name: str) -> Sequence[object]:
    """The model's own validators of a field that see the value before its type does, as metadata."""
    return [
        BeforeValidator(lambda value: value)
        for validator in model.__pydantic_decorators__.field_validators.values()
        if validator.info.mode in {"before", "plain", "wrap"} and {name, "*"} & set(validator.info.fields)
    ]


def fields_by_key(model: type[BaseModel]) -> dict[str, tuple[str, FieldInfo]]:
    by_key: dict[str, tuple[str, FieldInfo]] = {}
    by_name = model.model_config.get("populate_by_name") or model.model_config.get("validate_by_name")
    for name, info in model.model_fields.items():
        alias = info.validation_alias
        if isinstance(alias, str):
            by_key[alias] = (name, info)
        if not isinstance(alias, str) or by_name:
            by_key[name] = (name, info)
    return by_key


def origin_of(annotation: object) -> object:
    inner, _ = unwrapped(annotation)
    return get_origin(inner) or inner


def is_union(annotation: object) -> bool:
    return get_origin(annotation) in {Union, types.UnionType}


def is_model(annotation: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and get_origin(annotation) is None and issubclass(annotation, BaseModel)
