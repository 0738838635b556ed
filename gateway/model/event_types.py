"""The types of events: what a source, a follow-up, a watch and the gateway itself can say."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

from gateway.states import AlarmType

RECORDING_STARTED: Final = "recording.started"  # the vendor began to record
FILE_STARTED: Final = "recording.file.started"  # a file of the recording was begun
FILE_COMPLETED: Final = "recording.file.completed"  # a file is complete, and `files` says where
RECORDING_ENDED: Final = "recording.ended"  # no further file will come of this recording
RECORDING_FAILED: Final = "recording.failed"  # it failed; `error` says why
RECORDING_UNKNOWN: Final = "recording.unknown"  # a verified callback whose type we do not know: data, not an error
RECORDING_ARCHIVED: Final = "recording.archived"  # a file was copied to a place of its owner's
RECORDING_CONFIRMED: Final = "recording.confirmed"  # somebody looked, and the file is there
RECORDING_MISSING: Final = "recording.missing"  # somebody looked, and it is not
RECORDING_OVERDUE: Final = "recording.overdue"  # what should have come has not
RECORDING_RECOVERED: Final = "recording.recovered"  # it came after all
STREAM_STARTED: Final = "stream.started"  # a stream is pushed, recorded or not
STREAM_ENDED: Final = "stream.ended"  # it is not any more
EVENT_TYPES: Final = (
    RECORDING_STARTED,
    FILE_STARTED,
    FILE_COMPLETED,
    RECORDING_ENDED,
    RECORDING_FAILED,
    RECORDING_ARCHIVED,
    RECORDING_CONFIRMED,
    RECORDING_MISSING,
    RECORDING_OVERDUE,
    RECORDING_RECOVERED,
    STREAM_STARTED,
    STREAM_ENDED,
    RECORDING_UNKNOWN,
)
"""What a source, a sink's follow-up or a watch can say of a recording or its stream."""
FOLLOW_UP_TYPES: Final = frozenset({RECORDING_ARCHIVED, RECORDING_CONFIRMED, RECORDING_MISSING})
"""What says that something was done with an event: these go only where a route names them, whoever sent them here."""
CAUSES_MAX: Final = 4  # follow-ups one behind the other

SINK_DOWN: Final = "gateway.sink.down"  # nothing can be delivered there: its circuit is open
SINK_UP: Final = "gateway.sink.up"  # it takes deliveries again
DELIVERY_DEAD: Final = "gateway.delivery.dead"  # deliveries were given up
SOURCE_SILENT: Final = "gateway.source.silent"  # no callback for longer than its rule allows
SOURCE_BACK: Final = "gateway.source.back"  # callbacks come again
REFUSALS: Final = "gateway.refusals"  # many callbacks were refused
STORE_LIMIT: Final = "gateway.store.limit"  # the store is nearly full
STORE_OK: Final = "gateway.store.ok"  # it has room again
RELOAD_REFUSED: Final = "gateway.reload.refused"  # the configuration file was not taken over
EVENT_HELD: Final = "gateway.event.held"  # events wait for a person
KEY_EXPIRING: Final = "gateway.key.expiring"  # the only key in use of a source is to end
ALARM_TYPES: Final[tuple[AlarmType, ...]] = (
    SINK_DOWN,
    SINK_UP,
    DELIVERY_DEAD,
    SOURCE_SILENT,
    SOURCE_BACK,
    REFUSALS,
    STORE_LIMIT,
    STORE_OK,
    RELOAD_REFUSED,
    EVENT_HELD,
    KEY_EXPIRING,
)
"""What the gateway says of itself. No source can say it."""
ALL_TYPES: Final = EVENT_TYPES + ALARM_TYPES
"""What an event's type can be."""
ALARM_SOURCE: Final = "gateway"  # `source` and `provider` of an alarm
ALARM_PREFIX: Final = "gateway."
ABOUT_SINKS: Final = frozenset({SINK_DOWN, SINK_UP, DELIVERY_DEAD})  # an alarm never goes to a sink that it is about


def alarm_globs(globs: Sequence[str]) -> tuple[str, ...]:
    """Those of a route's globs for `type` that mean alarms: they begin with `gateway`.

    Whatever else a route asks for, it is a route of recordings: `*` is every type of theirs.
    """
    return tuple(glob for glob in globs if glob.startswith("gateway"))


def names_type(globs: Sequence[str], type: str) -> bool:
    """Whether these globs for `type` name it: one fits, and is more than wildcards, because `*` is no condition."""
    return any(fnmatchcase(type, glob) and glob.strip("*?") for glob in globs)


def reached_types(globs: Sequence[str]) -> tuple[str, ...]:
    """The event types that a route with these globs for `type` can meet."""
    meant = alarm_globs(globs)
    return (
        *(type for type in EVENT_TYPES if any(fnmatchcase(type, glob) for glob in globs)),
        *(type for type in ALARM_TYPES if any(fnmatchcase(type, glob) for glob in meant)),
    )
