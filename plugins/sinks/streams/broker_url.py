"""A broker's address: read from a URL or from `host:port`, without credentials in it, and never repeated in an error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from pydantic import GetCoreSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from gateway import is_loopback


class BrokerAddress(NamedTuple):
    """Where one broker listens. `path` is what follows the port, decoded and without its first slash."""

    host: str
    port: int
    secure: bool
    path: str

    @property
    def shown(self) -> str:
        """For people and errors."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_near(self) -> bool:
        """Whether only this machine can answer there, so that nobody on the way can read along."""
        return is_loopback(self.host)


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """An option's type: `plain` and `tls` are the schemes, `port` and `tls_port` what they mean without a port."""

    plain: str
    tls: str
    port: int
    tls_port: int
    takes_path: bool = False
    shown: bool = False  # errors do not quote it, because somebody may have put a password into it

    @property
    def stand_ins(self) -> tuple[str, ...]:
        """What stands for a URL that is a secret of the environment, for `check --no-secrets`."""
        return (f"{self.tls}://placeholder.invalid",)

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def _checked(self, text: str) -> str:
        try:
            self.endpoint(text)
        except ValueError as error:
            raise PydanticCustomError("broker_url", "{expected}", {"expected": str(error)}) from None
        return text

    def endpoint(self, text: str) -> BrokerAddress:
        """Raises ValueError with what was expected, which repeats nothing of the text."""
        form = f"a URL such as {self.plain}://host:{self.port} or {self.tls}://host:{self.tls_port}"
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise ValueError(f"{form}, with a port from 1 to 65535 if any") from None
        scheme = parts.scheme.lower()
        if scheme not in {self.plain, self.tls}:
            raise ValueError(form)
        if "@" in text:
            raise ValueError("a URL without user name and password; write `username` and `password` beside it")
        if not _is_host(parts.hostname) or port == 0 or not text.isprintable() or any(map(str.isspace, text)):
            raise ValueError(f"{form}, with a host and without spaces")
        path = unquote(parts.path[1:])
        if parts.query or parts.fragment or (path and not self.takes_path) or "\0" in path:
            raise ValueError(f"{form} and nothing behind it")
        secure = scheme == self.tls
        return BrokerAddress(parts.hostname or "", port or (self.tls_port if secure else self.port), secure, path)


URLS: Final[Mapping[str, BrokerUrl]] = {
    "redis": BrokerUrl("redis", "rediss", 6379, 6379, takes_path=True),
    "nats": BrokerUrl("nats", "tls", 4222, 4222),
    "rabbitmq": BrokerUrl("amqp", "amqps", 5672, 5671, takes_path=True),
    "mqtt": BrokerUrl("mqtt", "mqtts", 1883, 8883),
    "kafka": BrokerUrl("kafka", "kafkas", 9092, 9092),
}


def _is_host(host: str | None) -> bool:
    return bool(host) and not set(host or "") & set("\\,;\"'<>{}|^`")
