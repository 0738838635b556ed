"""What the sink for Redis can be told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gateway import Duration, Options, between
from plugins.sinks.streams.broker_url import URLS, BrokerAddress
from plugins.sinks.streams.options import StreamOptions

_URL: Final = URLS["redis"]


class _RedisPlace(Options):
    """Where to: a class of its own, so that these are listed before the options that all brokers have."""

    url: Annotated[str, _URL] = Field(
        description="The server: redis://host:6379/0, or rediss:// with TLS. The number is that of the database."
    )
    stream: Annotated[str, Field(min_length=1, max_length=512)] = Field(
        "recordings", description="The key of the stream."
    )
    max_length: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="About how many entries the stream keeps (`MAXLEN ~`): older ones go. Absent: all, until somebody trims it.",
    )
    deduplicate: Annotated[Duration, between("1s", "30d")] | None = Field(
        None,
        description="How long Redis remembers which events it has, so that a repeat adds no second entry. Absent: it does not.",
    )


class RedisOptions(StreamOptions, _RedisPlace):
    """Which Redis, and which stream in it."""

    @property
    def endpoints(self) -> Sequence[BrokerAddress]:
        """The one server."""
        return (_URL.endpoint(self.url),)

    @property
    def database(self) -> int:
        """The number of the database."""
        return int(self.endpoints[0].path or "0")

    @model_validator(mode="after")
    def _names_a_database(self) -> Self:
        path = self.endpoints[0].path
        if path and not (path.isascii() and path.isdigit() and len(path) < 6):
            raise PydanticCustomError("database", "`url` with the number of a database behind the port, or nothing")
        if self.username is not None and self.password is None:
            raise PydanticCustomError("password", "`password` beside `username`")
        return self
