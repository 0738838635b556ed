"""Errors that stand in an answer's body, also in that of a 200: where their code is, and what a code means."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from gateway import (
    ONE_OR_MANY,
    Answer,
    DeliveryFailed,
    Globs,
    Options,
    Refused,
    Retry,
    Unavailable,
    redact_start,
    suggestion,
    visible,
)

_PATH: Final = r"^[A-Za-z0-9_@$-]{1,64}(\.[A-Za-z0-9_@$-]{1,64}){0,7}$"
_HEADER: Final = r"^[A-Za-z0-9-]{1,64}$"
_CODE_CHARS_MAX: Final = 100  # characters of a code that are shown
_WORDS_CHARS_MAX: Final = 200  # characters of the words beside it

_ErrorPath = Annotated[str, Field(pattern=_PATH, examples=["error_code", "Response.Error.Code"])]
_Header = Annotated[str, Field(pattern=_HEADER)]


class SaidErrors(Options):
    """Where an answer says that the call failed, whatever its status."""

    code: Annotated[tuple[_ErrorPath, ...], ONE_OR_MANY] = Field(
        default=(), description="Where in JSON the error's code stands: names with dots between, one place or several."
    )
    header: Annotated[tuple[_Header, ...], ONE_OR_MANY] = Field(
        default=(), description="Headers of the answer that hold the error's code."
    )
    message: Annotated[tuple[_ErrorPath, ...], ONE_OR_MANY] = Field(
        default=(), description="Where in JSON its words stand, for the text that people read."
    )
    success: Annotated[tuple[str, ...], ONE_OR_MANY] = Field(
        default=(), description="Codes that are no error. An absent or empty one, 0 and false never are."
    )
    retry: Globs = Field(default=(), description="Codes (globs) that mean: again, later.")
    unavailable: Globs = Field(
        default=(),
        description="Codes (globs) that mean: the target takes nothing at all, such as a key that is not valid.",
    )

    @model_validator(mode="after")
    def _says_where(self) -> SaidErrors:
        if not self.code and not self.header:
            raise PydanticCustomError("errors", "`code` or `header`: where the error's code stands")
        return self


# As each documents its common errors. A code in no list refuses the event in a 2xx; any other status is left to the table.
PRESETS: Final[Mapping[str, SaidErrors]] = MappingProxyType(
    {
        "aws": SaidErrors(
            code=("__type",),
            header=("x-amzn-errortype", "x-amz-function-error"),
            message=("message", "Message", "errorMessage"),
            retry=("*Throttling*", "TooManyRequests*", "RequestLimitExceeded*", "ServiceUnavailable*", "InternalServer*",
                   "InternalFailure*", "Unhandled", "Handled"),
            unavailable=("UnrecognizedClient*", "InvalidSignature*", "SignatureDoesNotMatch*", "AccessDenied*",
                         "ExpiredToken*", "InvalidClientTokenId*", "MissingAuthenticationToken*"),
        ),
        "huawei-cloud": SaidErrors(
            code=("error_code", "error.code"),
            message=("error_msg", "error.message"),
            retry=("APIG.0308", "APIGW.0308"),
            unavailable=("APIG.0301", "APIGW.0301", "APIG.0307", "APIGW.0307"),
        ),
        "tencent-cloud": SaidErrors(
            code=("Response.Error.Code",),
            message=("Response.Error.Message",),
            retry=("RequestLimitExceeded*", "InternalError*"),
            unavailable=("AuthFailure*", "UnauthorizedOperation*"),
        ),
        "alibaba-cloud": SaidErrors(
            code=("Code",),
            message=("Message",),
            success=("200", "OK", "Success"),
            retry=("Throttling*", "ServiceUnavailable*", "InternalError*"),
            unavailable=("InvalidAccessKeyId*", "SignatureDoesNotMatch*", "IncompleteSignature*", "Forbidden.RAM*"),
        ),
        "volcengine": SaidErrors(
            code=("ResponseMetadata.Error.Code",),
            message=("ResponseMetadata.Error.Message",),
            retry=("FlowLimitExceeded*", "ServiceUnavailable*", "InternalService*"),
            unavailable=("SignatureDoesNotMatch", "InvalidAccessKey*", "InvalidCredential*", "AccessDenied*"),
        ),
        "graphql": SaidErrors(code=("errors.0.extensions.code", "errors.0.message"), message=("errors.0.message",)),
        "json-rpc": SaidErrors(code=("error.code",), message=("error.message",), retry=("-32603",)),
    }
)  # fmt: skip


def _preset(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value not in PRESETS:
        expected = f"a mapping with `code`, or one of {', '.join(PRESETS)}{suggestion(value, PRESETS)}"
        raise PydanticCustomError("errors", "{expected}", {"expected": expected})
    return PRESETS[value]


SaidErrorsOption = Annotated[
    SaidErrors | None, BeforeValidator(_preset, json_schema_input_type=SaidErrors | str | None)
]
"""The mapping, or the name of a preset."""


def failure_said(spec: SaidErrors, answer: Answer) -> DeliveryFailed | None:
    """What this answer says went wrong; None where it says nothing, or nothing that changes what its status means.

    Raises Retry for a 2xx with a body that is not JSON, because then something else answered.
    """
    good = 200 <= answer.status < 300
    document = _document(spec, answer, good)
    code = next(_codes(spec, answer, document), None)
    if code is None:
        return None
    shown = visible(redact_start(code, _CODE_CHARS_MAX))
    words = next((text for path in spec.message if isinstance(text := _at(document, path), str) and text), "")
    beside = f": {visible(redact_start(words, _WORDS_CHARS_MAX))}" if words not in {"", code} else ""
    detail = f"HTTP {answer.status} from {answer.origin}, which says {shown}{beside}"
    if any(fnmatchcase(code, glob) for glob in spec.unavailable):
        return Unavailable(detail, answer.retry_after, status=answer.status)
    if any(fnmatchcase(code, glob) for glob in spec.retry):
        return Retry(detail, answer.retry_after, status=answer.status, service=True)
    return Refused(detail, status=answer.status) if good else None


def _document(spec: SaidErrors, answer: Answer, good: bool) -> object:
    body = answer.body.strip()
    if not spec.code or not body or answer.truncated:  # an error is short
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        if good:
            answer.json()  # says so, with the beginning of what came
        return None


def _codes(spec: SaidErrors, answer: Answer, document: object) -> Iterator[str]:
    values: Sequence[object] = [
        *(answer.headers.get(name) for name in spec.header),
        *(_at(document, p) for p in spec.code),
    ]
    for value in values:
        if isinstance(value, bool):
            code = "true" if value else ""
        elif isinstance(value, str | int | float):
            code = str(value).strip()
        else:
            code = json.dumps(value, ensure_ascii=False) if value else ""
        if code and code != "0" and code not in spec.success:
            yield code


def _at(document: object, path: str) -> object:
    for name in path.split("."):
        if isinstance(document, dict):
            document = document.get(name)
        elif isinstance(document, list) and name.isascii() and name.isdigit() and len(name) <= 4:
            document = document[int(name)] if int(name) < len(document) else None
        else:
            return None
    return document
