"""Reads a vendor's callback through its source, outside of a gateway."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from gateway.errors import GatewayError

if TYPE_CHECKING:
    from gateway.model import Event
    from gateway.plugin import Callback, Source


def a_callback(
    source: str,
    body: bytes,
    *,
    headers: Iterable[tuple[str, str]],
    received_at: datetime,
    path: str = "/hooks/",
    method: str = "POST",
    peer: str | None = None,
) -> Callback:
    """What the public listener would make of this request."""
    from starlette.datastructures import Headers

    from gateway.plugin import Callback

    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    return Callback(
        source=source, method=method, path=path, headers=Headers(raw=raw), body=body, peer=peer, received_at=received_at
    )


def unverified(source: Source, callback: Callback) -> Sequence[Event]:
    """The events of a callback that is not verified. Raises Malformed, or ClickException naming a plugin that failed."""
    from gateway.model import Trust, Verified

    try:
        return source.normalise(callback, Verified(trust=Trust.NONE, scheme="none"))
    except GatewayError:
        raise
    except Exception as error:  # a plugin's own code
        from gateway.config.validation import where_raised

        raise click.ClickException(f"the source plugin {source.type} failed: {where_raised(error)}") from None
