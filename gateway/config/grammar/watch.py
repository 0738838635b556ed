"""`watch:` what should come, and by when; what is told where it does not."""

from __future__ import annotations

import re
from datetime import time
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.config.grammar.identifiers import ConfiguredName, RouteName
from gateway.config.grammar.routes import MatchSettings
from gateway.config.grammar.section import Section
from gateway.fields import Duration, between
from gateway.model import EVENT_TYPES, RECORDING_OVERDUE, RECORDING_RECOVERED
from gateway.text.suggest import suggestion

ANY: Final = "any"
EXPECTED_TYPES: Final = tuple(type for type in EVENT_TYPES if type not in {RECORDING_OVERDUE, RECORDING_RECOVERED})
_HOURS: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])\s*-\s*([01][0-9]|2[0-3]):([0-5][0-9])")
_DAY_MINUTES: Final = 24 * 60


def _expected(text: object) -> object:
    if text == ANY or text in EXPECTED_TYPES:
        return text
    near = suggestion(str(text), (*EXPECTED_TYPES, ANY))
    raise PydanticCustomError("expect", f"an event type such as recording.file.completed, or `any` of a source{near}")


def _hours(text: object) -> object:
    match = _HOURS.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None or match[1] + match[2] == match[3] + match[4]:
        raise PydanticCustomError("between", 'hours of a day such as "08:00-23:00", or "22:00-06:00" over midnight')
    return match[0]


class WatchSettings(Section):
    """One rule: either what should follow on an event (`when`, `expect`, `within`), or how often a source should be heard
    (`source`, `expect: any`, `every`, `between`)."""

    name: Annotated[RouteName, Field(description="What it is called in what it tells. A name for each.")]
    expect: Annotated[
        str,
        BeforeValidator(_expected),
        Field(description="The event type that should come, or `any`: any callback of `source`."),
    ]
    when: Annotated[
        MatchSettings | None, Field(description="The events it waits behind, as in `match`; `type` is needed.")
    ] = None
    within: Annotated[
        Annotated[Duration, between("1s", "30d")] | None, Field(description="How long after that event it may take.")
    ] = None
    tell: Annotated[
        Literal["recording.overdue"],
        Field(description="What is told once; `recording.recovered` where it came after all."),
    ] = "recording.overdue"
    source: Annotated[
        ConfiguredName | None, Field(description="The source that should be heard, for `expect: any`.")
    ] = None
    every: Annotated[
        Annotated[Duration, between("1m", "30d")] | None, Field(description="How long the source may be silent.")
    ] = None
    hours: Annotated[
        str | None,
        BeforeValidator(_hours),
        Field(
            alias="between",
            description="Hours in which it should be heard, in `locale.timezone`; silence counts from their start.",
        ),
    ] = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.expect == ANY:
            if self.source is None or self.every is None or self.when is not None or self.within is not None:
                raise PydanticCustomError(
                    "watch", "`expect: any` goes with `source` and `every`, without `when` and `within`"
                )
            if self.window is not None and self.every.total_seconds() > _span_minutes(*self.window) * 60:
                raise PydanticCustomError(
                    "watch", "`every` is longer than the hours of `between`, so it would never be told"
                )
        elif self.when is None or not self.when.type or self.within is None:
            raise PydanticCustomError("watch", "`expect` of an event type goes with `when: {type: …}` and `within`")
        elif self.source is not None or self.every is not None or self.hours is not None:
            raise PydanticCustomError(
                "watch", "`source`, `every` and `between` go with `expect: any`; a source goes into `when: {source: …}`"
            )
        return self

    @property
    def window(self) -> tuple[time, time] | None:
        """The hours: from, to; the second before the first is over midnight. None: all day."""
        match = None if self.hours is None else _HOURS.fullmatch(self.hours)
        return None if match is None else (time(int(match[1]), int(match[2])), time(int(match[3]), int(match[4])))


def _span_minutes(begin: time, end: time) -> int:
    """How long the hours from one to the other are, over midnight too."""
    minutes = (end.hour - begin.hour) * 60 + end.minute - begin.minute
    return minutes % _DAY_MINUTES
