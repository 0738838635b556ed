"""What the sink for MQTT can be told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gateway import Options
from plugins.sinks.streams.broker_url import URLS, BrokerAddress
from plugins.sinks.streams.options import StreamOptions
from plugins.sinks.streams.topic import is_topic

_URL: Final = URLS["mqtt"]
TOPIC_BYTES_MAX: Final = 1024  # bytes; MQTT has 65535, and brokers take less


def _is_topic_name(text: str) -> bool:
    fits = text.isprintable() and len(text.encode()) <= TOPIC_BYTES_MAX
    return fits and bool(text) and not text.startswith("$") and not set(text) & set("+#")


class _MqttPlace(Options):
    """Where to: a class of its own, so that these are listed before the options that all brokers have."""

    url: Annotated[str, _URL] = Field(description="The broker: mqtt://host:1883, or mqtts://host:8883 with TLS.")
    topic: Annotated[str, is_topic(_is_topic_name, "a topic such as recordings/{app}/{stream}, without wildcards")] = (
        Field(
            "recordings",
            description="The topic, which may name `{source}` `{type}` `{domain}` `{app}` `{stream}`.",
        )
    )
    retain: bool = Field(
        False, description="Whether the broker keeps the last event of each topic for those who subscribe later."
    )


class MqttOptions(StreamOptions, _MqttPlace):
    """Which broker, and which topic."""

    @property
    def endpoints(self) -> Sequence[BrokerAddress]:
        """The one broker."""
        return (_URL.endpoint(self.url),)

    @model_validator(mode="after")
    def _logs_in(self) -> Self:
        if self.password is not None and self.username is None:
            raise PydanticCustomError("username", "`username` beside `password`")
        return self
