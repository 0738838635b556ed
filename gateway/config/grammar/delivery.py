"""How sinks are served: how fast, how many at once, in which order, and when again."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.config.grammar.section import Section
from gateway.fields import MAY_BE_EMPTY, ONE_OR_MANY, Duration, Rate, between, parse_duration

GroupField = Literal[
    "source", "type", "trust", "provider", "domain", "app", "stream", "format", "project_id", "job_id", "task_id"
]
"""What a batch can be grouped by: fields of an event that hold one text."""


class BatchSettings(Section):
    """Several deliveries in one call, for sinks that can."""

    max: Annotated[int, Field(ge=1, le=1000, description="Most deliveries in one call.")] = 20
    window: Annotated[Duration, between("0", "1h"), Field(description="How long the first one waits for company.")] = (
        parse_duration("30s")
    )
    group_by: Annotated[
        tuple[GroupField, ...],
        ONE_OR_MANY,
        Field(
            description="Fields whose values a batch has in common, each group with a window of its own: `[app, stream]`."
        ),
    ] = ()


class RetrySettings(Section):
    """When a failed delivery is tried again: exponential with full jitter."""

    initial: Annotated[Duration, between("1ms", "1d"), Field(description="Longest wait before the second attempt.")] = (
        parse_duration("5s")
    )
    max: Annotated[Duration, between("1ms", "30d"), Field(description="Longest wait between two attempts.")] = (
        parse_duration("1h")
    )
    give_up_after: Annotated[
        Duration,
        between("0", "365d"),
        Field(
            description="Time from the first attempt after which a failing delivery is dead; an outage does not count, "
            "nor does a clock that is set forward."
        ),
    ] = parse_duration("3d")
    max_retry_after: Annotated[
        Duration, between("0", "30d"), Field(description="Longest wait that a target's `Retry-After` can ask for.")
    ] = parse_duration("6h")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.initial > self.max:
            raise PydanticCustomError("retry", "`initial` is longer than `max`; lower it, or raise `max`")
        return self


class DeliverySettings(Section):
    """How deliveries are carried. What a sink says under its own `delivery` goes before this."""

    timeout: Annotated[
        Duration,
        between("1ms", "24h"),
        Field(description="Time of one attempt; of a sink that says that it gets on, the longest silence."),
    ] = parse_duration("15s")
    concurrency: Annotated[int, Field(ge=1, le=1000, description="Most attempts of one sink at once.")] = 4
    rate: Annotated[
        Rate | None,
        MAY_BE_EMPTY,
        Field(
            description="Most attempts in a time: `20/m`, `5/s`; of all gateways together where they share a store. "
            "null: as many as there are."
        ),
    ] = None
    order: Annotated[
        Literal["none", "stream"],
        Field(description="`stream`: one in flight for each stream of a source, the oldest first."),
    ] = "none"
    batch: Annotated[
        BatchSettings | None,
        MAY_BE_EMPTY,
        Field(description="Several events in one call, for sinks that can take them. null: singly."),
    ] = None
    retry: Annotated[RetrySettings, Field(description="When a failed delivery is tried again.")] = RetrySettings()
