"""What of an archived recording is not as the callback said, for people: half a file must not look like a whole one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from gateway import RECORDING_ARCHIVED, Event
from plugins.sinks.cards.words import SEVERITY, Severity, Words, size

_SHOWN_MAX: Final = 5


def severity_of(event: Event) -> Severity:
    """The colour of one event."""
    return "warn" if next(_found(event), None) else SEVERITY.get(event.type, "warn")


def differences(event: Event, words: Words) -> str:
    """What was measured and what the callback had said, of each file where these differ; empty where nothing does."""
    texts = []
    for number, what, promised, measured in _found(event):
        if what == "size_bytes":
            text = words.instead.format(measured=size(int(measured)), said=size(int(promised)))
        else:
            text = words.instead.format(measured=words.duration(measured), said=words.duration(promised))
        texts.append(f"{words.labels['file']} {number + 1}: {text}" if len(event.files) > 1 else text)
    more = len(texts) - _SHOWN_MAX
    return "; ".join([*texts[:_SHOWN_MAX], *([words.more_files.format(count=more)] if more > 0 else [])])


def _found(event: Event) -> Iterator[tuple[int, str, float, float]]:
    """Which file, what, as it was said and as it was measured; nothing of what somebody wrote in another way."""
    listed = event.extra.get("mismatch") if event.type == RECORDING_ARCHIVED else None
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, Mapping) and entry.get("what") in {"size_bytes", "duration_seconds"}:
            number, promised, measured = entry.get("file"), entry.get("said"), entry.get("measured")
            if isinstance(number, int) and isinstance(promised, int | float) and isinstance(measured, int | float):
                yield number, entry["what"], promised, measured
