"""Which events go where, and the tests that say so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.config.grammar.identifiers import ConfiguredName, EventForm, RouteName
from gateway.config.grammar.section import Section
from gateway.fields import ONE_OR_MANY, ConfigPath, Globs


class MatchSettings(Section):
    """Every key that is there must match: a glob or a list of globs, case-sensitive, the whole value."""

    type: Annotated[Globs | None, Field(description="Event type, such as `recording.failed`.")] = None
    source: Annotated[Globs | None, Field(description="Name of the source.")] = None
    provider: Annotated[Globs | None, Field(description="The vendor, as the type of its source is called.")] = None
    domain: Annotated[Globs | None, Field(description="Publishing domain.")] = None
    app: Annotated[Globs | None, Field(description="Application.")] = None
    stream: Annotated[Globs | None, Field(description="Stream.")] = None
    format: Annotated[Globs | None, Field(description="Recording format.")] = None
    project_id: Annotated[Globs | None, Field(description="The vendor's project or account.")] = None
    trust: Annotated[Globs | None, Field(description="How much the signature covered.")] = None

    @property
    def globs(self) -> Mapping[str, tuple[str, ...]]:
        """The conditions that are there, by field."""
        return {key: globs for key in MatchSettings.model_fields if (globs := getattr(self, key)) is not None}


class RouteSettings(Section):
    """One route: who is meant, and where to."""

    name: Annotated[RouteName, Field(description="Name in explanations and metrics. Default: `route-1`, `route-2`, …")]
    conditions: Annotated[
        MatchSettings, Field(alias="match", description="Conditions by field; without any, everything matches.")
    ] = MatchSettings()
    where: Annotated[str | None, Field(description="A CEL expression over `event`; only `true` matches.")] = None
    to: Annotated[tuple[ConfiguredName, ...], ONE_OR_MANY, Field(description="The sinks that get what matches.")] = ()
    stop: Annotated[bool, Field(description="Whether the search ends here when this route matches.")] = False

    @model_validator(mode="after")
    def _has_purpose(self) -> Self:
        if not self.to and not self.stop:
            raise PydanticCustomError("to", "`to` names no sink; add one, or `stop: true` to drop what matches")
        return self

    @property
    def match(self) -> Mapping[str, tuple[str, ...]]:
        """The conditions that are there, by field."""
        return self.conditions.globs


class CallbackSettings(Section):
    """A vendor's callback in a file, for a test."""

    source: Annotated[ConfiguredName, Field(description="The configured source that reads it, without verification.")]
    file: Annotated[ConfigPath, Field(description="The file with the callback's body.")]


class TestSettings(Section):
    """One route test: an event, or a callback in a file, and the sinks it must go to."""

    __test__ = False  # because pytest takes every class that begins with Test for one of its own

    name: Annotated[str | None, Field(max_length=200, description="What the test is called when it fails.")] = None
    event: Annotated[
        EventForm | None,
        Field(description="CloudEvents JSON, or the flat form; what is missing gets the type's sample."),
    ] = None
    callback: Annotated[CallbackSettings | None, Field(description="A vendor's callback in a file.")] = None
    expect: Annotated[
        tuple[ConfiguredName, ...], ONE_OR_MANY, Field(description="The sinks, in any order; [] is none.")
    ]

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if (self.event is None) == (self.callback is None):
            raise PydanticCustomError("test", "a test has either `event` or `callback`")
        return self
