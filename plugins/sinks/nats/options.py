"""What the sink for NATS can be told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Final, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gateway import ONE_OR_MANY, Options
from plugins.sinks.streams.broker_url import URLS, BrokerAddress
from plugins.sinks.streams.options import Password, StreamOptions
from plugins.sinks.streams.topic import is_topic

_URL: Final = URLS["nats"]
_SUBJECT: Final = re.compile(r"(?!\$)[^\s.*>\x00-\x1f\x7f]+(\.[^\s.*>\x00-\x1f\x7f]+)*")


def _is_subject(text: str) -> bool:
    return bool(_SUBJECT.fullmatch(text))


class _NatsPlace(Options):
    """Where to: a class of its own, so that these are listed before the options that all brokers have."""

    url: Annotated[tuple[Annotated[str, _URL], ...], Field(min_length=1), ONE_OR_MANY] = Field(
        description="The servers, one or a list: nats://host:4222, or tls:// where they must speak TLS."
    )
    subject: Annotated[
        str, is_topic(_is_subject, "a subject such as recordings.{source}.{type}, without wildcards")
    ] = Field(
        "recordings",
        description="The subject, which may name `{source}` `{type}` `{domain}` `{app}` `{stream}`. A stream must take it.",
    )
    stream: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\s.*>/\\]+$")] | None = Field(
        None, description="The stream that must take it; the server refuses the message where another would."
    )
    token: Password | None = Field(None, description="A token, in the place of `username` and `password`.")


class NatsOptions(StreamOptions, _NatsPlace):
    """Which servers, and which subject."""

    @property
    def endpoints(self) -> Sequence[BrokerAddress]:
        """The servers, of which one is connected to."""
        return [_URL.endpoint(url) for url in self.url]

    @model_validator(mode="after")
    def _logs_in_one_way(self) -> Self:
        if self.token is not None and self.username is not None:
            raise PydanticCustomError("token", "`token`, or `username` and `password`")
        if (self.username is None) != (self.password is None):
            raise PydanticCustomError("password", "`username` and `password` together")
        return self
