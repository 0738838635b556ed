"""What a careful reviewer would say about a forward's options."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from gateway import AddressGuard, Forbidden, is_loopback
from plugins.sinks.forward import signatures
from plugins.sinks.forward.options import ForwardOptions


def advice(options: ForwardOptions) -> Iterator[str]:
    """Warnings about what is allowed and unwise."""
    url = urlsplit(options.url)
    host = url.hostname or ""
    if not options.verify:
        yield "verify: false lets anybody between here and the target read and change what is sent"
    if not options.allow_private and _is_private(host):
        yield "allow_private: false refuses every delivery, because the URL's address is not public"
    # RFC 6761 keeps every name below localhost for this machine: good enough for advice, not for a secret
    if options.uds is None and not is_loopback(host) and not host.lower().endswith(".localhost"):
        if not options.signs:
            yield "without `sign` the receiver cannot tell that the gateway is calling"
        if url.scheme == "http":
            yield "a plain http URL lets anybody on the way read what is sent; use https"
    yield from signatures.advice(options.signs)


def _is_private(host: str) -> bool:
    try:
        AddressGuard().check(ipaddress.ip_address(host))
    except Forbidden:
        return True
    except ValueError:  # a name: only its look-up tells
        return False
    return False
