"""What every sink for a broker can be told: who logs in, how the connection is encrypted, and what a message is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from gateway import CaFile, ConfigFile, Options, Secret
from plugins.sinks.streams.broker_url import BrokerAddress

NAME_CHARS_MAX = 256  # characters of a user's name


def _password(value: Secret) -> Secret:
    if not value.reveal() or any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in value.reveal()):
        raise PydanticCustomError("password", "a password on one line, without control characters")
    return value


Password = Annotated[Secret, AfterValidator(_password)]


class StreamOptions(Options):
    """The common part."""

    username: Annotated[str, Field(min_length=1, max_length=NAME_CHARS_MAX)] | None = Field(
        None, description="Who logs in; absent: nobody does."
    )
    password: Password | None = Field(None, description="The password.")
    ca: CaFile = None
    certificate: ConfigFile | None = Field(None, description="A PEM file to show to the broker (mutual TLS).")
    key: ConfigFile | None = Field(None, description="The certificate's private key, where it has a file of its own.")
    body: Literal["event", "binary"] = Field(
        "event",
        description="`event`: the event as CloudEvents JSON; `binary`: its `data` alone, the attributes beside it as the "
        "CloudEvents binding of the protocol has them.",
    )

    @property
    @abstractmethod
    def endpoints(self) -> Sequence[BrokerAddress]:
        """Where the brokers listen, at least one."""

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self.endpoints[0].secure

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if len({endpoint.secure for endpoint in self.endpoints}) > 1:
            raise PydanticCustomError("schemes", "brokers that are all reached with TLS, or all without")
        if self.key is not None and self.certificate is None:
            raise PydanticCustomError("key", "`certificate` beside `key`")
        if not self.secure and (self.ca is not None or self.certificate is not None):
            raise PydanticCustomError("tls", "`ca` and `certificate` only where the connection is encrypted with TLS")
        return self
