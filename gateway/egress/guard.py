"""Which addresses may be called: the rule against requests that reach our own network."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import httpx

    from gateway.fields.network_set import IpAddress, IpNetwork

# Forms of IPv6 that carry an IPv4 address, and how far its 32 bits lie from the right. The first must be first:
# ::ffff:8.8.8.8 counts as reserved, though what it means is not.
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_CARRIERS: Final = (
    (IPv6Network("::/96"), 0),
    (IPv6Network("::ffff:0:0:0/96"), 0),  # SIIT
    (IPv6Network("64:ff9b::/96"), 0),  # NAT64
    (IPv6Network("64:ff9b:1::/48"), 0),  # NAT64, local use
    (IPv6Network("2002::/16"), 80),  # 6to4
)
_TEREDO: Final = IPv6Network("2001::/32")
_NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*", re.ASCII)

# Not public, though Python's is_global says so, or says so in some versions.
_DENIED: Final[tuple[IpNetwork, ...]] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "192.0.0.0/24",
        "192.31.196.0/24",
        "192.88.99.0/24",
        "168.63.129.16/32",  # a cloud's metadata
        "100.64.0.0/10",  # shared address space; a cloud's metadata lives in it
        "169.254.0.0/16",
        "fec0::/10",
        "3fff::/20",
        "5f00::/16",
        "fd00:ec2::254/128",
    )
)


class Forbidden(OSError):
    """This address or URL may not be called. An OSError, because that is what a resolver may raise."""


@dataclass(frozen=True)
class AddressGuard:
    """Lets only public addresses pass, and those of `allow`. Ports: 80, 443, and from 1024 up."""

    allow: tuple[IpNetwork, ...] = ()

    def check_url(self, url: httpx.URL) -> None:
        """Raise Forbidden for a URL that may not be called whatever its name resolves to."""
        if url.scheme not in {"http", "https"}:
            raise Forbidden("only http and https URLs may be called")
        if url.userinfo:
            raise Forbidden("a URL with user-info may not be called")
        port = (443 if url.scheme == "https" else 80) if url.port is None else url.port
        if port < 1024 and port not in {80, 443}:
            raise Forbidden(f"port {port} may not be called; 80, 443 and 1024 or above may")
        if not url.host:
            raise Forbidden("the URL names no host")
        # Asked here, because aiohttp never asks its resolver for a literal.
        try:
            literal = ipaddress.ip_address(url.host.strip("[]"))
        except ValueError:
            # What ends in a number is no name either, and the system reads 2130706433, 0x7f.1 and 127.1 as 127.0.0.1.
            if _NUMBER.fullmatch(url.host.rstrip(".").rpartition(".")[2]):
                raise Forbidden("a host written in numbers that is no plain address may not be called") from None
            return
        self.check(literal)

    def check(self, address: IpAddress) -> None:
        """Raise Forbidden unless this address is public or allowed, and every address wrapped in it is too."""
        if any(address.version == network.version and address in network for network in self.allow):
            return
        for inner in unwrap(address):
            if not is_public(inner) and not any(
                inner.version == network.version and inner in network for network in self.allow
            ):
                raise Forbidden(f"{address} is not a public address")


def unwrap(address: IpAddress) -> Iterator[IpAddress]:
    """The address as it will be used, and the IPv4 address inside it where there is one."""
    if isinstance(address, IPv4Address):
        yield address
        return
    value = int(address)
    if address in _MAPPED:
        yield IPv4Address(value & 0xFFFFFFFF)  # it is that address, in another spelling
        return
    yield address
    for network, shift in _CARRIERS:
        if address in network:
            yield IPv4Address((value >> shift) & 0xFFFFFFFF)
    if address in _TEREDO:
        yield IPv4Address((value >> 64) & 0xFFFFFFFF)  # its server
        yield IPv4Address((value & 0xFFFFFFFF) ^ 0xFFFFFFFF)  # its client, inverted


def is_public(address: IpAddress) -> bool:
    """Whether this address, taken by itself, is reachable by everybody."""
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return False
    return not any(address.version == network.version and address in network for network in _DENIED)
