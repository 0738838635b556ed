"""What the sink for Kafka can be told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from gateway import ONE_OR_MANY, Options, Size, between
from plugins.sinks.streams.broker_url import URLS, BrokerAddress
from plugins.sinks.streams.options import StreamOptions

_URL: Final = URLS["kafka"]


def _host_port(text: str) -> str:
    try:
        if "://" in text:
            raise ValueError
        _URL.endpoint(f"kafka://{text}")
    except ValueError:
        raise PydanticCustomError("broker", "a broker such as kafka-1.example.com:9092, without a scheme") from None
    return text


class _KafkaPlace(Options):
    """Where to: a class of its own, so that these are listed before the options that all brokers have."""

    brokers: Annotated[tuple[Annotated[str, AfterValidator(_host_port)], ...], Field(min_length=1), ONE_OR_MANY] = (
        Field(
            description="Brokers to begin with (`bootstrap.servers`), one or a list: host:9092. They name the others."
        )
    )
    tls: bool = Field(
        False, description="Whether the connections are encrypted (`SSL`, or `SASL_SSL` with `username`)."
    )
    sasl: Literal["plain", "scram-sha-256", "scram-sha-512"] | None = Field(
        None, description="How `username` logs in. Default: `plain`."
    )
    topic: Annotated[str, Field(min_length=1, max_length=249, pattern=r"^[A-Za-z0-9._-]+$")] = Field(
        "recordings", description="The topic."
    )
    max_message: Annotated[Size, between(1024, 64 * 2**20)] = Field(
        2**20,
        description="Most bytes of one message; a larger event is refused. The topic's `max.message.bytes` is to fit.",
    )
    compression: Literal["none", "gzip"] = Field("none", description="How messages are compressed.")


class KafkaOptions(StreamOptions, _KafkaPlace):
    """Which cluster, and which topic."""

    @property
    def endpoints(self) -> Sequence[BrokerAddress]:
        """The brokers that are asked first."""
        scheme = _URL.tls if self.tls else _URL.plain
        return [_URL.endpoint(f"{scheme}://{text}") for text in self.brokers]

    @model_validator(mode="after")
    def _logs_in(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise PydanticCustomError("password", "`username` and `password` together")
        if self.sasl is not None and self.username is None:
            raise PydanticCustomError("sasl", "`username` and `password` beside `sasl`")
        return self
