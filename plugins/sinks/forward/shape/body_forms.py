"""What of a forward may be made anew for each event, as options: the body, and beside it the URL, headers and the method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError

from gateway import Options, Secret, Url, suggestion
from plugins.sinks.forward.shape.template_marks import HeaderTemplate, is_template, parted

BodyWord = Literal["event", "binary", "raw", "huawei-live", "template"]
METHODS: Final = ("POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class _BodyStandIns:
    """What `check --no-secrets` tries where the value is not here."""

    stand_ins: tuple[str, ...]


TemplateText = Annotated[str, Field(min_length=1), _BodyStandIns(("{}", "<placeholder/>", "placeholder=1"))]
"""A template that makes a body of one kind or another."""


class TemplateBody(Options):
    """A body that a template makes."""

    template: TemplateText = Field(
        description="A template (Jinja2) that makes JSON, XML or a form, as `content_type` says; each value is encoded for "
        "the place it stands in.",
    )


class CelBodyOption(Options):
    """A body that an expression makes."""

    cel: Annotated[str, _BodyStandIns(("{}",))] = Field(
        min_length=1, description="A CEL expression whose value is the body, as JSON."
    )


def _body(value: object, info: ValidationInfo) -> object:
    if isinstance(value, Mapping):
        model = CelBodyOption if "cel" in value and "template" not in value else TemplateBody
        return model.model_validate(value, context=info.context)
    words = get_args(BodyWord)
    if isinstance(value, str) and value not in words:
        expected = "'event', 'binary', 'raw' or 'huawei-live', or a mapping with `template` or `cel`"
        raise PydanticCustomError("body", "{expected}", {"expected": expected + suggestion(value, words)})
    return value


def _url(value: object, handler: ValidatorFunctionWrapHandler) -> object:
    if not isinstance(value, str) or not is_template(value):
        return handler(value)
    try:
        origin, _ = parted(value)
    except ValueError as error:
        raise PydanticCustomError("url", "{expected}", {"expected": str(error)}) from None
    handler(f"{origin}/")
    return value


def _method(text: str) -> str:
    if text not in METHODS and not is_template(text):
        raise PydanticCustomError("method", f"{', '.join(METHODS)}, or a template that makes one of them")
    return text


def _header(value: Secret) -> object:
    text = value.reveal()
    return HeaderTemplate(text) if is_template(text) else value


BodyOption = Annotated[
    BodyWord | TemplateBody | CelBodyOption,
    BeforeValidator(_body, json_schema_input_type=BodyWord | TemplateBody | CelBodyOption),
]
UrlOption = Annotated[Url, WrapValidator(_url)]
MethodOption = Annotated[
    str, _BodyStandIns(METHODS), AfterValidator(_method), Field(json_schema_extra={"examples": list(METHODS)})
]
MaybeTemplate: Final = AfterValidator(_header)
"""Behind the rules of a header's value: one with something to fill in becomes a `HeaderTemplate`."""
