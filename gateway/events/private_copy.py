"""An event for a plugin: what its author changes in `extra` is changed for nobody else that has the event too."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.model import Event


def private_copy(event: Event) -> Event:
    """The same event, with an `extra` of its own at every depth; where it has none, the event itself, which nothing can change."""
    if not event.extra:
        return event
    return event.replace(extra={name: _copied(value) for name, value in event.extra.items()})


def _copied(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _copied(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(part) for part in value]
    return value
