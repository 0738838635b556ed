"""The API's operations on recordings: listing, and one."""

from __future__ import annotations

from typing import Final

from gateway.admin.recording_reads import RecordingItem, RecordingQuery
from gateway.admin.results import Page
from gateway.web.api.endpoint import NOT_FOUND, reading

RECORDING_ENDPOINTS: Final = (
    reading(
        "/recordings",
        "recordings",
        "Recordings, newest first.",
        lambda call: call.service.recordings(call.asked, whole=call.whole),
        Page[RecordingItem],
        query=RecordingQuery,
    ),
    reading(
        "/recordings/{number}",
        "recording",
        "One recording with its files and what is missing.",
        lambda call: call.service.recording(int(call.path["number"]), whole=call.whole),
        RecordingItem,
        problems=NOT_FOUND,
    ),
)
