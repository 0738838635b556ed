"""Addresses as the configuration writes them: hosts, networks, and which of them only this machine can reach."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Final

from pydantic import BeforeValidator, Discriminator, Field, PlainSerializer, PrivateAttr, Tag, WithJsonSchema
from pydantic_core import PydanticCustomError

from gateway.config.grammar.section import Section
from gateway.fields import ConfigPath

_NAME: Final = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_-]{1,63})*\.?")
_MODE: Final = re.compile(r"(?:0o?)?([0-7]{3})")


def _host(value: object) -> object:
    if not isinstance(value, str):
        return value
    bare = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    try:
        ip_address(bare)
    except ValueError:
        if not _NAME.fullmatch(bare) or re.fullmatch(r"[\d.]+", bare):
            raise PydanticCustomError("host", "an IP address or a host name, without a port") from None
    return bare


def _network(value: object) -> IPv4Network | IPv6Network:
    if isinstance(value, (IPv4Network, IPv6Network)):
        return value
    try:
        if isinstance(value, str):
            return ip_network(value, strict=False)
    except ValueError:
        pass
    raise PydanticCustomError("network", "an IP address or a network such as 10.0.0.0/8")


def _mode(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0o777:
        return value
    match = _MODE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise PydanticCustomError("mode", 'permissions in three octal digits, such as "0660"')
    return int(match[1], 8)


class _AsText:
    """Hands the source text to the validator: 0660 is no decimal number here."""

    reads_text = True


Host = Annotated[str, BeforeValidator(_host)]
Network = Annotated[
    IPv4Network | IPv6Network,
    BeforeValidator(_network),
    PlainSerializer(str, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["10.0.0.0/8"]}),
]


class AllowFile(Section):
    """A file of networks, one a line, that is watched as the configuration is."""

    file: Annotated[
        ConfigPath,
        Field(
            description="A file of addresses and networks, one a line, `#` before a comment. It is watched like the configuration."
        ),
    ]
    _networks: tuple[IPv4Network | IPv6Network, ...] = PrivateAttr(default=())

    @property
    def networks(self) -> Sequence[IPv4Network | IPv6Network]:
        """What it held when the configuration was read."""
        return self._networks

    def keep(self, networks: Sequence[IPv4Network | IPv6Network]) -> None:
        """Note what it holds: part of what this is, so that a file that changed makes its source another."""
        self._networks = tuple(networks)


def _form(value: object) -> str:
    """Which form somebody meant, so that a mistake in one is not explained by what the other wants."""
    if isinstance(value, (Mapping, AllowFile)):
        return "a file"
    return "a list" if isinstance(value, (list, tuple)) else "a network"


_AllowEntry = Annotated[
    Annotated[Network, Tag("a network")] | Annotated[AllowFile, Tag("a file")],
    Discriminator(lambda value: "a file" if _form(value) == "a file" else "a network"),
]
AllowFrom = Annotated[
    Annotated[tuple[_AllowEntry, ...], Tag("a list")] | Annotated[AllowFile, Tag("a file")],
    Discriminator(lambda value: "a file" if _form(value) == "a file" else "a list"),
]
"""Networks and files of networks, or one such file."""

FileMode = Annotated[
    int,
    BeforeValidator(_mode),
    _AsText(),
    PlainSerializer(lambda mode: f"{mode:04o}", when_used="json"),
    WithJsonSchema({"type": "string", "pattern": f"^{_MODE.pattern}$"}),
]


BindAddress = str | tuple[str, int]


def overlap(left: BindAddress, right: BindAddress) -> bool:
    """Whether two listeners' addresses, (host, port) or a path, cannot both be had. Port 0 is a free one, so never the same."""
    if isinstance(left, str) or isinstance(right, str):
        return bool(left == right)
    (host, port), (other_host, other_port) = left, right
    if port != other_port or port == 0:
        return False
    hosts = {_canonical(host), _canonical(other_host)}
    return len(hosts) == 1 or bool(hosts & {"0.0.0.0", "::"})  # noqa: S104  # compared, not bound


def _canonical(host: str) -> str:
    return "127.0.0.1" if host.lower().rstrip(".") == "localhost" else host.lower()
