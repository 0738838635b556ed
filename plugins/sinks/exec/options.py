"""The options of the sink `exec`: which program, in which surroundings, and what its exit codes mean."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from gateway import MAY_BE_EMPTY, ConfigPath, Options, Secret, Trust

_TEMPFAIL: Final = 75  # EX_TEMPFAIL of sysexits.h
OURS: Final = ("EVENT_ID", "EVENT_TYPE", "SOURCE", "TRUST", "SINK", "ATTEMPT", "REPLAY", "SUPERSEDES")
"""The variables that the gateway sets, each after GATEWAY_."""


def _argument(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("argument", "an argument without NUL characters")
    return text


def _variable(name: str) -> str:
    plain = name.isascii() and name.replace("_", "").isalnum() and name == name.upper()
    if not plain or not name.startswith("GATEWAY_") or name.removeprefix("GATEWAY_") in OURS:
        raise PydanticCustomError(
            "variable", "a name that begins with GATEWAY_, in capitals, and is none that the gateway sets itself"
        )
    return name


Code = Annotated[int, Field(ge=0, le=255)]


class ExecOptions(Options):
    """Which program, in which surroundings, and what its exit codes mean."""

    command: Annotated[tuple[Annotated[str, AfterValidator(_argument)], ...], MAY_BE_EMPTY] = Field(
        min_length=1,
        description="The program and its arguments, as a list: no shell reads it, and nothing of an event is put into "
        "it. A program with a slash is a path beside the configuration; one without is looked for in PATH.",
    )
    cwd: ConfigPath = Field(Path(), description="The folder it runs in. Default: that of the configuration.")
    environment: Mapping[Annotated[str, AfterValidator(_variable)], Secret] = Field(
        default_factory=dict,
        description="Further variables; their names begin with GATEWAY_. Values are kept secret.",
    )
    min_trust: Trust = Field(
        Trust.FIELDS,
        description="What the vendor's signature must cover at least; an event with less is refused, because a program "
        "acts on it.",
    )
    delivered: tuple[Code, ...] = Field((0,), description="Exit codes that say delivered.")
    retry: tuple[Code, ...] = Field((_TEMPFAIL,), description="Exit codes that say again later.")
    unavailable: tuple[Code, ...] = Field(
        (), description="Exit codes that say the whole target is broken. Every other code refuses the event for good."
    )

    @field_validator("command", mode="after")
    @classmethod
    def _beside(cls, command: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        program = command[0]
        if not program.strip():
            raise PydanticCustomError("command", "a program as the first of `command`")
        base = (info.context or {}).get("base")
        if "/" in program and base is not None:
            program = str(Path(base) / Path(program).expanduser())
        return (program, *command[1:])

    @model_validator(mode="after")
    def _each_once(self) -> ExecOptions:
        codes = (*self.delivered, *self.retry, *self.unavailable)
        if len(set(codes)) < len(codes):
            raise PydanticCustomError("codes", "each exit code once in `delivered`, `retry` and `unavailable`")
        return self
