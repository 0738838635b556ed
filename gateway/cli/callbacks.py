"""Reads a vendor's callback through its source, outside of a gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from gateway.errors import GatewayError

if TYPE_CHECKING:
    from gateway.model import Event
    from gateway.plugin import Callback, Source


def unverified(source: Source, callback: Callback) -> Sequence[Event]:
    """The events of a callback that is not verified. Raises Malformed, or ClickException naming a plugin that failed."""
    from gateway.model import Trust, Verified
    from gateway.plugin.own_code import own_code  # only now, because `send --help` must not pay for plugins

    try:
        with own_code():
            return source.normalise(callback, Verified(trust=Trust.NONE, scheme="none"))
    except GatewayError:
        raise
    except Exception as error:  # a plugin's own code
        from gateway.config.validation import where_raised

        raise click.ClickException(f"the source plugin {source.type} failed: {where_raised(error)}") from None
