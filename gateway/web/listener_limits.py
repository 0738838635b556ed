"""How long and how much of one request, one connection and one listener is borne."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from typing import Final

from gateway.errors import GatewayError

UNVERIFIED_BYTES_MAX: Final = 32 * 1024 * 1024  # where whoever embeds the listeners says nothing
PRIVATE_CONNECTIONS_MAX: Final = 128
SPARE_DESCRIPTORS: Final = 64  # the store, the log, the loop's own, plugins


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerLimits:
    """The bounds of one listener (docs/http.md, Limits). Times in seconds, sizes in bytes."""

    head_seconds: float = 5.0  # from the first byte, or from connecting, until the head is complete
    body_seconds: float = 10.0  # from the head until the body is complete: with the head 15 in all
    idle_seconds: float = 5.0  # between an answer and the next request
    stall_seconds: float = 15.0  # for a caller that does not take our answer
    linger_seconds: float = 2.0  # how long a refused caller may go on sending, so that it can read the refusal
    head_bytes: int = 16 * 1024
    head_fields: int = 64
    wire_bytes: int = 1024 * 1024  # of one body with its chunk framing, whatever the source takes
    pipelined: int = 16  # requests that wait on one connection
    connections: int = 1000
    hostless: bool = False  # whether HTTP/1.0 without Host is served


BODY_BYTES_MAX: Final = 16 * 1024 * 1024  # bytes: what `max_body` may say at most


def on_the_wire(max_body: int) -> int:
    """How many bytes a body of that size may take with its chunk framing."""
    return 2 * max_body + 64 * 1024


def public_limits(*, body_timeout: float, connections: int) -> ListenerLimits:
    """What the public listener bears, from `server:`. `body_timeout` in seconds."""
    return ListenerLimits(
        body_seconds=body_timeout,
        wire_bytes=on_the_wire(BODY_BYTES_MAX),
        connections=connections,
    )


class TooFewDescriptors(GatewayError):
    """The process may not open as many files as the configured connections need."""


def reserve_descriptors(needed: int) -> None:
    """Make sure that `needed` files can be open at once; the soft limit is raised where the hard one allows it.

    Raises TooFewDescriptors.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise TooFewDescriptors(
            f"this process may open {hard} files at once (RLIMIT_NOFILE), but the configuration needs {needed}: "
            f"server.connections, {PRIVATE_CONNECTIONS_MAX} private connections, the sinks' concurrency and "
            f"{SPARE_DESCRIPTORS} for the rest. Raise the limit (ulimit -n, LimitNOFILE=, --ulimit nofile=) "
            "or lower server.connections."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
