"""Who is calling: the connection's address, or what a proxy that we trust says about it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from gateway.fields.network_set import IpAddress, IpNetwork, NetworkSet


def parse(text: str) -> IpAddress | None:
    """An IP address, with or without brackets and port; an IPv4 address in IPv6 clothes is the IPv4 address."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text, closed, port = text[1:].partition("]")
        if not closed or (port and not (port[0] == ":" and port[1:].isascii() and port[1:].isdigit())):
            return None
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not (port.isascii() and port.isdigit()):
            return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def peer(connected: str | None, forwarded: Iterable[str], trusted: Sequence[IpNetwork]) -> str | None:
    """The address of the caller: the right-most hop that is not a trusted proxy.

    `connected` is the socket's address, None on a unix socket: there the file's mode says who may connect, so with
    `trusted` set its other end counts as a proxy. `forwarded` are the values of X-Forwarded-For in the order they
    came. A hop that is no address ends the search, because what stands left of it was not written by a proxy of ours.
    """
    if not trusted:
        return connected
    nearest = None
    if connected is not None:
        nearest = parse(connected)
        if nearest is None or not _among(nearest, trusted):
            return connected
    for hop in reversed([part for value in forwarded for part in value.split(",")]):
        address = parse(hop)
        if address is None:
            break
        nearest = address
        if not _among(address, trusted):
            break
    return None if nearest is None else str(nearest)


def admitted(address: str | None, networks: Sequence[IpNetwork]) -> bool:
    """Whether a caller with this address may call; no networks: anybody may. An address that is not known is in none."""
    if not networks:
        return True
    found = None if address is None else parse(address)
    if found is None:
        return False
    return networks.holds(found) if isinstance(networks, NetworkSet) else _among(found, networks)


def _among(address: IpAddress, networks: Sequence[IpNetwork]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
