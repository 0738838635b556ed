"""Which deliveries go in one batch, of sinks with `batch.group_by`: a key in each row, so that the groups are the database's."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

from gateway.compact_json import encode_json
from gateway.model import ALARM_PREFIX, RECORDING_FAILED, Event

# Hexadecimal digits, because an index holds no text of any length.
_KEY_CHARS: Final = 32


class Groups:
    """What each sink's batches are grouped by; one a gateway. `by` is replaced whole, as the writer's thread reads it."""

    def __init__(self) -> None:
        self.by: Mapping[str, Sequence[str]] = {}

    def key_of(self, sink: str, event: Event) -> str | None:
        """The key of the event's group at this sink; None: its batches have no groups."""
        fields = self.by.get(sink)
        return group_key(sink, fields, event) if fields else None


def group_key(sink: str, fields: Sequence[str], event: Event) -> str:
    """The same for all events of a sink that have the same values in these fields. Other fields give other keys."""
    if event.type == RECORDING_FAILED or event.type.startswith(ALARM_PREFIX):
        return key_alone(sink)
    said = {name: getattr(event, name) for name in sorted(fields)}
    return hashlib.sha256(encode_json([sink, said]).encode()).hexdigest()[:_KEY_CHARS]


def key_alone(sink: str) -> str:
    """The key of what is told at once and by itself: failed recordings, and alarms. So is a row without any key."""
    return f"alone {sink}"
