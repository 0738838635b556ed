"""What the sink for RabbitMQ can be told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gateway import Options
from plugins.sinks.streams.broker_url import URLS, BrokerAddress
from plugins.sinks.streams.options import StreamOptions
from plugins.sinks.streams.topic import Topic, is_topic

_URL: Final = URLS["rabbitmq"]
KEY_BYTES_MAX: Final = 255  # bytes of a routing key, a message's id and an exchange's name


def _is_routing_key(text: str) -> bool:
    return text.isprintable() and len(text.encode()) <= KEY_BYTES_MAX


class _RabbitmqPlace(Options):
    """Where to: a class of its own, so that these are listed before the options that all brokers have."""

    url: Annotated[str, _URL] = Field(
        description="The broker: amqp://host:5672/vhost, or amqps:// with TLS. Without a path the virtual host is `/`."
    )
    exchange: Annotated[str, Field(max_length=KEY_BYTES_MAX)] = Field(
        "",
        description="The exchange, which must be there. Empty: the default one, where the routing key names a queue.",
    )
    routing_key: Annotated[
        str, is_topic(_is_routing_key, "a routing key of at most 255 bytes, such as {source}.{type}")
    ] = Field(
        "recordings",
        description="The routing key, which may name `{source}` `{type}` `{domain}` `{app}` `{stream}`.",
    )
    unroutable: Literal["wait", "refuse"] | None = Field(
        None,
        description="What becomes of an event that no queue takes: it waits with all others until a queue is bound, or it is "
        "refused. Default: `wait` where the routing key is the same for all events, else `refuse`.",
    )


class RabbitMqOptions(StreamOptions, _RabbitmqPlace):
    """Which broker, and where in it."""

    @property
    def endpoints(self) -> Sequence[BrokerAddress]:
        """The one broker."""
        return (_URL.endpoint(self.url),)

    @property
    def waits_for_a_queue(self) -> bool:
        """Whether an event that no queue takes says that the whole target is not ready."""
        return Topic(self.routing_key).is_fixed if self.unroutable is None else self.unroutable == "wait"

    @model_validator(mode="after")
    def _logs_in(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise PydanticCustomError("password", "`username` and `password` together")
        return self
