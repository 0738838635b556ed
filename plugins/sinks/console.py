"""Writes one line an event to standard output, for a person who watches or a program that reads lines."""

from __future__ import annotations

import errno
import functools
import io
import os
import select
import sys
from typing import Final, Literal

from pydantic import Field

from gateway import (
    BlockingWorker,
    Delivery,
    Event,
    File,
    Options,
    Retry,
    Sink,
    format_time,
    quoted,
    redact,
    to_document,
    visible,
    visible_json,
)

_VALUE_CHARS_MAX: Final = 200  # characters of one value; the whole event is in the store


class ConsoleOptions(Options):
    """How the line looks."""

    format: Literal["text", "json"] = Field(
        "text", description="`text`: a readable line, signed URLs masked; `json`: the whole event as CloudEvents JSON."
    )


class Console(Sink):
    """One line an event on standard output; nothing in it can move a terminal's cursor or turn its writing round."""

    type = "console"
    Options = ConsoleOptions
    options: ConsoleOptions

    @functools.cached_property
    def _worker(self) -> BlockingWorker:
        """A thread, because standard output blocks for as long as nobody reads it."""
        return BlockingWorker(f"console {self.name}")

    async def close(self) -> None:
        """Let the last line out, unless nobody reads."""
        await self._worker.close()

    async def deliver(self, delivery: Delivery) -> None:
        """Raises Retry when standard output is closed or its reader is gone."""
        try:
            await self._worker.run(lambda: _write(self._event_text(delivery) + "\n"))
        except (OSError, ValueError) as error:
            reason = os.strerror(error.errno).lower() if isinstance(error, OSError) and error.errno else "it is closed"
            raise Retry(f"standard output takes nothing: {reason}", service=True) from None

    async def preview(self, delivery: Delivery) -> str:
        """The line."""
        return self._event_text(delivery)

    def _event_text(self, delivery: Delivery) -> str:
        event = delivery.event
        if self.options.format == "json":
            return visible_json(to_document(event), ascii=True)
        return line(event) + (" replay" if delivery.replay else "")


def line(event: Event) -> str:
    """The event on one line: when, what, which stream, what is known of each file, how far it may be believed."""
    parts = [format_time(event.time or event.received_at), visible(event.type), _value(event.subject or "-")]
    if event.type == "recording.unknown" and event.vendor_type:
        parts.append(f"vendor_type={_value(event.vendor_type)}")
    for file in event.files:
        parts += _file_text(file)
    if event.alarm is not None:
        parts += [f"count={event.alarm.count}", f"text={_value(event.alarm.text)}"]
    if event.error is not None:
        parts.append(f"error={_value(': '.join(part for part in (event.error.code, event.error.message) if part))}")
    if event.problems:
        parts.append(f"unreadable={_value(','.join(event.problems))}")
    if event.cause is not None:
        parts.append(f"cause={_value(event.cause.id)}")
    parts += [f"source={_value(event.source)}", f"trust={event.trust.value}", f"id={_value(event.ref)}"]
    return " ".join(parts)


def _file_text(file: File) -> list[str]:
    parts = [_value(file.format)] if file.format else []
    if file.duration_seconds is not None:
        parts.append(f"{file.duration_seconds:g}s")
    if file.size_bytes is not None:
        parts.append(_size(file.size_bytes))
    if file.width and file.height:
        parts.append(f"{file.width}x{file.height}")
    address = file.archived.url if file.archived is not None else file.download_url or file.play_url
    if address:
        parts.append(_value(redact(address)))
    return parts


def _value(text: str) -> str:
    return quoted(text if len(text) <= _VALUE_CHARS_MAX else text[:_VALUE_CHARS_MAX] + "…")


def _size(size: int) -> str:
    for unit, length in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= length:
            return f"{size / length:.3g}{unit}"
    return f"{size}B"


def _write(text: str) -> None:
    """All of the text, straight to the descriptor: a buffer that kept half a line would send it twice."""
    stream = sys.stdout
    if stream is None:
        raise ValueError("there is no standard output")
    try:
        stream.flush()
        descriptor = stream.fileno()
    except io.UnsupportedOperation:  # replaced by something in memory, as a test does
        stream.write(text)
        stream.flush()
        return
    data = text.encode(stream.encoding or "utf-8", "backslashreplace")
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise
            select.select([], [descriptor], [])
