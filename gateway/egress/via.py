"""How a target is reached: the settings that the connections to it share."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.egress.guard import AddressGuard


@dataclass(frozen=True, kw_only=True)
class Via:
    """How a target is reached. Targets with equal settings share connections; a `ConfigFile` with another content is another one.

    `proxy` is an http or https URL; the environment's proxies are never used. `guard` judges the addresses of this
    target; with a proxy it judges the proxy's address, because the proxy resolves the target's name.
    """

    guard: AddressGuard | None = None
    proxy: str | None = None
    verify: bool = True
    ca: Path | None = None  # a PEM file of authorities to trust instead of the system's
    certificate: Path | None = None  # a PEM file to show to the target (mutual TLS)
    key: Path | None = None  # its private key, where it is not in the same file
    uds: Path | None = None  # a unix socket to connect to, whatever host the URL names; only for http, without a proxy

    def __hash__(self) -> int:
        return self._hash

    @functools.cached_property
    def _hash(self) -> int:
        """Made once, because each request asks for the connections of its settings."""
        return hash((self.guard, self.proxy, self.verify, self.ca, self.certificate, self.key, self.uds))

    @functools.cached_property
    def written(self) -> tuple[object, ...]:
        """What the settings say, whatever their files held: equal before and after a certificate was renewed."""
        files = (self.ca, self.certificate, self.key, self.uds)
        return (self.guard, self.proxy, self.verify, *(None if file is None else str(file) for file in files))


DIRECT: Final = Via()
