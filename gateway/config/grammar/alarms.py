"""What the gateway says of itself, and to whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, NamedTuple

from pydantic import Field

from gateway.config.grammar.identifiers import ConfiguredName
from gateway.config.grammar.routes import MatchSettings, RouteSettings
from gateway.config.grammar.section import Section
from gateway.fields import ONE_OR_MANY, Duration, Globs, Language, between, parse_duration
from gateway.text.signing_key import SigningKey

ROUTE_NAME = "alarms"  # of the route that this section is short for


class AlarmSetup(NamedTuple):
    """What an alarm is written with: ms between two of a type, the language of its text, the dashboard's address; and the
    keys of each source, with how long before its end the only one in use is told of."""

    every_ms: int
    language: str
    page: str | None
    keys: Mapping[str, Sequence[SigningKey]] = {}
    key_ahead: timedelta = timedelta(days=14)


class AlarmSettings(Section):
    """Alarms are events, and go through routes whose `type` names them. This is short for one such route."""

    to: Annotated[
        tuple[ConfiguredName, ...],
        ONE_OR_MANY,
        Field(
            description="The sinks that get alarms, beside those of routes. Without it they are only kept and shown."
        ),
    ] = ()
    types: Annotated[Globs, Field(description="Which alarms go to `to`.")] = ("gateway.*",)
    every: Annotated[
        Duration,
        between("1m", "24h"),
        Field(description="At most one alarm of a type in this time; what comes meanwhile is in the next one."),
    ] = parse_duration("1m")
    language: Annotated[
        Language | None,
        Field(
            description="Language of the text inside an alarm; chats and mails have their own. Default: `locale.language`."
        ),
    ] = None

    key_ends_within: Annotated[
        Duration,
        between("1h", "365d"),
        Field(description="How long before its `valid_until` the only key in use of a source is told of."),
    ] = parse_duration("14d")

    @property
    def route(self) -> RouteSettings | None:
        """The route that this is short for."""
        if not self.to:
            return None
        return RouteSettings(name=ROUTE_NAME, match=MatchSettings(type=self.types), to=self.to)  # type: ignore[call-arg]
